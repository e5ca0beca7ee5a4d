"""One client connection: takes its frames, one join at a time, and knows its channels."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from local.realtime.core.channel import PREFIX, Channel
from local.realtime.core.effects import Close, Deliver
from local.realtime.core.frames import Codec, Frame, Inbound, reply
from local.realtime.core.join import join
from local.realtime.core.project import Project
from local.realtime.core.questions import Steps
from local.realtime.core.tokens import Token

IDLE: Final = 1000  # close code for a client that said nothing for too long


class Socket:
    """A connection that was let in.

    Args:
        headers: those of the upgrade request that policies see, the ones that start with `x-`.
    """

    def __init__(self, project: Project, codec: Codec, token: Token, headers: Mapping[str, str]) -> None:
        self.project = project
        self.codec = codec
        self.token = token
        self.headers = headers
        self.channels: dict[str, Channel] = {}
        self.had_channels = False
        self.gone = False
        self.backlog = 0  # frames that came but still wait: a reason to stop reading for a while
        self._joining = False
        self._waiting: deque[str | bytes] = deque()
        self._heard = project.now
        project.sockets[self] = None
        self._idle_timer = project.timers.at(project.now + project.settings.idle_timeout, self._check_idle)

    def receive(self, data: str | bytes) -> None:
        """Takes a frame. While a join is being answered, all frames of the socket wait."""
        self.touch()
        if self.gone:
            return
        if self._joining:
            self._waiting.append(data)
            self.backlog += 1
        else:
            self._take(data)

    def touch(self) -> None:
        """Notes a sign of life."""
        self._heard = self.project.now

    def send(self, frame: Frame | None) -> None:
        if frame and not self.gone:
            self.project.effects.append(Deliver(frame, (self,)))

    def close(self, code: int | None) -> None:
        """Ends the connection; without a code, without a word."""
        if not self.gone:
            self.project.effects.append(Close(self, code))
            self.end()

    def end(self) -> None:
        """The connection is no more."""
        self.gone = True
        self.project.timers.cancel(self._idle_timer)
        self.project.sockets.pop(self, None)
        for channel in list(self.channels.values()):
            channel.shut()

    def register(self, channel: Channel) -> None:
        """Counts the channel as ours; a socket with channels is a connected user."""
        if not self.channels:
            self.project.users += 1
        self.channels[channel.topic] = channel
        self.had_channels = True

    def forget(self, channel: Channel) -> None:
        if self.channels.get(channel.topic) is channel:
            del self.channels[channel.topic]
            self.project.users -= not self.channels

    def _take(self, data: str | bytes) -> None:
        push = self.codec.decode(data)
        if push is None:
            return
        channel = self.channels.get(push.topic.removeprefix(PREFIX)) if _is_ours(push) else None
        if push.event == "phx_join" and _is_ours(push):
            self._joining = True
            self.project.run(self._join(push), owner=self)
        elif channel:
            channel.handle(push)
        else:
            self._answer_stranger(push)

    def _join(self, push: Inbound) -> Steps[None]:
        yield from join(self, push)
        self._joining = False
        if self._waiting:
            self.project.later.append(self._take_waiting)

    def _take_waiting(self) -> None:
        while self._waiting and not self._joining and not self.gone:
            self.backlog -= 1
            self._take(self._waiting.popleft())

    def _answer_stranger(self, push: Inbound) -> None:
        """What is not for a joined topic."""
        join_ref, status, response = None, "ok", {}
        if push.event == "phx_leave":
            join_ref = push.join_ref
        elif (push.topic, push.event) != ("phoenix", "heartbeat"):
            status, response = "error", {"reason": "unmatched topic"}
        self.send(reply(self.codec, (join_ref, push.ref), push.topic, status, response))

    def _check_idle(self) -> None:
        due = self._heard + self.project.settings.idle_timeout
        if due <= self.project.now:
            self.close(IDLE)
        else:
            self._idle_timer = self.project.timers.at(due, self._check_idle)


def _is_ours(push: Inbound) -> bool:
    return isinstance(push.topic, str) and push.topic.startswith(PREFIX)
