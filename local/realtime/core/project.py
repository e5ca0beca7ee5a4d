"""What all sockets of the server share: settings, the present time, rooms, meters, timers, and the list of effects."""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from local.realtime.core.effects import Ask, Effect
from local.realtime.core.limits import SAMPLE_SECONDS, RateMeter
from local.realtime.core.questions import Answer, Pause, Steps
from local.realtime.core.rooms import Rooms
from local.realtime.core.settings import Settings
from local.realtime.core.timers import Timers
from local.realtime.core.tokens import Verifier

if TYPE_CHECKING:
    from local.realtime.core.socket import Socket


class Database(Enum):
    """What is known of the stream of committed messages."""

    INITIALIZING = auto()
    UP = auto()
    DOWN = auto()


class Owner(Protocol):
    """Whoever a process belongs to; the process dies with it."""

    @property
    def gone(self) -> bool: ...


class Ids(Protocol):
    """Where unique names come from."""

    def presence_ref(self) -> str: ...
    def presence_key(self) -> str: ...


class Project:
    """The shared state, and the machinery that runs processes with questions in them."""

    def __init__(self, settings: Settings, verifier: Verifier, ids: Ids, now: float) -> None:
        self.settings = settings
        self.verifier = verifier
        self.ids = ids
        self.now = now
        self.database = Database.INITIALIZING
        self.stopping = False
        self.users = 0
        self.sockets: dict[Socket, None] = {}
        self.effects: list[Effect] = []
        self.later: deque[Callable[[], None]] = deque()
        self.timers = Timers()
        self.joins = RateMeter(settings.joins_per_second)
        self.events = RateMeter(settings.events_per_second)
        self.presence_events = RateMeter(settings.presence_events_per_second)
        self.rooms = Rooms(self)
        self.timers.at(now + SAMPLE_SECONDS, self._sample)

    def run(self, steps: Steps[None], owner: Owner | None = None) -> None:
        """Drives a process until it asks something; its answer drives it on."""
        self._advance(steps, owner, None)

    def settle(self) -> None:
        """Does what has become due or was put off, until nothing is left."""
        while call := self._next():
            call()

    def _next(self) -> Callable[[], None] | None:
        if self.later:
            return self.later.popleft()
        return self.rooms.next_announcement() or self.timers.due(self.now)

    def _advance(self, steps: Steps[None], owner: Owner | None, answer: Answer) -> None:
        if owner is not None and owner.gone:
            steps.close()
            return
        try:
            question = steps.send(answer)
        except StopIteration:
            return
        if isinstance(question, Pause):
            self.timers.at(self.now + question.seconds, lambda: self._advance(steps, owner, None))
        else:
            self.effects.append(Ask(question, _once(lambda reply: self._advance(steps, owner, reply))))

    def _sample(self) -> None:
        for meter in (self.joins, self.events, self.presence_events):
            meter.sample()
        self.timers.at(self.now + SAMPLE_SECONDS, self._sample)


def _once(call: Callable[[Answer], None]) -> Callable[[Answer], None]:
    """A second answer to the same question is our own misuse."""
    used = False

    def answered(answer: Answer) -> None:
        nonlocal used
        if used:
            raise RuntimeError("this question has been answered")
        used = True
        call(answer)

    return answered
