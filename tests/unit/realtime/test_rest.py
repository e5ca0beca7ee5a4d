"""Broadcasting by HTTP: every row of the tables of 3.2 and 3.3."""

import json
from typing import Any
from uuid import uuid4

import pytest

from local.realtime.core.questions import Caller, Fault, Grant, WritePolicies
from local.realtime.core.rest import Request, Response, broadcast_batch, broadcast_one
from tests.unit.realtime.world import START, Binary, Client, Message, World, mint

AUTH = {"authorization": f"Bearer {mint()}"}
MESSAGE = {"topic": "room", "event": "e", "payload": {"a": 1}}
CLAIMS = {"role": "authenticated", "exp": int(START) + 3600}


def batch(world: World, messages: Any, headers: dict[str, str] = AUTH) -> Response:
    body = json.dumps({"messages": messages}).encode()
    return world.rest(broadcast_batch, Request(headers, body))


def single(world: World, body: bytes = b'{"a":1}', headers: dict[str, str] = AUTH, **target: Any) -> Response:
    return world.rest(broadcast_one, Request(headers, body, **{"topic": "room", "event": "e", **target}))


def room(world: World, **config: Any) -> tuple[Client, Client]:
    clients = world.client("1.0.0"), world.client("2.0.0")
    for client in clients:
        client.join(**config)
    return clients


class TestAuthorization:
    @pytest.mark.parametrize(
        "send",
        [
            lambda world, headers: batch(world, [MESSAGE], headers),
            lambda world, headers: single(world, headers=headers),
        ],
    )
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"authorization": f"Bearer {mint()}"}, 202),
            ({"authorization": f"bEARER {mint()}"}, 202),
            ({"authorization": mint()}, 202),
            ({"apikey": mint()}, 202),
            ({}, 401),
            ({"authorization": "Bearer"}, 401),
            ({"authorization": "Bearer x"}, 401),
            ({"authorization": f"Basic {mint()}"}, 401),
            ({"authorization": "Basic x", "apikey": mint()}, 202),
            ({"authorization": f"Bearer {mint(exp=1)}"}, 401),
            ({"authorization": f"Bearer {mint(role=None)}"}, 401),
            ({"authorization": "Bearer x", "apikey": mint()}, 401),
            ({"apikey": "sb_secret_x"}, 401),
        ],
    )
    def test_a_token_is_needed(self, world: World, send: Any, headers: dict[str, str], status: int) -> None:
        response = send(world, headers)
        assert response.status == status
        assert response.body == (None if status == 202 else {"message": "Unauthorized"})


