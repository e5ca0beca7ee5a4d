"""A world for the drain: a database and a queue that keep state, and a clock that jumps."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.logging import Logger
from pydantic import TypeAdapter

from realtime_likes.draining import Drain
from realtime_likes.errors import LikesError
from realtime_likes.models import Content, Reconciled, Settled
from realtime_likes.ports import Figure
from tests.unit.functions.fake_likes import FakeLikes, Key
from tests.unit.functions.fake_queue import FakeQueue

# 2026-11-22 12:02:00 UTC: a minute without housekeeping
NOON = 1_795_348_920.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@dataclass
class Settler:
    """The database's side of the drain, with a switch to break it; each call takes 20 ms."""

    likes: FakeLikes
    clock: Clock
    broken: type[LikesError] | None = None
    batches: list[int] = field(default_factory=list)
    forget: set[Key] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def _ask(self, name: str, *args: Any) -> Any:
        self.calls.append(name)
        self.clock.sleep(0.02)
        if self.broken is not None:
            raise self.broken
        return getattr(self.likes, name)(*args)

    def settle_likes(self, items: Sequence[Content]) -> Sequence[Settled]:
        self.batches.append(len(items))
        answer = self._ask("settle_likes", [item.model_dump() for item in items])
        kept = [a for a in answer if (a["content_type"], a["content_id"]) not in self.forget]
        return TypeAdapter(list[Settled]).validate_python(kept)

    def unsettled_likes(self, limit: int) -> Sequence[Content]:
        return TypeAdapter(list[Content]).validate_python(self._ask("unsettled_likes", limit))

    def reconcile_like_counts(self, limit: int) -> Reconciled:
        return Reconciled.model_validate(self._ask("reconcile_like_counts", limit))

    def prune_likes(self) -> dict[str, int]:
        return dict(self._ask("prune_likes"))

    def like_metrics(self) -> dict[str, float]:
        return {name: v for name, v in self._ask("like_metrics").items() if not isinstance(v, str)}


class World:
    """A database, a queue, a clock, and drains that run one after the other, as the schedule starts them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.likes = FakeLikes(clock=self.clock)
        self.queue = FakeQueue(self.clock, self.clock.sleep)
        self.settler = Settler(self.likes, self.clock)
        self.published: dict[str, float] = {}
        self.flushes = 0
        self.logged = io.StringIO()
        self.drain = Drain(
            self.settler,
            self.queue,
            self,
            Logger(service=f"drain-{id(self)}", stream=self.logged),
            clock=self.clock,
            wall=self.clock,
            sleep=self.clock.sleep,
        )
        self.people = 0

    def add(self, figure: Figure | str, value: float = 1) -> None:
        self.published[str(figure)] = self.published.get(str(figure), 0) + value

    def flush(self) -> None:
        self.flushes += 1

    def like(self, key: Key, *, wake: bool = True) -> None:
        """A new person likes, as the likes function does it."""
        self.people += 1
        answer = self.likes.toggle_like(self.likes.add_user(f"fan{self.people}"), *key, liked=True)
        if wake and answer["wake_after_ms"] is not None:
            self.queue.put(message(key), answer["wake_after_ms"] / 1000)

    def run(self, seconds: float = 58) -> dict[str, float]:
        return dict(self.drain.run(seconds))

    def settled(self, *keys: Key) -> bool:
        """Whether the last event of each content told the true count, and nothing is left to do."""
        last = dict(self.likes.events)
        return all(last.get(key, 0) == self.likes.total(key) for key in keys) and not self.likes.dirty & set(keys)


def message(key: Key) -> str:
    return json.dumps({"content_type": key[0], "content_id": key[1]})
