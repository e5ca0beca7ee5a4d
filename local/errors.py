"""The one exception that a developer is meant to read."""


class StackError(Exception):
    """Why the stack cannot go on, as one sentence for the terminal."""
