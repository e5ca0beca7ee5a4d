"""Limits: how large, how many, how fast. Pure arithmetic, the time is an argument."""

from collections import deque
from typing import Final

from local.realtime.core.text import Json

SAMPLE_SECONDS: Final = 5.0
SAMPLES: Final = 12  # a minute
ATOMS: Final = {True: 6, False: 7, None: 5}
OBJECT: Final = 5  # and its keys and values


class RateMeter:
    """The project-wide limiter: an average over up to a minute, renewed every five seconds.

    It triggers when a sample finds the average at the limit, and releases at the first sample below; bursts between
    samples pass.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.triggered = False
        self.average = 0.0
        self._current = 0
        self._samples: deque[int] = deque(maxlen=SAMPLES)

    def add(self, count: int = 1) -> None:
        self._current += count

    def sample(self) -> None:
        """Closes the current five seconds."""
        self._samples.append(self._current)
        self._current = 0
        self.average = sum(self._samples) / (len(self._samples) * SAMPLE_SECONDS)
        self.triggered = self.average >= self.limit


class PushWindow:
    """So many pushes per window, which starts at the first push after the last window's end."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._start = float("-inf")
        self._count = 0

    def push(self, now: float) -> bool:
        """Counts a push. False if it is one too many."""
        if now - self._start >= self._seconds:
            self._start, self._count = now, 0
        self._count += 1
        return self._count <= self._limit


def fits(payload: Json, limit: int, frame_size: int) -> bool:
    """Whether a decoded payload is within the limit; a short frame needs no counting."""
    return frame_size * 9 < limit or term_size(payload) <= limit


def term_size(value: Json) -> int:
    """Bytes of the value in Erlang's external term format, the measure of the real server's limit."""
    total, pending = 1, [value]
    while pending:
        item = pending.pop()
        total += _own_size(item)
        if isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return total


def _own_size(item: Json) -> int:
    if isinstance(item, str):
        return 5 + (len(item) if item.isascii() else len(item.encode()))
    if isinstance(item, list):
        return 6 if item else 1  # a list ends with an empty one
    if isinstance(item, float):
        return 9
    if isinstance(item, int) and not isinstance(item, bool):
        return _integer_size(item)
    return OBJECT if isinstance(item, dict) else ATOMS[item]


def _integer_size(number: int) -> int:
    if 0 <= number <= 255:
        return 2
    return 5 if -(2**31) <= number < 2**31 else 3 + (number.bit_length() + 7) // 8
