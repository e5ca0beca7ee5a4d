"""Joining a channel: what the client asks, the checks in their order, and what follows a success."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeGuard

from local.realtime.core import reasons
from local.realtime.core.channel import PREFIX, Channel, Options
from local.realtime.core.frames import Inbound, Named, closed, reply
from local.realtime.core.project import Database
from local.realtime.core.pushes import OPAQUE, react
from local.realtime.core.questions import Fault, Pause, ReadPolicies, Replay, Steps, Stored, ask_policies, ask_replay
from local.realtime.core.subscriptions import refuse_changes, requested_changes
from local.realtime.core.text import Json, dumps
from local.realtime.core.tokens import BadToken, Token

if TYPE_CHECKING:
    from local.realtime.core.socket import Socket

MAX_REPLAY: Final = 25
LAST_MOMENT: Final = 253_402_300_799_999  # of the year 9999, in milliseconds
STREAM_POLL: Final = 0.5


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a join fails, and whether that ends the socket, too."""

    reason: str
    close_code: int | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """A channel that may be joined, and what it missed."""

    channel: Channel
    missed: Sequence[Stored] = ()


def join(socket: "Socket", push: Inbound) -> Steps[None]:
    """Answers a phx_join. A channel that the socket has on this topic ends, even if the new join fails."""
    project, codec = socket.project, socket.codec
    topic = push.topic.removeprefix(PREFIX)
    old = socket.channels.get(topic)
    if old:
        old.shut()
    outcome = yield from _admit(socket, topic, push)
    changes = requested_changes(_dict(push.payload).get("config"))
    if isinstance(outcome, Refusal):
        if project.settings.channel_backoff:
            yield Pause(project.settings.channel_backoff)
        socket.send(reply(codec, (push.join_ref, push.ref), push.topic, "error", {"reason": outcome.reason}))
    else:
        outcome.channel.reply(push.ref, "ok", {"postgres_changes": changes})
    if old:
        socket.send(closed(codec, old.join_ref, push.topic))
    if isinstance(outcome, Admission):
        _follow_up(outcome, changes)
    elif outcome.close_code:
        socket.close(outcome.close_code)


def _admit(socket: "Socket", topic: str, push: Inbound) -> Steps[Admission | Refusal]:
    project, payload = socket.project, _dict(push.payload)
    options = _options(payload)
    reason = _at_the_door(socket, topic, options)
    if reason:
        return reason
    token = _choose_token(socket, payload)
    if isinstance(token, BadToken):
        return Refusal(reasons.join_refusal(token))
    if project.database is not Database.UP:
        fault = Fault.INITIALIZING if project.database is Database.INITIALIZING else Fault.UNAVAILABLE
        return Refusal(reasons.join_fault(fault, topic))
    channel = Channel(project, socket, topic, push.join_ref, options, token, react)
    admission = yield from _authorize(channel, payload)
    if isinstance(admission, Refusal):
        channel.shut()
    return admission


def _at_the_door(socket: "Socket", topic: str, options: Options) -> Refusal | None:
    project, settings = socket.project, socket.project.settings
    checks = {
        reasons.TOPIC_REQUIRED: not topic,
        reasons.RESTARTING: project.stopping,
        reasons.PRIVATE_ONLY: settings.private_only and not options.private,
    }
    if reason := next((reason for reason, failed in checks.items() if failed), None):
        return Refusal(reason)
    if not socket.channels and project.users >= settings.max_users:
        return Refusal(reasons.TOO_MANY_USERS)
    if project.joins.triggered:
        return Refusal(reasons.TOO_MANY_JOINS, close_code=1001)
    project.joins.add()
    if len(socket.channels) >= settings.max_channels:
        return Refusal(reasons.TOO_MANY_CHANNELS)
    return None


def _authorize(channel: Channel, payload: dict[str, Json]) -> Steps[Admission | Refusal]:
    if channel.private:
        grant = yield from ask_policies(ReadPolicies(channel.caller, presence=channel.presence_enabled))
        if isinstance(grant, Fault):
            return Refusal(reasons.join_fault(grant, channel.topic))
        if not (grant.broadcast or grant.presence):
            return Refusal(reasons.unauthorized(channel.topic))
        channel.policies.read_broadcast, channel.policies.read_presence = grant.broadcast, grant.presence
    return (yield from _enter(channel, _dict(_dict(payload.get("config")).get("broadcast"))))


