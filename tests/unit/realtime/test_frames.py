"""Frames that come and go: leaving, strangers, heartbeats, malformed input (protocol 2.1 to 2.5, 2.9, 2.10)."""

import json
from typing import Any

import pytest

from local.realtime.core.effects import Deliver
from local.realtime.core.questions import Stored
from tests.unit.realtime.world import Message, World, user_push

UNMATCHED = {"status": "error", "response": {"reason": "unmatched topic"}}
EMPTY = {"status": "ok", "response": {}}


@pytest.mark.parametrize("ref", ["11", None, 7])
def test_a_heartbeat_is_answered_with_its_ref(world: World, version: str, ref: Any) -> None:
    client = world.client(version)
    client.push("phoenix", "heartbeat", {}, ref)
    assert client.take() == [Message("phx_reply", EMPTY, ref, None, "phoenix")]


def test_leaving_is_answered_and_then_closed(world: World, version: str) -> None:
    client = world.client(version)
    client.join()
    client.push("realtime:room", "phx_leave", {}, "l", "j")
    reply, close = client.take()
    join_ref = None if client.v1 else "j"
    assert reply == Message("phx_reply", EMPTY, "l", join_ref, "realtime:room")
    assert close == Message("phx_close", {}, "j", join_ref, "realtime:room")
    world.commit()
    client.cast(1)
    assert client.take_payloads() == [UNMATCHED]


def test_leaving_an_unknown_topic_is_answered_only(world: World, version: str) -> None:
    client = world.client(version)
    client.push("realtime:room", "phx_leave", {}, "l", "j")
    assert client.take() == [Message("phx_reply", EMPTY, "l", None if client.v1 else "j", "realtime:room")]


@pytest.mark.parametrize("join_ref", ["stale", None])
def test_a_stale_leave_is_ignored(world: World, version: str, join_ref: str | None) -> None:
    client = world.client(version)
    client.join()
    client.push("realtime:room", "phx_leave", {}, "l", join_ref)
    assert client.take() == []
    world.commit()
    assert len(client.take()) == 1


def test_a_join_without_a_join_ref_may_be_left_with_any(world: World, version: str) -> None:
    client = world.client(version)
    client.push("realtime:room", "phx_join", {}, "j")
    client.push("realtime:room", "phx_leave", {}, "l", "whatever")
    assert client.take()[-1] == Message("phx_close", {}, None, None, "realtime:room")


@pytest.mark.parametrize("join_ref", ["stale", None, "j"])
def test_other_pushes_do_not_mind_their_join_ref(world: World, version: str, join_ref: str | None) -> None:
    client = world.client(version)
    client.join(broadcast={"ack": True})
    client.push("realtime:room", "broadcast", {}, "b", join_ref)
    assert client.take() == [Message("phx_reply", EMPTY, "b", None if client.v1 else "j", "realtime:room")]


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        ("realtime:room", "broadcast"),
        ("realtime:room", "no such event"),
        ("room", "phx_join"),
        ("phoenix", "other"),
        ("", "heartbeat"),
        (5, "phx_join"),
        (None, None),
        ({}, []),
    ],
)
def test_a_stranger_is_told_so(world: World, version: str, topic: Any, event: Any) -> None:
    client = world.client(version)
    client.push(topic, event, {}, None, "j")
    assert client.take() == [Message("phx_reply", UNMATCHED, None, None, topic)]


@pytest.mark.parametrize("event", ["no_such_event", "", None, 5, {}])
def test_unknown_events_of_a_channel_are_not_answered(world: World, version: str, event: Any) -> None:
    client = world.client(version)
    client.join()
    client.push("realtime:room", event, {})
    assert client.take() == []


MALFORMED = [
    "",
    " ",
    "{",
    "nonsense",
    "null",
    "5",
    '"text"',
    "NaN",
    "\ud83d",
    "[" * 100_000,
    "[" * 300 + "]" * 300,
    b"",
    b"\xff\xfe",
    b"\x03",
]
V1_ONLY = ["[]", '{"topic":"phoenix","event":"heartbeat","payload":{}}', '{"topic":"a","event":"b","ref":"1"}']
V2_ONLY = [
    "{}",
    "[]",
    '[null,"1","phoenix","heartbeat"]',
    '[null,"1","phoenix","heartbeat",NaN]',
    '[null,"1","phoenix","heartbeat",1e999]',
    '[null,"1","phoenix","heartbeat","\\ud83d"]',
    b"\x03\x00\x01\x00\x00\x00\x00",
    b"\x03\x00\x01\x00\x00\x00\x01\xff",
    b"\x03\x00\x00\x00\x00\x01\x01{",
    b"\x00\x00\x00\x00\x00",
    b"\x04\x00\x00\x00\x00",
    b'[null,"1","phoenix","heartbeat",{}]',
]


@pytest.mark.parametrize(
    ("version", "data"),
    [("1.0.0", data) for data in MALFORMED + V1_ONLY] + [("2.0.0", data) for data in MALFORMED + V2_ONLY],
)
def test_malformed_frames_are_dropped_and_the_socket_stays(world: World, version: str, data: str | bytes) -> None:
    client = world.client(version)
    client.send(data)
    assert client.take() == []
    client.push("phoenix", "heartbeat", {}, "h")
    assert len(client.take()) == 1


def test_a_longer_array_is_fine(world: World) -> None:
    client = world.client("2.0.0")
    client.send('[null,"1","phoenix","heartbeat",{},"more",{}]')
    assert client.take_payloads() == [EMPTY]


def test_version_1_may_send_its_text_as_bytes(world: World) -> None:
    client = world.client("1.0.0")
    client.send(json.dumps({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"}).encode())
    assert client.take_payloads() == [EMPTY]


def test_the_refs_of_a_binary_push_are_texts(world: World) -> None:
    client = world.client("2.0.0")
    client.join(broadcast={"ack": True})
    client.send(user_push("e", b"{}", is_json=True, ref=""))
    assert client.take() == [Message("phx_reply", EMPTY, "", "j", "realtime:room")]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_frame_is_encoded_for_the_wire_as_rfc_6455_says(world: World, size: int) -> None:
    client = world.client("2.0.0")
    client.join()
    body = b"x" * size
    [deliver] = world.hub.committed(Stored("i", "room", False, "e", body), world.now)
    assert isinstance(deliver, Deliver)
    wire = deliver.frame.wire
    assert wire[0] == 0x82
    length = len(deliver.frame.data)
    headers = [bytes([length % 256]), bytes([126]) + length.to_bytes(8)[6:], bytes([127]) + length.to_bytes(8)]
    assert wire[1:] == headers[(length > 125) + (length > 65535)] + deliver.frame.data
    assert deliver.frame.data.endswith(body)
