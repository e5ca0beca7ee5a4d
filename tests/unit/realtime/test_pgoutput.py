"""The replication protocol, byte by byte."""

import struct
from uuid import UUID

import pytest

from local.realtime.core.questions import Stored
from local.realtime.database.pgoutput import Decoder

ID = UUID("00000000-0000-0000-0000-0000000000ff")
COLUMNS = ["topic", "extension", "payload", "event", "private", "updated_at", "inserted_at", "id", "binary_payload"]


def log_data(change: bytes, start: int = 100, end: int = 200) -> bytes:
    return b"w" + struct.pack("!QQQ", start, end, 0) + change


def relation(number: int = 7) -> bytes:
    columns = b"".join(b"\0" + name.encode() + b"\0" + bytes(8) for name in COLUMNS)
    return b"R" + struct.pack("!I", number) + b"realtime\0messages_x\0d" + struct.pack("!H", len(COLUMNS)) + columns


def insert(number: int = 7, **values: bytes | None) -> bytes:
    row = {"topic": b"room", "private": b"\1", "event": b"e", "id": ID.bytes, **values}
    parts = [
        b"n" if (value := row.get(name)) is None else b"b" + struct.pack("!I", len(value)) + value for name in COLUMNS
    ]
    return b"I" + struct.pack("!I", number) + b"N" + struct.pack("!H", len(COLUMNS)) + b"".join(parts)


def row(decoder: Decoder, change: bytes) -> Stored | None:
    return decoder.feed(log_data(change))[0]


@pytest.fixture
def decoder() -> Decoder:
    decoder = Decoder()
    assert row(decoder, relation()) is None
    return decoder


def test_an_insert_is_a_row(decoder: Decoder) -> None:
    assert row(decoder, insert(payload='\1{"a": "ü"}'.encode())) == Stored(str(ID), "room", True, "e", '{"a": "ü"}')


def test_bytes_stay_bytes(decoder: Decoder) -> None:
    assert row(decoder, insert(binary_payload=b"\0\xff")) == Stored(str(ID), "room", True, "e", b"\0\xff")
    assert row(decoder, insert(binary_payload=b"")) == Stored(str(ID), "room", True, "e", b"")


def test_what_is_null_is_none(decoder: Decoder) -> None:
    bare = insert(topic=None, private=None, event=None, id=None)
    assert row(decoder, bare) == Stored(None, None, None, None, None)


def test_partitions_are_told_apart(decoder: Decoder) -> None:
    row(decoder, relation(8))
    assert row(decoder, insert(8, private=b"\0")) == Stored(str(ID), "room", False, "e", None)


@pytest.mark.parametrize("change", [b"B" + bytes(20), b"C" + bytes(25), b"D", b"U", b"T", b"Y"])
def test_other_messages_are_passed_over(decoder: Decoder, change: bytes) -> None:
    assert row(decoder, change) is None


@pytest.mark.parametrize("wants", [True, False])
def test_a_keepalive_moves_on_and_may_want_a_status(decoder: Decoder, wants: bool) -> None:
    assert decoder.feed(b"k" + struct.pack("!QQB", 500, 0, wants)) == (None, wants)
    status = decoder.status(946_684_801.5)
    assert status == b"r" + struct.pack("!QQQQB", 500, 500, 500, 1_500_000, 0)


def test_the_position_never_goes_back(decoder: Decoder) -> None:
    decoder.feed(b"k" + struct.pack("!QQB", 500, 0, 0))
    decoder.feed(log_data(b"B" + bytes(20), start=300))
    assert decoder.position == 500
