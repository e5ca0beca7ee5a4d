"""Joining: the answers, the order of the checks, what follows a success (protocol 2.6 to 2.9, 2.11, 2.13)."""

from typing import Any

import pytest

from local.realtime.core.project import Database
from local.realtime.core.questions import Caller, Fault, Grant, ReadPolicies
from tests.unit.realtime.world import START, Message, World, mint, reason

OK = {"status": "ok", "response": {"postgres_changes": []}}
UNAUTHORIZED = "Unauthorized: You do not have permissions to read from this Channel topic: room"


def test_a_public_channel_is_joined_without_asking_policies(world: World, version: str) -> None:
    [reply] = world.client(version).join()
    assert (reply.event, reply.topic, reply.ref, reply.payload) == ("phx_reply", "realtime:room", "j", OK)
    assert world.asked == []


def test_refs_come_back_as_they_were(world: World, version: str) -> None:
    client = world.client(version)
    client.push("realtime:room", "phx_join", {}, ref=1, join_ref=1)
    [reply] = client.take()
    assert reply.ref == 1
    assert reply.join_ref == (None if client.v1 else 1)


@pytest.mark.parametrize("topic", ["room:1:a:b", "ünï", "private:x", "realtime:room", " "])
def test_a_topic_may_be_any_text(world: World, version: str, topic: str) -> None:
    [reply] = world.client(version).join(topic)
    assert reply.payload == OK


def test_an_empty_topic_is_refused(world: World, version: str) -> None:
    assert reason(world.client(version).join("")[0]) == "TopicNameRequired: You must provide a topic name"


class TestPrivate:
    def test_policies_decide_for_the_channels_token(self, world: World, version: str) -> None:
        client = world.client(version, **{"x-forwarded-for": "1.2.3.4", "user-agent": "me"})
        token = mint(sub="me", role="teacher")
        [reply] = client.join(payload={"config": {"private": True}, "access_token": token})
        assert reply.payload == OK
        claims = {"role": "teacher", "exp": int(START) + 3600, "sub": "me"}
        caller = Caller("room", claims, {"x-forwarded-for": "1.2.3.4"})
        assert world.asked == [ReadPolicies(caller, presence=False)]

    @pytest.mark.parametrize("answer", [Grant(False), Fault.POLICY])
    def test_without_a_grant_the_join_is_refused(self, world: World, version: str, answer: Grant | Fault) -> None:
        world.policies = lambda _: answer
        client = world.client(version)
        [reply] = client.join(private=True)
        assert reason(reply) == UNAUTHORIZED
        world.commit(private=True)
        assert client.take() == []

    def test_a_grant_for_presence_alone_is_enough_if_presence_is_asked_for(self, world: World, version: str) -> None:
        world.policies = lambda _: Grant(False, True)
        assert reason(world.client(version).join(private=True)[0]) == UNAUTHORIZED
        assert world.client(version).join(private=True, presence={"enabled": True})[0].payload == OK

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (Fault.CANCELED, "QueryCanceled: "),
            (Fault.MISSING_PARTITION, "MissingPartition: Realtime was unable to find the expected messages partition"),
            (Fault.POOL_EXHAUSTED, "IncreaseConnectionPool: Please increase your connection pool size"),
            (Fault.TOO_MANY_CONNECTIONS, "DatabaseLackOfConnections: Database can't accept more connections, "),
            (Fault.UNAVAILABLE, "UnableToConnectToProject: Realtime was unable to connect to the project database"),
        ],
    )
    def test_a_failing_database_is_a_reason_of_its_own(
        self, world: World, version: str, fault: Fault, words: str
    ) -> None:
        world.policies = lambda _: fault
        assert reason(world.client(version).join(private=True)[0]).startswith(words)


class TestTheDatabaseIsAway:
    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (Database.DOWN, "UnableToConnectToProject: Realtime was unable to connect to the project database"),
            (Database.INITIALIZING, "InitializingProjectConnection: Realtime is initializing the project connection"),
        ],
    )
    def test_not_even_a_public_channel_can_be_joined(self, version: str, state: Database, words: str) -> None:
        assert reason(World(state).client(version).join()[0]) == words


