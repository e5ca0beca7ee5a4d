"""One batch of settling: hands contents to the database and sorts out what that leaves to do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from realtime_likes.body import parse_json, validate
from realtime_likes.errors import InvalidRequestError
from realtime_likes.models import Content, Settled
from realtime_likes.ports import Figure, Figures, LikesSettler, Message, WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aws_lambda_powertools.logging import Logger

# As many as the database takes in one call. It settles them together, each for less the more there are.
MAX_ITEMS_PER_CALL = 100
# For an answer that says "wait" without saying how long: one window.
_DEFAULT_WAIT_MS = 1000


@dataclass(frozen=True, slots=True)
class Sorted:
    """What a batch came to: contents that are dealt with, and the wake-ups that they still want."""

    done: frozenset[Content]
    wake_ups: tuple[WakeUp, ...]


@dataclass(frozen=True, slots=True)
class SettleBatch:
    """Settles up to 100 contents in one call and counts what happened."""

    database: LikesSettler
    figures: Figures
    log: Logger
    clock: Callable[[], float] = field(default=time.monotonic)

    def __call__(self, items: Sequence[Content]) -> Sorted:
        """Which items are dealt with; a failed one, or one without an answer, is not.

        Raises what the database raises.
        """
        started = self.clock()
        outcomes = self.database.settle_likes(items)
        self.figures.add(Figure.DRAIN_BATCHES)
        self.figures.add(Figure.DRAIN_BATCH_SIZE, len(items))
        self.figures.add(Figure.SETTLE_MILLISECONDS, 1000 * (self.clock() - started))
        self._count(outcomes)
        return _sort(outcomes)

    def _count(self, outcomes: Sequence[Settled]) -> None:
        """Sums, since on Lambda each value of a figure is written by itself."""
        settled = [outcome for outcome in outcomes if outcome.outcome == "settled"]
        failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
        sums = {
            Figure.ITEMS_SETTLED: len(settled),
            Figure.LIKES_SETTLED: sum(outcome.likes for outcome in settled),
            Figure.EVENTS_SENT: sum(outcome.events for outcome in settled),
            Figure.EVENTS_COALESCED: sum(max(outcome.likes - outcome.events, 0) for outcome in settled),
            Figure.NOTIFICATIONS_SENT: sum(outcome.notifications for outcome in settled),
            Figure.ITEMS_WAITING: len(outcomes) - len(settled) - len(failed),
            Figure.ITEMS_FAILED: len(failed),
        }
        for figure, count in sums.items():
            if count:
                self.figures.add(figure, count)
        for outcome in failed:
            item = f"{outcome.content_type}:{outcome.content_id}"
            self.log.error("an item could not be settled", extra={"item": item, "reason": outcome.error})


def read_wake_up(message: Message) -> Content | None:
    """The content that a message names; None for a message that makes no sense."""
    try:
        return validate(Content, parse_json(message.body.encode(errors="replace")))
    except InvalidRequestError:
        return None


def _sort(outcomes: Sequence[Settled]) -> Sorted:
    done: set[Content] = set()
    wake_ups: list[WakeUp] = []
    for outcome in outcomes:
        # as checked as the outcome that it is of
        content = Content.model_construct(content_type=outcome.content_type, content_id=outcome.content_id)
        if outcome.outcome == "failed":
            continue
        done.add(content)
        if outcome.wake_after_ms is not None:
            wake_ups.append(WakeUp(content, outcome.wake_after_ms))
        elif outcome.outcome == "waiting":
            wake_ups.append(WakeUp(content, _DEFAULT_WAIT_MS))
    return Sorted(frozenset(done), tuple(wake_ups))
