"""What is due later: a heap of calls, driven by whoever knows the time."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

SLACK: Final = 100  # cancelled timers that may lie around before they are swept


@dataclass(order=True, slots=True)
class Timer:
    """A call at a time; `call` is None once it is cancelled."""

    when: float
    order: int
    call: Callable[[], None] | None = field(compare=False)


class Timers:
    """Calls in the order of their time, equal times in the order of their making."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._order = count()
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when: float, call: Callable[[], None]) -> Timer:
        timer = Timer(when, next(self._order), call)
        heapq.heappush(self._heap, timer)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Forgets a timer. The heap keeps its shell for a while, but never mostly shells."""
        if timer is None or timer.call is None:
            return
        timer.call = None
        self._cancelled += 1
        if self._cancelled > SLACK and self._cancelled * 2 > len(self._heap):
            self._heap = [kept for kept in self._heap if kept.call]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def due(self, now: float) -> Callable[[], None] | None:
        """The next call whose time has come."""
        while self._heap and self._heap[0].when <= now:
            timer = heapq.heappop(self._heap)
            call, timer.call = timer.call, None
            if call:
                return call
            self._cancelled -= 1
        return None

    @property
    def next(self) -> float | None:
        """When there is something to do; perhaps a cancelled timer's time, which is harmless."""
        return self._heap[0].when if self._heap else None