class TestTokens:
    @pytest.mark.parametrize(
        ("token", "words"),
        [
            ("nonsense", "MalformedJWT: The token provided is not a valid JWT"),
            ("", "MalformedJWT: The token provided is not a valid JWT"),
            (mint(exp=int(START) - 9), "InvalidJWTToken: Token has expired 9 seconds ago"),
            (mint(role=None), "InvalidJWTToken: Fields `role` and `exp` are required in JWT"),
            (
                mint("another secret of thirty-two or more characters"),
                "JwtSignatureError: Failed to validate JWT signature",
            ),
            (
                mint(secret="", algorithm="none"),
                "JwtSignerError: Failed to generate JWT signer, check your JWT secret or JWKS configuration",
            ),
            (mint(exp="x"), "Unknown Error on Channel"),
        ],
    )
    def test_a_bad_token_is_refused_with_its_reason(self, world: World, version: str, token: str, words: str) -> None:
        [reply] = world.client(version).join(payload={"config": {}, "access_token": token})
        assert reason(reply) == words

    @pytest.mark.parametrize(
        ("payload", "sub"),
        [
            ({}, "connection"),
            ({"access_token": None}, "connection"),
            ({"access_token": "sb_publishable_x"}, "connection"),
            ({"access_token": 5}, "connection"),
            ({"access_token": mint(sub="access")}, "access"),
            ({"user_token": mint(sub="user")}, "user"),
            ({"access_token": mint(sub="access"), "user_token": mint(sub="user")}, "user"),
            ({"access_token": None, "user_token": "sb_x"}, "connection"),
            ({"access_token": "sb_x", "user_token": mint(sub="user")}, "connection"),
        ],
    )
    def test_which_token_a_channel_uses(self, world: World, version: str, payload: dict[str, Any], sub: str) -> None:
        client = world.client(version, token=mint(sub="connection"))
        client.join(payload={"config": {"private": True}, **payload})
        question = world.asked[0]
        assert isinstance(question, ReadPolicies)
        assert question.caller.claims["sub"] == sub

    def test_the_connections_token_is_verified_again_at_each_join(self, world: World, version: str) -> None:
        client = world.client(version, token=mint(exp=int(START) + 10))
        world.wait(12)
        assert reason(client.join()[0]) == "InvalidJWTToken: Token has expired 2 seconds ago"