def _enter(channel: Channel, broadcast: dict[str, Json]) -> Steps[Admission | Refusal]:
    """Enters the room before the replay is read: what is committed in between must come by one of the two ways."""
    wish = broadcast.get("replay")
    if "replay" in broadcast and not channel.private:
        return Refusal(reasons.REPLAY_PUBLIC)
    if isinstance(wish, dict) and not channel.hears:
        return Refusal(reasons.unauthorized(channel.topic))
    replay = _replay(channel.topic, wish)
    if isinstance(replay, Refusal):
        return replay
    channel.held = []
    channel.socket.register(channel)
    channel.project.rooms.enter(channel)
    if replay is None:
        return Admission(channel)
    missed = yield from ask_replay(replay)
    return Refusal(reasons.REPLAY_FAILED) if isinstance(missed, Fault) else Admission(channel, missed)


def _replay(topic: str, wish: Json) -> Replay | Refusal | None:
    if not isinstance(wish, dict):
        return None
    since, limit = wish.get("since"), wish.get("limit", MAX_REPLAY)
    if not (_is_integer(since) and _is_integer(limit)) or abs(since) > LAST_MOMENT:
        return Refusal(reasons.REPLAY_PARAMS)
    return Replay(topic, max(since, 0), min(max(limit, 1), MAX_REPLAY))


def _choose_token(socket: "Socket", payload: dict[str, Json]) -> Token | BadToken:
    """The channel's own token if it brings one; an opaque key stands for the connection's. Either is verified again."""
    access, user = payload.get("access_token"), payload.get("user_token")
    first = user if access is None else access
    text = socket.token.text
    if not (isinstance(first, str) and first.startswith(OPAQUE)):
        text = next((given for given in (user, access) if isinstance(given, str)), text)
    return socket.project.verifier.verify(text, socket.project.now)


def _follow_up(admission: Admission, changes: list[Json]) -> None:
    """What comes after the reply, in the order that clients know."""
    channel = admission.channel
    channel.watch_token()
    for message in admission.missed:
        _push_missed(channel, message)
    _release_held(channel)
    if channel.options.replication_ready:
        channel.project.run(_tell_when_streaming(channel), owner=channel)
    if changes:
        channel.system("error", refuse_changes(changes), extension="postgres_changes")
    if channel.presence_enabled and channel.sees_presence and channel.count_presence():
        channel.push("presence_state", channel.project.rooms.present(channel.room))


def _push_missed(channel: Channel, message: Stored) -> None:
    """Replayed JSON is text even for version 2."""
    if message.id is None or message.event is None:
        return
    channel.replayed.add(message.id)
    meta = {"replayed": True, "id": message.id}
    content = _named(message, dumps(meta))
    if isinstance(message.payload, str) and content.text:
        channel.push_text("broadcast", content.text)
    elif isinstance(message.payload, bytes):
        channel.socket.send(channel.socket.codec.broadcast(PREFIX + channel.topic, content))


def _named(message: Stored, meta: str) -> Named:
    payload = message.payload if isinstance(message.payload, bytes) else (message.payload or "").encode()
    return Named(message.event or "", payload, isinstance(message.payload, str), meta)


def _release_held(channel: Channel) -> None:
    held, channel.held = channel.held or [], None
    for content, message_id in held:
        if message_id not in channel.replayed:
            channel.socket.send(channel.socket.codec.broadcast(PREFIX + channel.topic, content))


def _tell_when_streaming(channel: Channel) -> Steps[None]:
    project = channel.project
    deadline = project.now + project.settings.replication_wait
    while project.database is not Database.UP:
        if project.now >= deadline:
            channel.fail(reasons.REPLICATION_LATE)
            return
        yield Pause(STREAM_POLL)
    channel.system("ok", reasons.REPLICATION_READY)


def _options(payload: dict[str, Json]) -> Options:
    """Each field that can be read; the others have their defaults."""
    config = _dict(payload.get("config"))
    broadcast, presence = _dict(config.get("broadcast")), _dict(config.get("presence"))
    return Options(
        private=_flag(config.get("private")),
        hear_self=_flag(broadcast.get("self")),
        ack=_flag(broadcast.get("ack")),
        replication_ready=_flag(broadcast.get("replication_ready")),
        presence_key=_key(presence.get("key")),
        presence_enabled=_flag(presence.get("enabled")),
    )


def _dict(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _flag(value: Json) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _key(value: Json) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return dumps(value)


def _is_integer(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
