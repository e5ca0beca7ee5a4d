"""The replication protocol, as far as the inserts of one table need it. No I/O: bytes in, rows out.

https://www.postgresql.org/docs/17/protocol-logicalrep-message-formats.html; with `binary` on, values are as their
send functions write them.
"""

import struct
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from local.realtime.core.questions import Stored

JSONB_VERSION: Final = 1
PG_EPOCH: Final = 946_684_800  # 2000-01-01 in Unix time


@dataclass(slots=True)
class Decoder:
    """Turns the messages of one stream into rows, and remembers how far the log has been read."""

    position: int = 0
    _columns: dict[int, list[str]] = field(default_factory=dict)  # by relation

    def feed(self, message: bytes) -> tuple[Stored | None, bool]:
        """Takes one CopyData message. Returns the row, if it was an insert, and whether a status is wanted at once."""
        if message[:1] == b"k":
            end, _, wants_status = struct.unpack_from("!QQB", message, 1)
            self.position = max(self.position, end)
            return None, bool(wants_status)
        start, _, _ = struct.unpack_from("!QQQ", message, 1)
        self.position = max(self.position, start)
        return self._change(message[25:]), False

    def status(self, now: float) -> bytes:
        """The standby status update: all that came has been dealt with."""
        return struct.pack("!cQQQQB", b"r", *[self.position] * 3, int((now - PG_EPOCH) * 1e6), 0)

    def _change(self, change: bytes) -> Stored | None:
        if change[:1] == b"R":
            self._relation(change)
        if change[:1] != b"I":
            return None
        (relation,) = struct.unpack_from("!I", change, 1)
        row = dict(zip(self._columns[relation], _values(change, 6), strict=True))
        return _stored(row)

    def _relation(self, change: bytes) -> None:
        (relation,) = struct.unpack_from("!I", change, 1)
        _, _, rest = change[5:].split(b"\0", 2)  # schema, table
        (count,) = struct.unpack_from("!H", rest, 1)
        names, rest = [], rest[3:]
        for _ in range(count):
            name, rest = rest[1:].split(b"\0", 1)
            names.append(name.decode())
            rest = rest[8:]  # type and modifier
        self._columns[relation] = names


def _values(change: bytes, start: int) -> list[bytes | None]:
    (count,) = struct.unpack_from("!H", change, start)
    values: list[bytes | None] = []
    start += 2
    for _ in range(count):
        kind, start = change[start : start + 1], start + 1
        if kind != b"b":
            values.append(None)
            continue
        (size,) = struct.unpack_from("!I", change, start)
        values.append(change[start + 4 : start + 4 + size])
        start += 4 + size
    return values


def _stored(row: dict[str, bytes | None]) -> Stored:
    message_id, private, payload = row["id"], row["private"], row["payload"]
    return Stored(
        id=str(UUID(bytes=message_id)) if message_id else None,
        topic=_text(row["topic"]),
        private=None if private is None else private == b"\1",
        event=_text(row["event"]),
        payload=row["binary_payload"] if payload is None else payload[JSONB_VERSION:].decode(),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
