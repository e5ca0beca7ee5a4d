"""The core's door: what happens outside is told here, and each call returns what is to be done about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from local.realtime.core import reasons
from local.realtime.core.effects import Effect
from local.realtime.core.frames import CODECS, Codec, Named
from local.realtime.core.project import Database, Ids, Project
from local.realtime.core.questions import Answer, Steps, Stored
from local.realtime.core.settings import Settings
from local.realtime.core.socket import Socket
from local.realtime.core.text import dumps
from local.realtime.core.tokens import BadToken, Verifier

SWEEP: Final = 600.0  # seconds between looks for sockets that have left all their channels
RESTART: Final = 1012  # close code: the server goes, come again
VERSION_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Refused:
    """The HTTP answer to an upgrade that is not granted; no message, no body."""

    status: int
    message: str | None


class Hub:
    """The server's state.

    Every call takes the time (seconds since the epoch) and returns the effects to carry out, in their order.
    """

    def __init__(self, settings: Settings, verifier: Verifier, ids: Ids, now: float) -> None:
        self.project = Project(settings, verifier, ids, now)
        self.project.timers.at(now + SWEEP, self._sweep)

    def connect(self, parameters: Mapping[str, str], headers: Mapping[str, str], now: float) -> Socket | Refused:
        """Lets a client in, or says why not. Header names are lower-case."""
        project = self.project
        project.now = now
        codec = _codec(parameters.get("vsn", "1.0.0"))
        if codec is None:
            return Refused(403, None)
        text = headers.get("x-api-key", parameters.get("apikey"))
        if text is None:
            return Refused(401, "API key is missing")
        token = project.verifier.verify(text, now)
        if isinstance(token, BadToken):
            return Refused(*reasons.connect_refusal(token))
        if project.users >= project.settings.max_users:
            return Refused(429, "Too many connected users")
        if project.joins.triggered:
            return Refused(429, "Too many joins per second")
        visible = {name: value for name, value in headers.items() if name.startswith("x-")}
        return Socket(project, codec, token, visible)

    def receive(self, socket: Socket, data: str | bytes, now: float) -> list[Effect]:
        """A message of a client."""
        return self._at(now, partial(socket.receive, data))

    def touch(self, socket: Socket, now: float) -> list[Effect]:
        """A ping or pong of a client: a sign of life."""
        return self._at(now, socket.touch)

    def disconnect(self, socket: Socket, now: float) -> list[Effect]:
        """A client is gone."""
        return self._at(now, socket.end)

    def answer(self, answered: Callable[[Answer], None], answer: Answer, now: float) -> list[Effect]:
        """The answer to a question that was among the effects."""
        return self._at(now, partial(answered, answer))

    def database_is(self, state: Database, now: float) -> list[Effect]:
        """The stream of committed messages began or ended."""

        def note() -> None:
            self.project.database = state

        return self._at(now, note)

    def committed(self, message: Stored, now: float) -> list[Effect]:
        """A row of realtime.messages was committed."""
        return self._at(now, partial(self._broadcast, message))

    def perform(self, steps: Steps[None], now: float) -> list[Effect]:
        """Runs a process that belongs to no socket, like a REST request."""
        return self._at(now, partial(self.project.run, steps))

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        return self._at(now, lambda: None)

    @property
    def next_tick(self) -> float:
        """When `tick` is to be called at the latest."""
        return self.project.timers.next or self.project.now

    def stop(self, now: float) -> list[Effect]:
        """The server goes: no more joins, and every client is told to come again."""

        def close_all() -> None:
            self.project.stopping = True
            for socket in list(self.project.sockets):
                socket.close(RESTART)

        return self._at(now, close_all)

    def _at(self, now: float, call: Callable[[], None]) -> list[Effect]:
        project = self.project
        project.now = now
        call()
        project.settle()
        effects, project.effects = project.effects, []
        return effects

    def _broadcast(self, message: Stored) -> None:
        """Rows that lack what a broadcast needs are skipped, as are those too many or too large."""
        project, payload = self.project, message.payload
        if message.id is None or message.topic is None or message.private is None or message.event is None:
            return
        body = payload.encode() if isinstance(payload, str) else payload
        if body is None or project.events.triggered or len(body) > project.settings.payload_limit:
            return
        project.events.add()
        content = Named(message.event, body, isinstance(payload, str), dumps({"id": message.id}))
        project.rooms.broadcast((message.topic, message.private), content, message_id=message.id)

    def _sweep(self) -> None:
        """A socket that had channels and has none left is dropped without a close frame."""
        for socket in list(self.project.sockets):
            if socket.had_channels and not socket.channels:
                socket.close(None)
        self.project.timers.at(self.project.now + SWEEP, self._sweep)


def _codec(version: str) -> Codec | None:
    """The codec for a version that matches ~> 1.0.0 or ~> 2.0.0."""
    major, *rest = version.split(".")
    if len(rest) != VERSION_PARTS - 1 or rest[0] != "0" or not rest[1].isdigit():
        return None
    return CODECS.get(major)
