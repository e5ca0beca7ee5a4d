"""The tokens of joined channels: their end, and their replacement (protocol 1.5, 1.6)."""

from typing import Any

import pytest

from local.realtime.core.questions import Fault, Grant, Question, ReadPolicies, WritePolicies
from tests.unit.realtime.world import START, Client, World, mint

NO_READ = "You do not have permissions to read from this Channel topic: room"
LOST_READ = "You no longer have permission to read from this Channel topic: room"
NO_DATABASE = "Realtime was unable to connect to the project database"


def joined(world: World, version: str, **config: Any) -> Client:
    client = world.client(version)
    client.join(payload={"config": config, "access_token": mint(sub="old")})
    return client


def refresh(client: Client, token: Any) -> None:
    client.push("realtime:room", "access_token", {"access_token": token})


def assert_ended(client: Client, message: str) -> None:
    system, close = client.take()
    assert system.payload == {"extension": "system", "status": "error", "message": message, "channel": "room"}
    assert (close.event, close.ref) == ("phx_close", "j")
    assert client.closed == []


class TestTheEndOfAToken:
    def test_the_channel_ends_with_its_token_and_the_socket_stays(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join(payload={"access_token": mint(exp=int(START) + 20)})
        client.join("other")
        world.wait(19)
        assert client.take() == []
        world.wait(1)
        assert_ended(client, "Token has expired 0 seconds ago")
        world.commit(topic="other")
        assert len(client.take()) == 1

    def test_a_long_lived_token_is_looked_at_now_and_then(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join()
        for _ in range(61):
            world.wait(59)
            client.send("")
        assert client.take_events() == []
        world.wait(1)
        assert_ended(client, "Token has expired 0 seconds ago")

    def test_a_refreshed_token_lives_longer(self, world: World, version: str) -> None:
        client = world.client(version, token=mint(exp=int(START) + 20))
        client.join()
        refresh(client, mint(exp=int(START) + 40))
        world.wait(30)
        assert client.take() == []
        world.wait(10)
        assert_ended(client, "Token has expired 0 seconds ago")

    def test_a_channel_that_left_does_not_end_again(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join(payload={"access_token": mint(exp=int(START) + 20)})
        client.push("realtime:room", "phx_leave", {}, "l", "j")
        client.take()
        world.wait(30)
        assert client.take() == []

    def test_timers_of_past_channels_do_not_pile_up(self, world: World, version: str) -> None:
        client = world.client(version)
        for _ in range(1000):
            client.join()
        assert len(world.hub.project.timers) < 300


class TestRefused:
    @pytest.mark.parametrize("private", [True, False])
    @pytest.mark.parametrize(
        ("token", "message"),
        [
            ("nonsense", "The token provided is not a valid JWT"),
            ("", "The token provided is not a valid JWT"),
            (mint(exp=int(START) - 5), "Token has expired 5 seconds ago"),
            (mint(exp=None), "Fields `role` and `exp` are required in JWT"),
            (mint("another secret of thirty-two or more characters"), ":signature_error"),
            (
                mint(headers={"kid": "x"}, secret="", algorithm="none"),
                "Failed to generate JWT signer, check your JWT secret or JWKS configuration",
            ),
        ],
    )
    def test_a_bad_token_ends_the_channel(
        self, world: World, version: str, token: str, message: str, private: bool
    ) -> None:
        client = joined(world, version, private=private)
        refresh(client, token)
        assert_ended(client, message)

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            (Grant(False), NO_READ),
            (Fault.POLICY, NO_READ),
            (Fault.UNAVAILABLE, NO_DATABASE),
            (Fault.MISSING_PARTITION, NO_DATABASE),
            (Fault.CANCELED, "Query was cancelled, please try again"),
        ],
    )
    def test_without_a_grant_the_channel_ends(
        self, world: World, version: str, answer: Grant | Fault, message: str
    ) -> None:
        client = joined(world, version, private=True)
        world.policies = lambda _: answer
        refresh(client, mint(sub="new"))
        assert_ended(client, message)

    @pytest.mark.parametrize("grant", [Grant(True, False), Grant(False, True)])
    def test_half_a_grant_lost_ends_the_channel(self, world: World, version: str, grant: Grant) -> None:
        client = joined(world, version, private=True, presence={"enabled": True})
        client.take()
        world.policies = lambda _: grant
        refresh(client, mint(sub="new"))
        assert_ended(client, LOST_READ)


class TestTaken:
    @pytest.mark.parametrize("token", ["sb_publishable_x", None, 5, {}, mint(sub="old")])
    def test_what_is_no_new_token_changes_nothing(self, world: World, version: str, token: Any) -> None:
        client = joined(world, version, private=True)
        del world.asked[:]
        refresh(client, token)
        assert client.take() == []
        assert world.asked == []

    @pytest.mark.parametrize("payload", [{}, None, [], "x"])
    def test_a_push_without_a_token_changes_nothing(self, world: World, version: str, payload: Any) -> None:
        client = joined(world, version, private=True)
        client.push("realtime:room", "access_token", payload)
        assert client.take() == []

    def test_a_good_token_is_taken_silently_and_policies_are_asked_again(self, world: World, version: str) -> None:
        client = joined(world, version, private=True)
        client.cast({})
        del world.asked[:]
        refresh(client, mint(sub="new"))
        client.cast({})
        assert client.take() == []
        assert [type(question) for question in world.asked] == [ReadPolicies, WritePolicies]
        assert {question.caller.claims["sub"] for question in world.asked} == {"new"}  # type: ignore[union-attr]

    def test_a_public_channel_asks_nothing(self, world: World, version: str) -> None:
        client = joined(world, version)
        world.policies = lambda _: Fault.POLICY
        refresh(client, mint(sub="new"))
        assert client.take() == []
        assert world.asked == []

    def test_a_new_grant_starts_delivery(self, world: World, version: str) -> None:
        def presence_only(question: Question) -> Grant:
            return Grant(not isinstance(question, ReadPolicies), True)

        world.policies = presence_only
        client = joined(world, version, private=True, presence={"enabled": True})
        client.take()
        world.commit(private=True)
        assert client.take() == []
        world.policies = lambda _: Grant(True, True)
        refresh(client, mint(sub="new"))
        world.commit(private=True)
        assert len(client.take()) == 1

    def test_messages_still_come_while_the_new_token_is_being_checked(self, world: World, version: str) -> None:
        client = joined(world, version, private=True)
        world.prompt = False
        refresh(client, mint(sub="new"))
        world.commit(private=True)
        assert len(client.take()) == 1
        world.policies = lambda _: Grant(False)
        world.answer(world.pending.pop())
        assert_ended(client, NO_READ)