class TestConfig:
    @pytest.mark.parametrize("yes", [True, "true", "TRUE", "True"])
    def test_flags_may_be_words(self, world: World, version: str, yes: Any) -> None:
        world.client(version).join(private=yes)
        assert len(world.asked) == 1

    @pytest.mark.parametrize(
        "payload",
        [
            None,
            [],
            "x",
            5,
            {},
            {"config": None},
            {"config": []},
            {"config": {"private": "maybe", "broadcast": 5, "presence": []}},
        ],
    )
    def test_a_config_that_cannot_be_read_joins_with_defaults(self, world: World, version: str, payload: Any) -> None:
        client = world.client(version)
        client.push("realtime:room", "phx_join", payload, "j", "j")
        assert client.take_payloads() == [OK]
        assert world.asked == []

    def test_the_fields_that_can_be_read_count(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join(private=5, broadcast={"self": True, "ack": "no idea"}, presence="x")
        client.cast(1)
        assert client.take_events() == ["broadcast"]


class TestDoors:
    def test_a_project_may_be_private_only(self, version: str) -> None:
        client = World(private_only=True).client(version)
        assert reason(client.join()[0]) == "PrivateOnly: This project only allows private channels"
        assert client.join(private=True)[0].payload == OK

    def test_channels_per_socket_are_limited(self, version: str) -> None:
        client = World(max_channels=2).client(version)
        assert client.join("a")[0].payload == client.join("b")[0].payload == OK
        assert reason(client.join("c")[0]) == "ChannelRateLimitReached: Too many channels"
        assert client.join("b")[0].payload == OK  # a duplicate takes no other place

    def test_users_are_limited(self, version: str) -> None:
        world = World(max_users=1)
        first, second = world.client(version), world.client(version)
        first.join("a")
        assert first.join("b")[0].payload == OK  # a user is a socket, not a channel
        assert reason(second.join()[0]) == "ConnectionRateLimitReached: Too many connected users"
        world.leave(first)
        assert second.join()[0].payload == OK

    def test_too_many_joins_per_second_end_the_socket(self, version: str) -> None:
        world = World(joins_per_second=1)
        client = world.client(version)
        for number in range(5):
            client.join(f"room{number}")
        world.wait(5)
        assert reason(client.join("one more")[0]) == "ClientJoinRateLimitReached: Too many joins per second"
        assert client.closed == [1001]

    def test_a_stopping_server_takes_no_joins(self, world: World, version: str) -> None:
        client = world.client(version)
        world.do(world.hub.stop(world.now))
        assert client.closed == [1012]
        late = world.client(version)
        assert reason(late.join()[0]) == "RealtimeRestarting: Realtime is restarting, please standby"

    def test_the_first_failing_check_gives_the_reason(self, version: str) -> None:
        world = World(Database.DOWN, private_only=True, max_channels=0)
        client = world.client(version)
        bad = {"config": {"private": True}, "access_token": "x"}
        assert reason(client.join("")[0]).startswith("TopicNameRequired")
        assert reason(client.join()[0]).startswith("PrivateOnly")
        assert reason(client.join(payload=bad)[0]).startswith("ChannelRateLimitReached")
        world = World(Database.DOWN)
        assert reason(world.client(version).join(payload=bad)[0]).startswith("MalformedJWT")

    def test_a_refused_join_is_answered_after_the_back_off_and_holds_up_the_socket(self, version: str) -> None:
        world = World(channel_backoff=5)
        client = world.client(version)
        assert client.join("") == []
        client.push("phoenix", "heartbeat", {}, "h")
        assert client.take() == []
        world.wait(5)
        assert [message.ref for message in client.take() if isinstance(message, Message)] == ["j", "h"]


class TestDuplicate:
    def test_the_new_join_is_answered_before_the_old_one_is_closed(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join()
        reply, close = client.join()
        assert (reply.event, reply.ref) == ("phx_reply", "j2")
        assert (close.event, close.payload, close.ref) == ("phx_close", {}, "j")
        assert close.join_ref == (None if client.v1 else "j")

    def test_the_old_channel_ends_even_if_the_new_join_fails(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join()
        world.policies = lambda _: Grant(False)
        reply, close = client.join(private=True)
        assert reason(reply) == UNAUTHORIZED
        assert close.event == "phx_close"
        client.cast(1)
        assert client.take_payloads() == [{"status": "error", "response": {"reason": "unmatched topic"}}]

    def test_messages_come_once(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join()
        client.join()
        world.commit()
        assert len(client.take()) == 1


class TestWaiting:
    """While a join waits for the database, the socket's other frames wait for the join."""

    def test_frames_are_taken_up_in_their_order(self, world: World, version: str) -> None:
        world.prompt = False
        client = world.client(version)
        client.join(private=True)
        client.push("phoenix", "heartbeat", {}, "h1")
        client.join("other")
        client.push("phoenix", "heartbeat", {}, "h2")
        assert client.take() == []
        assert client.socket.backlog == 3
        world.answer(world.pending.pop())
        assert [message.ref for message in client.take() if isinstance(message, Message)] == ["j", "h1", "j2", "h2"]
        assert client.socket.backlog == 0

    def test_many_joins_in_a_row_are_no_burden(self, world: World, version: str) -> None:
        world.prompt = False
        client = world.client(version)
        client.join(private=True)
        for number in range(3000):
            client.push(f"realtime:r{number}", "phx_leave", {}, str(number))
            client.push("realtime:r", "phx_join", {}, str(number))
        world.answer(world.pending.pop())
        assert len(client.take()) == 1 + 6000 + 2999

    def test_an_answer_for_a_client_that_left_is_dropped(self, world: World, version: str) -> None:
        world.prompt = False
        client = world.client(version)
        client.join(private=True)
        world.leave(client)
        world.answer(world.pending.pop())
        assert client.take() == []
        assert world.hub.project.users == 0

    def test_a_question_is_answered_once(self, world: World) -> None:
        world.prompt = False
        world.client().join(private=True)
        ask = world.pending.pop()
        world.answer(ask)
        with pytest.raises(RuntimeError):
            world.answer(ask)


class TestReplicationReady:
    def test_the_client_is_told_when_the_stream_is_up(self, world: World, version: str) -> None:
        client = world.client(version)
        reply, told = client.join(broadcast={"replication_ready": True})
        assert reply.payload == OK
        assert told.payload == {
            "extension": "system",
            "status": "ok",
            "message": "Replication connection established",
            "channel": "room",
        }
        assert (told.event, told.ref, told.join_ref) == ("system", None, None if client.v1 else "j")


class TestPostgresChanges:
    def test_subscriptions_are_echoed_with_ids_and_then_refused(self, world: World, version: str) -> None:
        wish = {"event": "INSERT", "schema": "public", "table": "todos", "filter": "id=eq.1", "select": ["id"]}
        reply, system = world.client(version).join(postgres_changes=[wish, None, dict(wish)])
        first, second = reply.payload["response"]["postgres_changes"]
        assert first == second == {**wish, "id": first["id"]}
        assert 1 <= first["id"] < 2**27
        assert system.payload["extension"] == "postgres_changes"
        assert system.payload["message"] == (
            "Unable to subscribe to changes with given parameters. "
            "Please check Realtime is enabled for the given connect parameters: "
            '[event: INSERT, schema: public, table: todos, filters: [{"id", "eq", "1"}], select: ["id"]]'
        )

    @pytest.mark.parametrize(
        ("wish", "words"),
        [
            ({"table": "todos"}, "[event: *, schema: public, table: todos, filters: [], select: nil]"),
            ({"schema": "app", "event": "*"}, "[event: *, schema: app, table: *, filters: [], select: nil]"),
            ({}, "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: %{}"),
            ({"table": "t", "filter": "wrong"}, 'Error parsing `filter` params: ["wrong"]'),
            ({"table": "t", "filter": "id=wrong"}, 'Error parsing `filter` params: ["wrong"]'),
        ],
    )
    def test_what_is_missing_has_a_default_or_is_named(self, world: World, wish: dict[str, str], words: str) -> None:
        _, system = world.client().join(postgres_changes=[wish])
        assert system.payload["status"] == "error"
        assert system.payload["message"].endswith(words)

    @pytest.mark.parametrize("none", [None, [None], [], "x", {}])
    def test_no_subscription_is_no_trouble(self, world: World, version: str, none: Any) -> None:
        assert [message.payload for message in world.client(version).join(postgres_changes=none)] == [OK]

    def test_broadcast_works_beside_it(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join(postgres_changes=[{"table": "t"}], presence={"enabled": True})
        world.commit()
        assert client.take_events()[-1] in ("broadcast", "e")
