"""Replay: what a private channel missed comes before what is new, and nothing comes twice (protocol 3.5)."""

from typing import Any

import pytest

from local.realtime.core.questions import Fault, Grant, Replay, Stored
from tests.unit.realtime.world import Binary, Client, Message, World, reason

SINCE = 1_799_999_000_000


def row(number: int, payload: str | bytes | None = '{"a":1}', event: str | None = "e") -> Stored:
    return Stored(f"id-{number}", "room", True, event, payload)


def replayed(client: Client, replay: Any, **config: Any) -> list[Any]:
    return client.join(private=True, broadcast={"replay": replay}, **config)


def test_missed_messages_follow_the_reply_oldest_first(world: World, version: str) -> None:
    world.stored = [row(1), row(2, '{"b": "ü"}')]
    client = world.client(version)
    reply, first, second = replayed(client, {"since": SINCE})
    assert reply.event == "phx_reply"
    join_ref = None if client.v1 else "j"
    for number, message, payload in ((1, first, {"a": 1}), (2, second, {"b": "ü"})):
        told = {"event": "e", "payload": payload, "type": "broadcast", "meta": {"replayed": True, "id": f"id-{number}"}}
        assert message == Message("broadcast", told, None, join_ref, "realtime:room")


def test_bytes_are_replayed_to_version_2_only(world: World) -> None:
    world.stored = [row(1, b"\x00\xff")]
    assert len(replayed(world.client("1.0.0"), {"since": SINCE})) == 1
    [_, message] = replayed(world.client("2.0.0"), {"since": SINCE})
    assert message == Binary("realtime:room", "e", {"replayed": True, "id": "id-1"}, False, b"\x00\xff")


@pytest.mark.parametrize("stored", [row(1, None), row(1, event=None)])
def test_a_row_that_was_no_broadcast_is_left_out(world: World, version: str, stored: Stored) -> None:
    world.stored = [stored]
    assert len(replayed(world.client(version), {"since": SINCE})) == 1


@pytest.mark.parametrize(
    ("wish", "limit"), [({}, 25), ({"limit": 3}, 3), ({"limit": 0}, 1), ({"limit": -9}, 1), ({"limit": 30}, 25)]
)
def test_the_limit_is_25_at_most(world: World, version: str, wish: dict[str, int], limit: int) -> None:
    replayed(world.client(version), {"since": SINCE, **wish})
    assert world.asked[-1] == Replay("room", SINCE, limit)


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"since": None},
        {"since": "1"},
        {"since": 1.5},
        {"since": True},
        {"since": 10**18},
        {"since": 1, "limit": "9"},
        {"since": 1, "limit": None},
    ],
)
def test_bad_parameters_are_refused(world: World, version: str, wish: dict[str, Any]) -> None:
    [reply] = replayed(world.client(version), wish)
    assert reason(reply) == "UnableToReplayMessages: Replay params are not valid"


@pytest.mark.parametrize("wish", [None, "x", 5, []])
def test_a_wish_that_is_no_object_is_ignored(world: World, version: str, wish: Any) -> None:
    assert len(replayed(world.client(version), wish)) == 1


@pytest.mark.parametrize("wish", [None, {}, {"since": 1}])
def test_a_public_channel_must_not_even_ask(world: World, version: str, wish: Any) -> None:
    [reply] = world.client(version).join(broadcast={"replay": wish})
    assert reason(reply) == "UnableToReplayMessages: Replay is not allowed for public channels"


def test_who_may_not_read_broadcasts_gets_no_replay(world: World, version: str) -> None:
    world.policies = lambda _: Grant(False, True)
    world.stored = [row(1)]
    [reply] = replayed(world.client(version), {"since": 1}, presence={"enabled": True})
    assert reason(reply) == "Unauthorized: You do not have permissions to read from this Channel topic: room"


def test_a_failing_query_refuses_the_join(world: World, version: str) -> None:
    world.stored = Fault.CANCELED
    client = world.client(version)
    [reply] = replayed(client, {"since": 1})
    assert reason(reply) == "UnableToReplayMessages: Realtime was unable to replay messages"
    world.commit(private=True)
    assert client.take() == []
    assert world.hub.project.users == 0


def test_what_was_replayed_does_not_come_again(world: World, version: str) -> None:
    world.stored = [row(1)]
    client = world.client(version)
    replayed(client, {"since": 1})
    world.commit(id="id-1", private=True)
    assert client.take() == []
    world.commit(id="id-2", private=True)
    assert len(client.take()) == 1


def test_what_is_committed_during_the_query_comes_once_and_after_the_reply(world: World, version: str) -> None:
    world.prompt = False
    world.stored = [row(1)]
    client = world.client(version)
    replayed(client, {"since": 1})
    world.answer(world.pending.pop())  # policies
    world.commit(id="id-1", private=True)
    world.commit(id="id-2", private=True)
    assert client.take() == []
    world.answer(world.pending.pop())
    assert len(client.take()) == 3
