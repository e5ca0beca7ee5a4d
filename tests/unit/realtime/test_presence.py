"""Presence: state, diffs, and the rules about who sees them (protocol 4)."""

from typing import Any

import pytest

from local.realtime.core.questions import Fault, Grant, Question, ReadPolicies
from tests.unit.realtime.world import Client, World

EMPTY = {"status": "ok", "response": {}}
ON = {"enabled": True, "key": "me"}


def present(world: World, version: str, key: Any = "me", **config: Any) -> Client:
    """A client that joined with presence and has taken its first messages."""
    client = world.client(version)
    client.join(presence={"enabled": True, "key": key}, **config)
    return client


def watcher(world: World, version: str, **config: Any) -> Client:
    return present(world, version, "watcher", **config)


def diff(joins: dict[str, Any], leaves: dict[str, Any]) -> dict[str, Any]:
    def listing(metas: dict[str, Any]) -> dict[str, Any]:
        return {key: {"metas": [meta]} for key, meta in metas.items()}

    return {"joins": listing(joins), "leaves": listing(leaves)}


class TestState:
    def test_the_state_follows_the_join_reply(self, world: World, version: str) -> None:
        first = present(world, version)
        first.track({"a": 1})
        client = world.client(version)
        reply, state = client.join(presence=ON)
        assert reply.event == "phx_reply"
        assert (state.event, state.ref, state.join_ref) == ("presence_state", None, None if client.v1 else "j")
        assert state.payload == {"me": {"metas": [{"a": 1, "phx_ref": "ref1"}]}}

    def test_an_empty_room_has_an_empty_state(self, world: World, version: str) -> None:
        assert world.client(version).join(presence=ON)[1].payload == {}

    def test_without_the_flag_there_is_no_state(self, world: World, version: str) -> None:
        assert len(world.client(version).join(presence={"key": "me"})) == 1

    def test_a_project_may_switch_it_on_for_all(self, version: str) -> None:
        assert len(World(presence_enabled=True).client(version).join()) == 2


class TestDiffs:
    def test_track_update_and_untrack(self, world: World, version: str) -> None:
        other, client = watcher(world, version), present(world, version)
        client.track({"a": 1})
        client.track({"a": 2})
        client.track({}, event="untrack")
        first = {"a": 1, "phx_ref": "ref1"}
        second = {"a": 2, "phx_ref": "ref2", "phx_ref_prev": "ref1"}
        expected = [diff({"me": first}, {}), diff({"me": second}, {"me": first}), diff({}, {"me": second})]
        assert other.take_payloads() == expected
        assert client.take_payloads() == [part for wanted in expected for part in (EMPTY, wanted)]

    def test_a_diff_is_for_nobodys_join(self, world: World, version: str) -> None:
        client = present(world, version)
        client.track({})
        message = client.take()[-1]
        assert (message.event, message.ref, message.join_ref) == ("presence_diff", None, None)

    def test_the_same_payload_again_changes_nothing(self, world: World, version: str) -> None:
        client = present(world, version)
        client.track({"a": 1})
        client.take()
        client.track({"a": 1})
        assert client.take_payloads() == [EMPTY]

    def test_after_untrack_the_same_payload_is_news(self, world: World, version: str) -> None:
        other, client = watcher(world, version), present(world, version)
        for event in ("track", "untrack", "track"):
            client.track({"a": 1}, event=event)
        seen = [(list(payload["joins"]), list(payload["leaves"])) for payload in other.take_payloads()]
        assert seen == [(["me"], []), ([], ["me"]), (["me"], [])]

    def test_untrack_of_nothing_is_no_news(self, world: World, version: str) -> None:
        client = present(world, version)
        client.track({}, event="untrack")
        assert client.take_payloads() == [EMPTY]

    @pytest.mark.parametrize("how", ["leave", "disconnect", "duplicate join"])
    def test_whoever_goes_is_missed_at_once(self, world: World, version: str, how: str) -> None:
        other, client = watcher(world, version), present(world, version)
        client.track({"a": 1})
        other.take()
        if how == "leave":
            client.push("realtime:room", "phx_leave", {}, "l", "j")
        elif how == "disconnect":
            world.leave(client)
        else:
            client.join()
        assert other.take_payloads() == [diff({}, {"me": {"a": 1, "phx_ref": "ref1"}})]

    def test_two_channels_of_one_key_are_two_metas(self, world: World, version: str) -> None:
        one, two = present(world, version), present(world, version)
        one.track({"tab": 1})
        two.track({"tab": 2})
        [_, state] = world.client(version).join(presence=ON)
        assert [meta["tab"] for meta in state.payload["me"]["metas"]] == [1, 2]
        two.take()
        world.leave(one)
        [left] = two.take_payloads()
        assert left["leaves"]["me"]["metas"][0]["tab"] == 1

    @pytest.mark.parametrize(("key", "name"), [("", "key1"), (None, "key1"), (5, "5"), (True, "true"), ("ü", "ü")])
    def test_keys(self, world: World, version: str, key: Any, name: str) -> None:
        client = present(world, version, key)
        client.take()
        client.track({})
        assert list(client.take_payloads()[-1]["joins"]) == [name]

    def test_rooms_do_not_see_each_other(self, world: World, version: str) -> None:
        public, private = watcher(world, version), watcher(world, version, private=True)
        present(world, version).track({})
        assert (len(public.take()), len(private.take())) == (1, 0)