class TestBatch:
    def test_everyone_in_the_room_receives(self, world: World) -> None:
        v1, v2 = room(world)
        assert batch(world, [MESSAGE, {**MESSAGE, "event": "f", "id": str(uuid4())}]) == Response(202)
        for client in (v1, v2):
            first, second = client.take()
            assert first == Message(
                "broadcast", {"event": "e", "payload": {"a": 1}, "type": "broadcast"}, None, None, "realtime:room"
            )
            assert second.payload["event"] == "f"
            assert list(second.payload["meta"]) == ["id"]

    def test_public_messages_go_first_and_policies_are_asked_once_per_topic(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join("a", private=True)
        client.join("b", private=True)
        client.join("c")
        del world.asked[:]
        headers = {**AUTH, "user-agent": "me"}
        messages = [{**MESSAGE, "topic": topic, "private": topic != "c"} for topic in "abca"]
        assert batch(world, messages, headers).status == 202
        assert [message.topic[-1] for message in client.take()] == ["c", "a", "a", "b"]
        assert world.asked == [WritePolicies(Caller(topic, CLAIMS, headers)) for topic in "ab"]

    @pytest.mark.parametrize("answer", [Grant(False, True), Fault.POLICY, Fault.UNAVAILABLE])
    def test_private_messages_vanish_without_a_grant(self, world: World, version: str, answer: Grant | Fault) -> None:
        client = world.client(version)
        client.join(private=True)
        world.policies = lambda _: answer
        assert batch(world, [{**MESSAGE, "private": True}]) == Response(202)
        assert client.take() == []

    def test_a_private_only_project_takes_public_messages_by_http(self) -> None:
        assert batch(World(private_only=True), [MESSAGE]).status == 202

    @pytest.mark.parametrize(
        ("entry", "errors"),
        [
            ({}, {"topic": ["can't be blank"], "event": ["can't be blank"], "payload": ["can't be blank"]}),
            ({**MESSAGE, "topic": " "}, {"topic": ["can't be blank"]}),
            ({**MESSAGE, "topic": 5, "event": []}, {"topic": ["is invalid"], "event": ["is invalid"]}),
            ({**MESSAGE, "payload": "x"}, {"payload": ["is invalid"]}),
            ({**MESSAGE, "payload": []}, {"payload": ["is invalid"]}),
            ({**MESSAGE, "private": "perhaps"}, {"private": ["is invalid"]}),
            ({**MESSAGE, "private": {}}, {"private": ["is invalid"]}),
            ({**MESSAGE, "id": "x"}, {"id": ["is invalid"]}),
            ({**MESSAGE, "id": 5}, {"id": ["is invalid"]}),
            ({**MESSAGE, "payload": {"a": "x" * 1600}}, {"payload": ["Payload size exceeds tenant limit"]}),
        ],
    )
    def test_one_bad_message_refuses_all(self, entry: dict[str, Any], errors: dict[str, Any]) -> None:
        world = World(payload_kilobytes=1)
        client, _ = room(world)
        response = batch(world, [MESSAGE, entry])
        assert response == Response(422, {"errors": {"messages": [{}, errors]}})
        assert client.take() == []

    @pytest.mark.parametrize(
        ("messages", "error"),
        [
            (None, "can't be blank"),
            ([], "can't be blank"),
            ("x", "is invalid"),
            ({}, "is invalid"),
            ([5], "is invalid"),
        ],
    )
    def test_messages_must_be_a_list_of_objects(self, world: World, messages: Any, error: str) -> None:
        assert batch(world, messages) == Response(422, {"errors": {"messages": [error]}})

    @pytest.mark.parametrize("body", [b"[]", b"5", b""])
    def test_another_body_has_no_messages(self, world: World, body: bytes) -> None:
        response = world.rest(broadcast_batch, Request(AUTH, body))
        assert response == Response(422, {"errors": {"messages": ["can't be blank"]}})

    @pytest.mark.parametrize("body", [b"{", b"\xff", b'{"messages":NaN}', b"[" * 10_000])
    def test_malformed_json_is_a_bad_request(self, world: World, body: bytes) -> None:
        assert world.rest(broadcast_batch, Request(AUTH, body)).status == 400

    @pytest.mark.parametrize(("accept", "status"), [("application/json", 202), ("*/*", 202), ("text/html", 406)])
    def test_the_answer_can_only_be_json(self, world: World, accept: str, status: int) -> None:
        assert batch(world, [MESSAGE], {**AUTH, "accept": accept}).status == status


class TestRates:
    def test_over_the_rate_nothing_is_taken(self) -> None:
        world = World(events_per_second=1)
        batch(world, [MESSAGE])
        for _ in range(4):
            single(world)
        world.wait(5)
        for response in (batch(world, [MESSAGE]), single(world)):
            assert response == Response(429, {"message": "Too many requests"})

    def test_a_batch_must_fit_what_is_left(self) -> None:
        world = World(events_per_second=3)
        assert batch(world, [MESSAGE] * 3).status == 202
        world.wait(5)
        refused = Response(429, {"message": "Too many messages to broadcast, please reduce the batch size"})
        assert batch(world, [MESSAGE] * 3) == refused
        assert batch(world, [MESSAGE] * 2).status == 202


class TestSingle:
    @pytest.mark.parametrize(
        ("body", "payload"),
        [
            (b'{"a": 1}', {"a": 1}),
            (b"[1]", {"_json": [1]}),
            (b'"x"', {"_json": "x"}),
            (b"null", {"_json": None}),
            (b"", {}),
        ],
    )
    @pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", None])
    def test_a_json_body_is_the_payload(self, world: World, body: bytes, payload: Any, kind: str | None) -> None:
        v1, v2 = room(world)
        headers = {**AUTH, "content-type": kind} if kind else AUTH
        assert single(world, body, headers) == Response(202)
        assert v1.take_payloads() == [{"event": "e", "payload": payload, "type": "broadcast"}]
        [message] = v2.take()
        assert isinstance(message, Binary)
        assert (message.event, message.is_json, message.meta, json.loads(message.body)) == ("e", True, None, payload)

    @pytest.mark.parametrize("body", [b"\x00\xff", b"", b'{"a":1}'])
    def test_bytes_are_the_payload(self, world: World, body: bytes) -> None:
        v1, v2 = room(world)
        assert single(world, body, {**AUTH, "content-type": "application/octet-stream"}) == Response(202)
        assert v1.take() == []
        assert v2.take() == [Binary("realtime:room", "e", None, False, body)]

    def test_other_kinds_are_refused_before_the_token_is_looked_at(self, world: World) -> None:
        response = single(world, headers={"content-type": "text/plain"})
        assert response.status == 415
        assert response.body == {"error": "Unsupported Media Type. Use application/json or application/octet-stream"}

    def test_malformed_json_is_a_bad_request(self, world: World) -> None:
        assert single(world, b"{").status == 400

    @pytest.mark.parametrize("blank", ["topic", "event"])
    def test_topic_and_event_are_needed(self, world: World, blank: str) -> None:
        target: dict[str, Any] = {blank: " "}
        assert single(world, **target) == Response(422, {"errors": {blank: ["can't be blank"]}})

    def test_an_oversize_payload_is_refused(self) -> None:
        response = single(World(payload_kilobytes=1), b"x" * 1501, {**AUTH, "content-type": "application/octet-stream"})
        assert response == Response(422, {"errors": {"payload": ["Payload size exceeds tenant limit"]}})

    @pytest.mark.parametrize(
        ("answer", "response"),
        [
            (Grant(True, False), Response(202)),
            (Grant(False, True), Response(403, {"message": "Unauthorized"})),
            (Fault.POLICY, Response(422, {"message": "RLS policy error"})),
            (Fault.CANCELED, Response(422, {"message": "Query canceled"})),
            (Fault.MISSING_PARTITION, Response(422, {"message": "Missing messages partition"})),
            (Fault.UNAVAILABLE, Response(422, {"message": "Tenant database unavailable"})),
            (Fault.TOO_MANY_CONNECTIONS, Response(422, {"message": "Tenant database has too many connections"})),
            (Fault.POOL_EXHAUSTED, Response(429, {"message": "Connection pool exhausted"})),
        ],
    )
    def test_a_private_message_needs_a_grant(
        self, world: World, version: str, answer: Grant | Fault, response: Response
    ) -> None:
        client = world.client(version)
        client.join(private=True)
        world.policies = lambda _: answer
        assert single(world, private=True) == response
        assert len(client.take()) == (response.status == 202)
