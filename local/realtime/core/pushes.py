"""What a joined channel does with its client's pushes: broadcast, presence, a new token, leaving."""

from collections.abc import Callable
from typing import Final

from local.realtime.core import reasons
from local.realtime.core.channel import Channel, Policies
from local.realtime.core.frames import Content, Inbound, Named, Relayed, UserPush
from local.realtime.core.limits import fits
from local.realtime.core.questions import Fault, ReadPolicies, Steps, WritePolicies, ask_policies
from local.realtime.core.text import Json, dumps
from local.realtime.core.tokens import BadToken

# Keys that are translated by the gateway for connecting; inside channels they stand for the token that is there.
OPAQUE: Final = "sb_"


def react(channel: Channel, push: Inbound) -> Steps[None]:
    """Does what the push asks. Unknown events get no answer, but count."""
    handler = HANDLERS.get(push.event) if isinstance(push.event, str) else None
    handled = handler is not None and (yield from handler(channel, push))
    if not handled:
        channel.project.events.add()


def _leave(channel: Channel, push: Inbound) -> Steps[bool]:
    if channel.join_ref is None or push.join_ref == channel.join_ref:
        channel.reply(push.ref, "ok", {})
        channel.close()
    return True
    yield  # a process like the others, with nothing to ask


def _broadcast(channel: Channel, push: Inbound) -> Steps[bool]:
    """Who may not write is not told so, not even with ack: the real server is silent, too."""
    if channel.private and not (yield from _may_write(channel)).write_broadcast:
        return True
    project = channel.project
    project.events.add()
    if not _payload_fits(channel, push):
        if channel.options.ack:
            channel.reply(push.ref, "error", "payload_size_exceeded")
        return True
    skip = None if channel.options.hear_self else channel
    project.rooms.broadcast(channel.room, _content(push.payload), skip=skip)
    if channel.options.ack and not channel.gone:
        channel.reply(push.ref, "ok", {})
    return True


def _payload_fits(channel: Channel, push: Inbound) -> bool:
    limit = channel.project.settings.payload_limit
    if isinstance(push.payload, UserPush):
        return len(push.payload.body) <= limit
    return fits(push.payload, limit, push.size)


def _content(payload: Json | UserPush) -> Content:
    if isinstance(payload, UserPush):
        return Named(payload.event, payload.body, payload.is_json)
    return Relayed(dumps(payload))


def _presence(channel: Channel, push: Inbound) -> Steps[bool]:
    if not channel.pushes.push(channel.project.now):
        channel.fail(reasons.TOO_MANY_PRESENCE_PUSHES)
        return True
    payload = push.payload if isinstance(push.payload, dict) else {"event": None}
    if "event" not in payload:
        channel.reply(push.ref, "ok", {})
        return True
    event = str(payload["event"]).lower()
    if event not in ("track", "untrack") or not (yield from _may_be_present(channel, event)):
        channel.reply(push.ref, "error", {})
    elif event == "track":
        _track(channel, push, payload.get("payload", {}))
    else:
        channel.project.rooms.untrack(channel)
        channel.reply(push.ref, "ok", {})
    return True


def _may_be_present(channel: Channel, event: str) -> Steps[bool]:
    if not channel.private:
        return True
    if not (yield from _may_write(channel)).write_presence:
        return False
    if event == "track" and channel.policies.read_presence is None:
        grant = yield from ask_policies(ReadPolicies(channel.caller, presence=True))
        if isinstance(grant, Fault):
            return False
        channel.policies.read_presence = bool(grant.presence)
    return True


def _track(channel: Channel, push: Inbound, payload: Json) -> None:
    if not isinstance(payload, dict):
        channel.reply(push.ref, "error", {"reason": reasons.TRACK_NO_MAP})
    elif not fits(payload, channel.project.settings.payload_limit, push.size):
        channel.fail(reasons.TRACK_TOO_LARGE)
    elif channel.project.presence_events.triggered:
        channel.fail(reasons.TOO_MANY_PRESENCE_MESSAGES)
    else:
        channel.presence_enabled = True
        if channel.project.rooms.track(channel, payload):
            channel.project.presence_events.add()
        channel.reply(push.ref, "ok", {})


def _may_write(channel: Channel) -> Steps[Policies]:
    """The channel's policies with the two about writing known, unless the database failed: unknown means no."""
    policies = channel.policies
    if policies.write_broadcast is None:
        grant = yield from ask_policies(WritePolicies(channel.caller))
        if not isinstance(grant, Fault):
            policies.write_broadcast, policies.write_presence = grant.broadcast, bool(grant.presence)
    return policies


def _access_token(channel: Channel, push: Inbound) -> Steps[bool]:
    """Takes a new token. Never answered; a token that will not do ends the channel."""
    if not isinstance(push.payload, dict) or "access_token" not in push.payload:
        return False
    text = push.payload["access_token"]
    if not isinstance(text, str):
        return text is None
    if text.startswith(OPAQUE) or text == channel.token.text:
        return True
    token = channel.project.verifier.verify(text, channel.project.now)
    if isinstance(token, BadToken):
        channel.fail(reasons.token_end(token))
        return True
    channel.use_token(token)
    if channel.private:
        yield from _read_again(channel)
    return True


def _read_again(channel: Channel) -> Steps[None]:
    """Asks again what the channel may read. Until the answer is there the old one holds: a refresh loses no message."""
    policies, topic = channel.policies, channel.topic
    policies.write_broadcast = policies.write_presence = None
    grant = yield from ask_policies(ReadPolicies(channel.caller, presence=channel.presence_enabled))
    if isinstance(grant, Fault):
        channel.fail(reasons.token_fault(grant, topic))
    elif not (grant.broadcast or grant.presence):
        channel.fail(reasons.no_read(topic))
    elif (policies.read_broadcast and not grant.broadcast) or (policies.read_presence and grant.presence is False):
        channel.fail(reasons.read_lost(topic))
    else:
        policies.read_broadcast, policies.read_presence = grant.broadcast, grant.presence


HANDLERS: Final[dict[str, Callable[[Channel, Inbound], Steps[bool]]]] = {
    "phx_leave": _leave,
    "broadcast": _broadcast,
    "presence": _presence,
    "access_token": _access_token,
}
