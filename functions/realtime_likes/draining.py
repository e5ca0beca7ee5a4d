"""The drain: for about a minute it takes wake-ups from the queue and settles what they name.

It runs on a schedule, every minute. Two drains at once do no harm: settling is idempotent and locks in the database.
Nothing is lost when one is killed: its messages come back after their visibility timeout, and the sweep finds what no
message announces.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from realtime_likes.errors import DatabaseUnavailableError, LikesError, QueueUnavailableError
from realtime_likes.ports import Figure, Figures, LikesSettler, Message, WakeUp, WakeUpQueue
from realtime_likes.settling import MAX_ITEMS_PER_CALL, SettleBatch, read_wake_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools.logging import Logger

    from realtime_likes.models import Content

SWEEP_EVERY_SECONDS = 10.0
# Many, since each look is at all that is unsettled.
SWEEP_LIMIT = 1000
# A reconciliation looks at so many contents per call, and calls so often at most.
RECONCILE_LIMIT = 100
RECONCILE_CALLS = 10
# A long poll ends early enough for the sweep to be on time and for a stop to be prompt.
_POLL_SECONDS = 5
_QUEUE_BATCH = 10
# Duplicates of few contents must not keep the batch open for ever.
_MAX_MESSAGES = 100
# How long the drain leaves alone what has just failed.
_PAUSE_SECONDS = 2.0
# Housekeeping needs no memory of the last time: the minute in which a drain starts decides. A drain that starts twice
# in such a minute, or not at all, does a harmless thing twice or some minutes later.
_RECONCILE_EVERY_MINUTES = 5
_PRUNE_AT_MINUTE = 31


@dataclass(slots=True)
class _Tally:
    """Figures that are passed on and summed up for the report."""

    figures: Figures
    sums: Counter[str] = field(default_factory=Counter)

    def add(self, figure: Figure | str, value: float = 1) -> None:
        self.figures.add(figure, value)
        self.sums[str(figure)] += value  # type: ignore[assignment]  # Counter is typed for int, and sums floats as well

    def flush(self) -> None:
        self.figures.flush()


@dataclass(frozen=True, slots=True)
class Drain:
    """What a drain needs; `run` makes one. Clocks and sleep are arguments so that tests pass an hour in no time."""

    database: LikesSettler
    queue: WakeUpQueue
    figures: Figures
    log: Logger
    clock: Callable[[], float] = field(default=time.monotonic)
    wall: Callable[[], float] = field(default=time.time)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def run(self, seconds: float) -> Mapping[str, float]:
        """Drains for so long, or one poll and one call longer; returns what it counted, by the names in `Figure`."""
        return _Run(self, until=self.clock() + seconds).run()


class _Run:
    def __init__(self, parts: Drain, until: float) -> None:
        self._parts = parts
        self._until = until
        self._tally = _Tally(parts.figures)
        self._settle = SettleBatch(parts.database, self._tally, parts.log, parts.clock)
        self._next_sweep = parts.clock()
        self._database_answers = True

    def run(self) -> Mapping[str, float]:
        self._keep_house()
        while self._left() > 0:
            if not self._database_answers:
                self._parts.sleep(min(_PAUSE_SECONDS, self._left()))
                self._next_sweep = self._parts.clock()
            if self._parts.clock() >= self._next_sweep:
                self._attempt(self._sweep)
                self._next_sweep = self._parts.clock() + SWEEP_EVERY_SECONDS
            # while the database is away nothing is received: each receive counts towards the dead-letter queue
            if self._database_answers and self._left() > 0:
                self._attempt(self._serve_queue)
        self._attempt(self._publish_database_figures)
        self._tally.flush()
        self._parts.log.info("drained", extra={"counts": dict(self._tally.sums)})
        return dict(self._tally.sums)

    def _left(self) -> float:
        return self._until - self._parts.clock()

    def _attempt(self, step: Callable[[], None]) -> None:
        """One step; its failure is counted and the drain goes on."""
        try:
            step()
            self._database_answers = True
        except QueueUnavailableError as error:
            self._tally.add(Figure.QUEUE_ERRORS)
            self._parts.log.warning("the queue failed", extra={"cause": repr(error.__cause__)[:300]})
            self._parts.sleep(max(0.0, min(_PAUSE_SECONDS, self._left())))
        except LikesError as error:
            self._database_answers = not isinstance(error, DatabaseUnavailableError)
            self._tally.add(Figure.DATABASE_ERRORS)
            self._parts.log.warning(
                "the database failed", extra={"code": error.code, "cause": repr(error.__cause__)[:300]}
            )

    # the queue

    def _serve_queue(self) -> None:
        messages = self._receive()
        if not messages:
            return
        by_content: dict[Content, list[Message]] = {}
        for message in messages:
            content = read_wake_up(message)
            if content is None:
                self._tally.add(Figure.MESSAGES_POISON)  # it stays, and ends in the dead-letter queue
            else:
                by_content.setdefault(content, []).append(message)
                self._tally.add(Figure.MESSAGE_AGE_MILLISECONDS, 1000 * max(self._parts.wall() - message.sent_at, 0))
        for contents in _chunks(list(by_content)):
            self._settle_and_delete({content: by_content[content] for content in contents})

    def _receive(self) -> list[Message]:
        wait = min(_POLL_SECONDS, self._left(), self._next_sweep - self._parts.clock())
        found = some = list(self._parts.queue.receive(max(1, math.ceil(wait))))
        while len(some) == _QUEUE_BATCH and len(found) < _MAX_MESSAGES and _distinct(found) < MAX_ITEMS_PER_CALL:
            some = list(self._parts.queue.receive(0))
            found += some
        return found

    def _settle_and_delete(self, by_content: Mapping[Content, list[Message]]) -> None:
        result = self._settle(list(by_content))
        # first the new message, then the old one goes: killed in between, there are two, which is harmless
        refused = {wake_up.content for wake_up in self._parts.queue.send_all(result.wake_ups)}
        self._tally.add(Figure.WAKE_UPS_SENT, len(result.wake_ups) - len(refused))
        self._tally.add(Figure.WAKE_UPS_FAILED, len(refused))
        finished = result.done - refused
        self._parts.queue.delete_all([m for content, some in by_content.items() if content in finished for m in some])

    # what no message announced

    def _sweep(self) -> None:
        seen: set[Content] = set()
        while True:
            due = self._parts.database.unsettled_likes(SWEEP_LIMIT)
            fresh = [content for content in due if content not in seen]
            for contents in _chunks(fresh):
                self._tally.add(Figure.ITEMS_SWEPT, len(contents))
                self._wake_again(self._settle(contents).wake_ups)
            seen.update(fresh)
            if len(due) < SWEEP_LIMIT or not fresh or self._left() <= 0:
                return

    def _wake_again(self, wake_ups: Sequence[WakeUp]) -> None:
        try:
            refused = len(self._parts.queue.send_all(wake_ups))
        except QueueUnavailableError:
            refused = len(wake_ups)  # the next sweep finds them
        self._tally.add(Figure.WAKE_UPS_SENT, len(wake_ups) - refused)
        self._tally.add(Figure.WAKE_UPS_FAILED, refused)

    # housekeeping

    def _keep_house(self) -> None:
        minute = int(self._parts.wall() // 60)
        if minute % _RECONCILE_EVERY_MINUTES == 0:
            self._attempt(self._reconcile)
        if minute % 60 == _PRUNE_AT_MINUTE:
            self._attempt(self._prune)

    def _reconcile(self) -> None:
        for _ in range(RECONCILE_CALLS):
            found = self._parts.database.reconcile_like_counts(RECONCILE_LIMIT)
            self._tally.add(Figure.COUNTS_CHECKED, found.checked)
            self._tally.add(Figure.COUNTS_REPAIRED, found.repaired)
            self._tally.add(Figure.COUNT_DRIFT, found.drift)
            if found.checked < RECONCILE_LIMIT:
                return

    def _prune(self) -> None:
        self._parts.log.info("pruned", extra={"rows": dict(self._parts.database.prune_likes())})

    def _publish_database_figures(self) -> None:
        for name, value in self._parts.database.like_metrics().items():
            self._parts.figures.add(_pascal(name), value)


def _distinct(messages: Sequence[Message]) -> int:
    return len({message.body for message in messages})


def _chunks(contents: Sequence[Content]) -> list[Sequence[Content]]:
    return [contents[start : start + MAX_ITEMS_PER_CALL] for start in range(0, len(contents), MAX_ITEMS_PER_CALL)]


def _pascal(snake: str) -> str:
    return "".join(word.capitalize() for word in snake.split("_"))
