"""Frames of the two protocol versions: V1 is a JSON object, V2 a JSON array or a binary user broadcast."""

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from local.realtime.core.text import Json, dumps, parse

USER_PUSH: Final = 3  # client to server
USER_BROADCAST: Final = 4  # server to client
MAX_FIELD: Final = 255  # bytes of each field whose length is one byte of the header


Refs = tuple[Json, Json]  # join_ref and ref
NO_REFS: Final[Refs] = (None, None)


class Frame:
    """One message to clients. Servers do not mask, so the bytes for the socket are the same for all receivers."""

    def __init__(self, data: bytes, *, binary: bool = False) -> None:
        self.data = data
        self.binary = binary

    @cached_property
    def wire(self) -> bytes:
        """The complete WebSocket frame (RFC 6455, 5.2)."""
        opcode, size = 0x82 if self.binary else 0x81, len(self.data)
        if size < 126:
            return struct.pack("!BB", opcode, size) + self.data
        if size < 65536:
            return struct.pack("!BBH", opcode, 126, size) + self.data
        return struct.pack("!BBQ", opcode, 127, size) + self.data


@dataclass(frozen=True, slots=True)
class UserPush:
    """The payload of a kind-3 frame: a named broadcast whose body the server never looks into."""

    event: str
    body: bytes
    is_json: bool


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from a client. The refs are echoed whatever JSON type they have."""

    join_ref: Json
    ref: Json
    topic: Json
    event: Json
    payload: Json | UserPush
    size: int  # of the frame, in bytes or characters: enough to know that a payload is small


@dataclass(frozen=True, slots=True)
class Relayed:
    """A broadcast that reads the same in both versions: a text frame with this JSON payload."""

    payload: str


@dataclass(frozen=True)
class Named:
    """A broadcast that V2 receives as kind 4 and V1 as text, if it can be text."""

    event: str
    body: bytes
    is_json: bool
    meta: str = ""  # a JSON object or nothing

    @cached_property
    def text(self) -> str | None:
        """The payload for V1, which cannot carry bytes; nor may a sender's broken JSON break the frame."""
        if not self.is_json:
            return None
        try:
            parse(self.body)
        except ValueError:
            return None
        meta = f',"meta":{self.meta}' if self.meta else ""
        return f'{{"event":{dumps(self.event)},"payload":{self.body.decode()},"type":"broadcast"{meta}}}'


Content = Relayed | Named


class Codec(Protocol):
    """One version of the wire format."""

    def decode(self, data: str | bytes) -> Inbound | None:
        """The message, or None for a malformed frame, which is dropped without an answer."""

    def message(self, refs: Refs, topic: Json, event: str, payload: str) -> Frame:
        """A text frame; payload is JSON text."""

    def broadcast(self, topic: str, content: Content) -> Frame | None:
        """The frame for a room, or None if this version cannot carry it."""


class V1:
    """Version 1.0.0: what servers send has no join_ref, and always a ref."""

    def decode(self, data: str | bytes) -> Inbound | None:
        try:
            message = parse(data)
            topic, event, payload, ref = (message[key] for key in ("topic", "event", "payload", "ref"))
        except (ValueError, LookupError, TypeError):
            return None
        return Inbound(message.get("join_ref"), ref, topic, event, payload, len(data))

    def message(self, refs: Refs, topic: Json, event: str, payload: str) -> Frame:
        text = f'{{"ref":{dumps(refs[1])},"topic":{dumps(topic)},"event":"{event}","payload":{payload}}}'
        return Frame(text.encode())

    def broadcast(self, topic: str, content: Content) -> Frame | None:
        payload = content.payload if isinstance(content, Relayed) else content.text
        return None if payload is None else self.message(NO_REFS, topic, "broadcast", payload)


class V2:
    """Version 2.0.0: [join_ref, ref, topic, event, payload] in both directions, and binary user broadcasts."""

    def decode(self, data: str | bytes) -> Inbound | None:
        try:
            if isinstance(data, bytes):
                return _user_push(data)
            join_ref, ref, topic, event, payload, *_ = _array(parse(data))
        except ValueError:
            return None
        return Inbound(join_ref, ref, topic, event, payload, len(data))

    def message(self, refs: Refs, topic: Json, event: str, payload: str) -> Frame:
        return Frame(f'[{dumps(refs[0])},{dumps(refs[1])},{dumps(topic)},"{event}",{payload}]'.encode())

    def broadcast(self, topic: str, content: Content) -> Frame | None:
        if isinstance(content, Relayed):
            return self.message(NO_REFS, topic, "broadcast", content.payload)
        fields = [topic.encode(), content.event.encode(), content.meta.encode()]
        if max(map(len, fields)) > MAX_FIELD:
            return None
        header = bytes([USER_BROADCAST, *map(len, fields), int(content.is_json)])
        return Frame(header + b"".join(fields) + content.body, binary=True)


CODECS: Final[dict[str, Codec]] = {"1": V1(), "2": V2()}


def reply(codec: Codec, refs: Refs, topic: Json, status: str, response: Json) -> Frame:
    """The answer to a push."""
    return codec.message(refs, topic, "phx_reply", dumps({"status": status, "response": response}))


def closed(codec: Codec, join_ref: Json, topic: str) -> Frame:
    """The end of a channel; it carries the join's ref in both places."""
    return codec.message((join_ref, join_ref), topic, "phx_close", "{}")


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise ValueError("not an array")  # noqa: TRY004 (a malformed frame, like the other ValueErrors)
    return value


def _user_push(data: bytes) -> Inbound:
    """Kind 3: six bytes of header (five lengths, one encoding) after the kind, five fields, and the body."""
    if len(data) < 7 or data[0] != USER_PUSH:
        raise ValueError("not a user broadcast push")
    fields, start = [], 7
    for size in data[1:6]:
        fields.append(data[start : start + size].decode())
        start += size
    if start > len(data):
        raise ValueError("truncated")
    join_ref, ref, topic, event, metadata = fields
    if metadata:
        parse(metadata)
    return Inbound(join_ref, ref, topic, "broadcast", UserPush(event, data[start:], data[6] != 0), len(data))
