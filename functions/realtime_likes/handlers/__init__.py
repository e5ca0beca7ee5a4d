"""The routes of each function: parse, call one use case, map its result."""