class TestPushes:
    @pytest.mark.parametrize("event", ["TRACK", "Track"])
    def test_the_inner_event_may_be_in_any_case(self, world: World, version: str, event: str) -> None:
        client = present(world, version)
        client.track({}, event=event)
        assert client.take_events() == ["phx_reply", "presence_diff"]

    def test_a_missing_payload_is_an_empty_one(self, world: World, version: str) -> None:
        client = present(world, version)
        client.push("realtime:room", "presence", {"event": "track"})
        assert client.take_payloads()[-1]["joins"] == {"me": {"metas": [{"phx_ref": "ref1"}]}}

    def test_a_push_without_an_event_has_no_effect(self, world: World, version: str) -> None:
        client = present(world, version)
        client.push("realtime:room", "presence", {"payload": {}})
        assert client.take_payloads() == [EMPTY]

    @pytest.mark.parametrize("payload", [[], "x", 5, None])
    def test_only_an_object_can_be_tracked(self, world: World, version: str, payload: Any) -> None:
        client = present(world, version)
        client.track(payload)
        refused = {"status": "error", "response": {"reason": "Presence track payload must be a map"}}
        assert client.take_payloads() == [refused]

    @pytest.mark.parametrize("event", ["dance", None, 5])
    def test_an_unknown_inner_event_is_an_error(self, world: World, version: str, event: Any) -> None:
        client = present(world, version)
        client.track({}, event=event)
        assert client.take_payloads() == [{"status": "error", "response": {}}]

    def test_an_oversize_payload_ends_the_channel(self, version: str) -> None:
        world = World(payload_kilobytes=1)
        client = present(world, version)
        client.track({"x": "y" * 1500})
        system, close = client.take()
        assert system.payload["message"] == "Track message size exceeded"
        assert close.event == "phx_close"

    def test_the_sixth_push_in_half_a_minute_ends_the_channel(self, world: World, version: str) -> None:
        client = present(world, version)
        payloads: list[Any] = [{"a": 1}, {"a": 1}, [], {"a": 2}]
        for payload in payloads:
            client.track(payload)
        client.track({}, event="untrack")
        client.take()
        client.track({"a": 3})
        system, close = client.take()
        assert system.payload["message"] == "Client presence rate limit exceeded"
        assert close.event == "phx_close"
        assert client.closed == []

    def test_after_half_a_minute_five_more_are_free(self, world: World, version: str) -> None:
        client = present(world, version)
        for _ in range(5):
            client.track({}, event="untrack")
        world.wait(30)
        client.track({"a": 1})
        assert client.take_events()[-1] == "presence_diff"


class TestPrivate:
    def test_who_may_not_write_presence_is_told_without_a_reason(self, world: World, version: str) -> None:
        client = present(world, version, private=True)
        world.policies = lambda _: Grant(True, False)
        client.track({})
        assert client.take_payloads() == [{"status": "error", "response": {}}]

    @pytest.mark.parametrize("fault", [Fault.POLICY, Fault.UNAVAILABLE])
    def test_a_failing_database_is_no_grant(self, world: World, version: str, fault: Fault) -> None:
        client = present(world, version, private=True)
        world.policies = lambda _: fault
        client.track({})
        assert client.take_payloads() == [{"status": "error", "response": {}}]

    def test_a_failure_to_ask_about_reading_is_no_grant(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join(private=True)
        world.policies = lambda question: Fault.POLICY if isinstance(question, ReadPolicies) else Grant(True, True)
        client.track({})
        assert client.take_payloads() == [{"status": "error", "response": {}}]

    def test_without_read_there_is_neither_state_nor_diff(self, world: World, version: str) -> None:
        world.policies = lambda _: Grant(True, False)
        client = world.client(version)
        assert len(client.join(private=True, presence=ON)) == 1
        world.policies = lambda _: Grant(True, True)
        present(world, version, private=True).track({})
        assert client.take() == []

    @pytest.mark.parametrize(("grant", "count"), [(True, 1), (False, 0)])
    def test_unasked_diffs_wait_for_the_first_track(self, world: World, version: str, grant: bool, count: int) -> None:
        client, other = world.client(version), present(world, version, private=True)
        client.join(private=True)
        other.track({"a": 1})
        assert client.take() == []

        def policies(question: Question) -> Grant:
            return Grant(True, grant or not isinstance(question, ReadPolicies))

        world.policies = policies
        client.track({})
        assert client.take_events() == ["phx_reply"] + ["presence_diff"] * count
        other.track({"a": 2})
        assert len(client.take()) == count

    def test_public_diffs_come_unasked(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join()
        present(world, version).track({})
        assert client.take_events() == ["presence_diff"]

    def test_a_broadcast_settles_what_presence_may_write(self, world: World, version: str) -> None:
        client = present(world, version, private=True)
        client.cast({})
        asked = len(world.asked)
        client.track({})
        assert len(world.asked) == asked
