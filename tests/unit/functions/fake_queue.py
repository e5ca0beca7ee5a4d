"""SQS in memory with its own rules: delays, visibility timeout, receive counts and a dead-letter queue."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from realtime_likes.errors import QueueUnavailableError
from realtime_likes.ports import Message, WakeUp
from realtime_likes.sqs_queue import delay_seconds

VISIBILITY_SECONDS = 30.0
MAX_RECEIVES = 5


@dataclass
class _Entry:
    body: str
    sent_at: float
    visible_at: float
    receives: int = 0


@dataclass
class FakeQueue:
    """`clock` and `sleep` belong together: a long poll passes time."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    entries: dict[str, _Entry] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    receives: int = 0
    down: bool = False
    down_for_sends: bool = False
    refuse_sends: int = 0
    refuse_deletes: int = 0
    on_receive: Callable[[], None] = lambda: None
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def put(self, body: str, delay_seconds: float = 0) -> None:
        now = self.clock()
        self.entries[f"m{next(self._ids)}"] = _Entry(body, now, now + delay_seconds)

    def send(self, wake_up: WakeUp) -> None:
        self.send_all([wake_up])

    def send_all(self, wake_ups: Sequence[WakeUp]) -> Sequence[WakeUp]:
        if wake_ups:
            self._demand_up(sending=True)
        refused = wake_ups[: self.refuse_sends]
        self.refuse_sends -= len(refused)
        for wake_up in wake_ups[len(refused) :]:
            self.put(wake_up.content.model_dump_json(), delay_seconds(wake_up.delay_ms))
        return refused

    def receive(self, wait_seconds: int) -> Sequence[Message]:
        self._demand_up()
        self.receives += 1
        self.on_receive()
        found = self._take()
        if not found and wait_seconds:
            arrival = min((e.visible_at for e in self.entries.values()), default=float("inf"))
            self.sleep(min(max(arrival - self.clock(), 0), wait_seconds))
            found = self._take()
        return found

    def delete_all(self, messages: Sequence[Message]) -> int:
        self._demand_up()
        failed = min(self.refuse_deletes, len(messages))
        for message in messages[failed:]:
            del self.entries[message.receipt]
        return failed

    def _take(self) -> list[Message]:
        now = self.clock()
        found: list[Message] = []
        for receipt, entry in list(self.entries.items()):
            if entry.visible_at > now or len(found) == 10:
                continue
            if entry.receives == MAX_RECEIVES:
                self.dead.append(self.entries.pop(receipt).body)
                continue
            entry.receives, entry.visible_at = entry.receives + 1, now + VISIBILITY_SECONDS
            found.append(Message(receipt, entry.body, entry.sent_at))
        return found

    def _demand_up(self, *, sending: bool = False) -> None:
        if self.down or (sending and self.down_for_sends):
            raise QueueUnavailableError
