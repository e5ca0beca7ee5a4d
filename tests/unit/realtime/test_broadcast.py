"""Broadcast from clients and from the database: who receives it, and in which encoding (protocol 2.3, 3.1, 3.4)."""

import json
from typing import Any

import pytest

from local.realtime.core.effects import Deliver
from local.realtime.core.questions import Fault, Grant, Question, ReadPolicies, Stored
from tests.unit.realtime.world import Binary, Message, World, user_push

EMPTY = {"status": "ok", "response": {}}
TEXT = {"type": "broadcast", "event": "e", "payload": {"a": "ü", "n": 2**60}}


def text(payload: Any) -> Message:
    return Message("broadcast", payload, None, None, "realtime:room")


def binary(event: str, body: bytes, *, is_json: bool, meta: Any = None) -> Binary:
    return Binary("realtime:room", event, meta, is_json, body)


def cast(event: str, payload: Any, **more: Any) -> Message:
    return text({"event": event, "payload": payload, "type": "broadcast", **more})


class TestEncodings:
    """One row of table 2.3 each: what a V1 and a V2 receiver get."""

    @pytest.mark.parametrize("payload", [TEXT, {**TEXT, "meta": {"id": 1}, "more": [None]}, {}, [], None, 5, "x"])
    def test_client_text_is_relayed_verbatim(self, world: World, version: str, payload: Any) -> None:
        sender, v1, v2 = self._room(world, version)
        sender.push("realtime:room", "broadcast", payload)
        assert v1.take() == v2.take() == [text(payload)]

    def test_client_binary_push_of_json(self, world: World) -> None:
        sender, v1, v2 = self._room(world, "2.0.0")
        body = b'{"spaces" :  "stay"}'
        sender.send(user_push("e", body, is_json=True, meta=b'{"ignored":1}'))
        assert v1.take() == [cast("e", {"spaces": "stay"})]
        assert v2.take() == [binary("e", body, is_json=True)]

    def test_client_binary_push_of_bytes(self, world: World) -> None:
        sender, v1, v2 = self._room(world, "2.0.0")
        sender.send(user_push("e", b"\x00\xff", is_json=False))
        assert v1.take() == []
        assert v2.take() == [binary("e", b"\x00\xff", is_json=False)]

    def test_client_binary_push_of_what_only_claims_to_be_json(self, world: World) -> None:
        sender, v1, v2 = self._room(world, "2.0.0")
        sender.send(user_push("e", b'"},"injected":{', is_json=True))
        assert v1.take() == []
        assert v2.take() == [binary("e", b'"},"injected":{', is_json=True)]

    def test_database_json(self, world: World) -> None:
        _, v1, v2 = self._room(world, "2.0.0")
        world.commit('{"a": "ü"}', id="u")
        assert v1.take() == [cast("e", {"a": "ü"}, meta={"id": "u"})]
        assert v2.take() == [binary("e", '{"a": "ü"}'.encode(), is_json=True, meta={"id": "u"})]

    def test_database_bytes(self, world: World) -> None:
        _, v1, v2 = self._room(world, "2.0.0")
        world.commit(b"\x00", id="u")
        assert v1.take() == []
        assert v2.take() == [binary("e", b"\x00", is_json=False, meta={"id": "u"})]

    @pytest.mark.parametrize("field", ["event", "topic"])
    def test_what_does_not_fit_a_binary_header_reaches_text_clients_only(self, world: World, field: str) -> None:
        topic = "x" * 250 if field == "topic" else "room"
        v1, v2 = world.client("1.0.0"), world.client("2.0.0")
        v1.join(topic)
        v2.join(topic)
        world.commit(**{"topic": topic, field: topic if field == "topic" else "x" * 256})
        assert len(v1.take()) == 1
        assert v2.take() == []

    def _room(self, world: World, version: str) -> Any:
        clients = world.client(version), world.client("1.0.0"), world.client("2.0.0")
        for client in clients:
            client.join()
        return clients


