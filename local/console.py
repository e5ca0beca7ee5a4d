"""Lines for the developer's terminal: plain text, one event per line, written at once."""

import contextlib
import sys


def say(line: str = "") -> None:
    """Write one line to the terminal. One that has gone away is no reason to fail: a stack is to be stopped."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
