"""One joined topic on one socket: its options, its token, what it may do, and what it says to its client."""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from local.realtime.core import reasons
from local.realtime.core.frames import Content, Inbound, closed, reply
from local.realtime.core.limits import PushWindow
from local.realtime.core.questions import Caller, Steps
from local.realtime.core.text import Json, dumps
from local.realtime.core.timers import Timer
from local.realtime.core.tokens import BadToken, Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.realtime.core.project import Project
    from local.realtime.core.rooms import RoomKey
    from local.realtime.core.socket import Socket

PREFIX: Final = "realtime:"


@dataclass(slots=True)
class Policies:
    """What row-level security said about a private channel; None is not asked yet."""

    read_broadcast: bool | None = None
    read_presence: bool | None = None
    write_broadcast: bool | None = None
    write_presence: bool | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What the client asked for when it joined."""

    private: bool = False
    hear_self: bool = False
    ack: bool = False
    replication_ready: bool = False
    presence_key: str = ""
    presence_enabled: bool = False


@dataclass(eq=False, slots=True)
class Channel:
    """The state of a channel and its voice. What its client's pushes do is in `pushes`."""

    project: "Project"
    socket: "Socket"
    topic: str  # without the prefix
    join_ref: Json
    options: Options
    token: Token
    react: "Callable[[Channel, Inbound], Steps[None]]"
    gone: bool = False
    presence_enabled: bool = False
    policies: Policies = field(default_factory=Policies)
    replayed: set[str] = field(default_factory=set)
    # Live messages that come while the join is still being answered wait here for the reply.
    held: list[tuple[Content, str | None]] | None = None
    pushes: PushWindow = field(init=False)
    room: "RoomKey" = field(init=False)
    _waiting: deque[Inbound] = field(default_factory=deque)
    _busy: bool = False
    _presence_key: str = ""
    _token_timer: Timer | None = None

    def __post_init__(self) -> None:
        settings = self.project.settings
        self.room = (self.topic, self.options.private)
        self.presence_enabled = self.options.presence_enabled or settings.presence_enabled
        self.pushes = PushWindow(settings.presence_pushes, settings.presence_window)

    @property
    def private(self) -> bool:
        return self.options.private

    @property
    def presence_key(self) -> str:
        """Under which the channel is present; one is made for who brought none."""
        self._presence_key = self._presence_key or self.options.presence_key or self.project.ids.presence_key()
        return self._presence_key

    @property
    def hears(self) -> bool:
        """Whether broadcasts are for this channel."""
        return not self.private or self.policies.read_broadcast is True

    @property
    def sees_presence(self) -> bool:
        """Whether presence diffs are for this channel: public ones get them unasked."""
        return not self.private or self.policies.read_presence is True

    @property
    def caller(self) -> Caller:
        return Caller(self.topic, self.token.claims, self.socket.headers)

    def handle(self, inbound: Inbound) -> None:
        """Does what a push asks, one after the other: while the database is asked for one, the next wait."""
        if self._busy:
            self._waiting.append(inbound)
            self.socket.backlog += 1
        else:
            self._busy = True
            self.project.run(self._work(inbound), owner=self)

    def _work(self, inbound: Inbound) -> Steps[None]:
        yield from self.react(self, inbound)
        while self._waiting and not self.gone:
            self.socket.backlog -= 1
            yield from self.react(self, self._waiting.popleft())
        self._busy = False

    def push(self, event: str, payload: Json) -> None:
        self.push_text(event, dumps(payload))

    def push_text(self, event: str, payload: str) -> None:
        self.socket.send(self.socket.codec.message((self.join_ref, None), PREFIX + self.topic, event, payload))

    def reply(self, ref: Json, status: str, response: Json) -> None:
        self.socket.send(reply(self.socket.codec, (self.join_ref, ref), PREFIX + self.topic, status, response))

    def system(self, status: str, message: str, extension: str = "system") -> None:
        self.push("system", {"extension": extension, "status": status, "message": message, "channel": self.topic})

    def fail(self, message: str) -> None:
        """Ends the channel with a reason; the socket stays."""
        if not self.gone:
            self.system("error", message)
            self.close()

    def close(self) -> None:
        """Ends the channel and tells its client."""
        self.socket.send(closed(self.socket.codec, self.join_ref, PREFIX + self.topic))
        self.shut()

    def shut(self) -> None:
        """Ends the channel without a word to its client."""
        if not self.gone:
            self.gone = True
            self.socket.backlog -= len(self._waiting)
            self._waiting.clear()
            self.project.timers.cancel(self._token_timer)
            self.project.rooms.leave(self)
            self.socket.forget(self)

    def count_presence(self) -> bool:
        """Counts a presence event of this channel. False, and the channel's end, if the project has too many."""
        if self.project.presence_events.triggered:
            self.fail(reasons.TOO_MANY_PRESENCE_MESSAGES)
            return False
        self.project.presence_events.add()
        return True

    def use_token(self, token: Token) -> None:
        """Goes on with another token."""
        self.token = token
        self.watch_token()

    def watch_token(self) -> None:
        """Looks at the token again when it ends, and every few minutes."""
        project = self.project
        project.timers.cancel(self._token_timer)
        wait = min(project.settings.token_recheck, self.token.expires_at - project.now)
        self._token_timer = project.timers.at(project.now + max(wait, 0), self._check_token)

    def _check_token(self) -> None:
        verified = self.project.verifier.verify(self.token.text, self.project.now)
        if isinstance(verified, BadToken):
            self.fail(reasons.token_end(verified))
        else:
            self.watch_token()