class TestSelfAndAck:
    def test_the_sender_hears_itself_only_if_it_asked(self, world: World, version: str) -> None:
        quiet, echo = world.client(version), world.client(version)
        quiet.join(broadcast={"self": False})
        echo.join(broadcast={"self": True})
        quiet.cast({})
        assert (len(quiet.take()), len(echo.take())) == (0, 1)
        echo.cast({})
        assert (len(quiet.take()), len(echo.take())) == (1, 1)

    def test_ack_is_a_reply_after_the_fan_out(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join(broadcast={"self": True, "ack": True})
        client.cast({}, ref="b7")
        first, reply = client.take()
        assert first.event == "broadcast"
        assert (reply.event, reply.ref, reply.payload) == ("phx_reply", "b7", EMPTY)

    @pytest.mark.parametrize(("ack", "answers"), [(True, ["payload_size_exceeded"]), (False, [])])
    def test_an_oversize_payload_is_dropped(self, version: str, ack: bool, answers: list[str]) -> None:
        world = World(payload_kilobytes=1)
        sender, other = world.client(version), world.client(version)
        sender.join(broadcast={"ack": ack})
        other.join()
        sender.cast("x" * 1600)
        assert [payload["response"] for payload in sender.take_payloads()] == answers
        assert other.take() == []
        sender.cast("x" * 1300)
        assert len(other.take()) == 1

    def test_an_oversize_binary_push_is_dropped(self) -> None:
        world = World(payload_kilobytes=1)
        sender, other = world.client(), world.client()
        sender.join(broadcast={"ack": True})
        other.join()
        sender.send(user_push("e", b"x" * 1501, is_json=False))
        assert sender.take_payloads() == [{"status": "error", "response": "payload_size_exceeded"}]
        assert other.take() == []


class TestPrivate:
    def test_a_public_and_a_private_channel_of_one_name_are_two_rooms(self, world: World, version: str) -> None:
        public, private = world.client(version), world.client(version)
        public.join()
        private.join(private=True)
        public.cast(1)
        private.cast(2)
        assert public.take() == private.take() == []
        world.commit(private=True)
        assert (len(public.take()), len(private.take())) == (0, 1)
        world.commit(private=False)
        assert (len(public.take()), len(private.take())) == (1, 0)

    @pytest.mark.parametrize("answer", [Grant(False, True), Fault.POLICY, Fault.UNAVAILABLE])
    def test_who_may_not_write_is_met_with_silence(self, world: World, version: str, answer: Grant | Fault) -> None:
        sender, other = world.client(version), world.client(version)
        for client in (sender, other):
            client.join(private=True, broadcast={"ack": True, "self": True})
        world.policies = lambda _: answer
        sender.cast({})
        assert sender.take() == other.take() == []
        world.policies = lambda _: Grant(True)
        other.cast({})
        assert len(sender.take()) == 1  # the channel stays open

    def test_the_answer_about_writing_is_kept_but_a_failure_is_not(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join(private=True)
        del world.asked[:]
        world.policies = lambda _: Fault.UNAVAILABLE
        client.cast({})
        world.policies = lambda _: Grant(False, False)
        client.cast({})
        client.cast({})
        assert len(world.asked) == 2

    def test_a_presence_only_member_hears_no_broadcasts(self, world: World, version: str) -> None:
        def policies(question: Question) -> Grant:
            return Grant(not isinstance(question, ReadPolicies), True)

        world.policies = policies
        client = world.client(version)
        client.join(private=True, presence={"enabled": True}, broadcast={"self": True})
        world.commit(private=True)
        client.cast({})
        assert client.take() == []

    def test_pushes_keep_their_order_while_the_database_is_asked(self, world: World, version: str) -> None:
        sender, other = world.client(version), world.client(version)
        sender.join(private=True)
        other.join(private=True)
        world.prompt = False
        for number in range(3):
            sender.cast(number)
        sender.push("phoenix", "heartbeat", {}, "h")
        assert [message.ref for message in sender.take() if isinstance(message, Message)] == ["h"]
        assert sender.socket.backlog == 2
        world.answer(world.pending.pop())
        assert [payload["payload"] for payload in other.take_payloads()] == [0, 1, 2]
        assert world.pending == []
        assert sender.socket.backlog == 0


class TestDatabase:
    @pytest.mark.parametrize("column", ["id", "topic", "private", "event", "payload"])
    def test_a_row_that_lacks_something_is_skipped(self, world: World, version: str, column: str) -> None:
        client = world.client(version)
        client.join()
        world.commit(**{column: None})
        assert client.take() == []

    def test_an_oversize_row_is_skipped(self, version: str) -> None:
        world = World(payload_kilobytes=1)
        client = world.client(version)
        client.join()
        world.commit(json.dumps("ü" * 800))
        assert client.take() == []

    def test_only_the_room_receives(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join("other")
        world.commit()
        assert client.take() == []

    def test_a_client_hears_a_row_once_per_channel(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join("room")
        client.join("other")
        world.commit()
        assert len(client.take()) == 1

    def test_a_frame_is_encoded_once_for_all_receivers_of_a_version(self, world: World) -> None:
        for version in ("1.0.0", "2.0.0") * 20:
            world.client(version).join()
        effects = world.hub.committed(Stored("i", "room", False, "e", "{}"), world.now)
        assert sorted(len(effect.sockets) for effect in effects if isinstance(effect, Deliver)) == [20, 20]
