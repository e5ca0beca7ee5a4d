"""Who is in which room, and fan-out: each message is encoded once per protocol version, however many receive it."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from local.realtime.core import reasons
from local.realtime.core.effects import Deliver
from local.realtime.core.frames import NO_REFS, Codec, Content, Frame
from local.realtime.core.presence import Diff, Listing, PresenceRoom
from local.realtime.core.text import Json, dumps

if TYPE_CHECKING:
    from local.realtime.core.channel import Channel
    from local.realtime.core.project import Project
    from local.realtime.core.socket import Socket

# A public and a private channel of one name are two rooms.
RoomKey = tuple[str, bool]


class Rooms:
    """All rooms of the project."""

    def __init__(self, project: "Project") -> None:
        self._project = project
        self._members: dict[RoomKey, dict[Channel, None]] = {}  # in the order of joining
        self._presence: dict[RoomKey, PresenceRoom] = {}
        self._diffs: deque[tuple[RoomKey, Diff]] = deque()

    def enter(self, channel: "Channel") -> None:
        self._members.setdefault(channel.room, {})[channel] = None

    def leave(self, channel: "Channel") -> None:
        members = self._members.get(channel.room, {})
        members.pop(channel, None)
        if not members:
            self._members.pop(channel.room, None)
        self.untrack(channel)

    def broadcast(
        self, room: RoomKey, content: Content, *, skip: "Channel | None" = None, message_id: str | None = None
    ) -> None:
        """Sends to every channel of the room that may read broadcasts, except one to skip.

        A channel that receives while the project is over its rate of events is closed instead.
        """
        project, audience = self._project, _Audience()
        for channel in list(self._members.get(room, ())):
            if channel is skip or not channel.hears or message_id in channel.replayed:
                continue
            if channel.held is not None:
                channel.held.append((content, message_id))
            elif project.events.triggered:
                channel.fail(reasons.TOO_MANY_MESSAGES)
            else:
                audience.add(channel.socket)
        project.events.add(len(audience))
        audience.deliver(project, lambda codec: codec.broadcast(f"realtime:{room[0]}", content))

    def track(self, channel: "Channel", payload: dict[str, Json]) -> bool:
        """Sets what the channel tells of itself. True if that changed something."""
        presence = self._presence.setdefault(channel.room, PresenceRoom(self._project.ids.presence_ref))
        return self._changed(channel, presence.track(channel, channel.presence_key, payload))

    def untrack(self, channel: "Channel") -> bool:
        """Forgets what the channel told of itself. True if there was something."""
        presence = self._presence.get(channel.room)
        diff = presence.untrack(channel) if presence else None
        if presence is not None and not presence:
            del self._presence[channel.room]
        return self._changed(channel, diff)

    def present(self, room: RoomKey) -> Listing:
        """Everyone who tracks in a room."""
        presence = self._presence.get(room)
        return presence.state() if presence else {}

    def next_announcement(self) -> Callable[[], None] | None:
        """The sending of a diff that waits. Apart from the change itself: a channel closed here leaves another diff."""
        return partial(self._announce, *self._diffs.popleft()) if self._diffs else None

    def _changed(self, channel: "Channel", diff: Diff | None) -> bool:
        if diff:
            self._diffs.append((channel.room, diff))
        return diff is not None

    def _announce(self, room: RoomKey, diff: Diff) -> None:
        audience, payload = _Audience(), dumps(diff.payload)
        for channel in list(self._members.get(room, ())):
            if channel.held is None and channel.sees_presence and channel.count_presence():
                audience.add(channel.socket)
        topic = f"realtime:{room[0]}"
        audience.deliver(self._project, lambda codec: codec.message(NO_REFS, topic, "presence_diff", payload))


class _Audience:
    """The receivers of one message by their protocol version."""

    def __init__(self) -> None:
        self._sockets: dict[Codec, list[Socket]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._sockets.values()))

    def add(self, socket: "Socket") -> None:
        self._sockets.setdefault(socket.codec, []).append(socket)

    def deliver(self, project: "Project", encode: Callable[[Codec], Frame | None]) -> None:
        for codec, sockets in self._sockets.items():
            frame = encode(codec)
            if frame:
                project.effects.append(Deliver(frame, sockets))
