"""Rates, sizes, idle sockets and the clock (protocol 1.7, 6)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.realtime.core.limits import PushWindow, RateMeter, fits, term_size
from local.realtime.core.project import Database
from local.realtime.core.text import dumps
from local.realtime.core.timers import Timers
from tests.unit.realtime.world import Client, World


def assert_closed(client: Client, message: str) -> None:
    system, close = client.take()[-2:]
    assert system.payload == {"extension": "system", "status": "error", "message": message, "channel": "room"}
    assert close.event == "phx_close"
    assert client.closed == []


class TestRates:
    def test_a_burst_passes_until_the_next_sample(self, version: str) -> None:
        world = World(events_per_second=10)
        client = world.client(version)
        client.join()
        for number in range(200):
            world.commit(id=str(number))
        assert len(client.take()) == 200

    def test_over_the_rate_the_next_receiver_is_closed(self, version: str) -> None:
        world = World(events_per_second=10)
        sender, receiver = world.client(version), world.client(version)
        sender.join(broadcast={"ack": True})
        receiver.join()
        for _ in range(25):
            sender.cast({})  # each counts once for itself and once for its delivery
        world.wait(5)
        receiver.take()
        sender.take()
        sender.cast({})
        assert_closed(receiver, "Too many messages per second")
        assert sender.take_payloads() == [{"status": "ok", "response": {}}]

    def test_over_the_rate_database_messages_are_dropped(self, version: str) -> None:
        world = World(events_per_second=1)
        client = world.client(version)
        client.join()
        for number in range(5):
            world.commit(id=str(number))
        client.take()
        world.wait(5)
        world.commit()
        assert client.take() == []
        world.wait(20)
        world.commit()
        assert len(client.take()) == 1

    def test_unknown_events_count(self, version: str) -> None:
        world = World(events_per_second=1)
        client = world.client(version)
        client.join()
        for _ in range(5):
            client.push("realtime:room", "no such event", {})
        world.wait(5)
        assert world.hub.project.events.triggered

    @pytest.mark.parametrize("over", ["push", "diff"])
    def test_too_much_presence_closes_the_channel(self, version: str, over: str) -> None:
        world = World(presence_events_per_second=1)
        clients = [world.client(version) for _ in range(4)]
        for client in clients:
            client.join(presence={"enabled": True})
            client.track({})
        world.wait(5)
        if over == "push":
            clients[0].track({"a": 1})
            assert_closed(clients[0], "Too many presence messages per second")
        else:
            world.leave(clients[1])
            assert_closed(clients[0], "Too many presence messages per second")
            assert_closed(clients[3], "Too many presence messages per second")

    def test_the_average_is_over_a_minute_at_most(self) -> None:
        meter = RateMeter(limit=10)
        meter.add(600)
        averages = []
        for _ in range(13):
            meter.sample()
            averages.append(meter.average)
        assert averages[:2] == [120, 60]
        assert averages[11:] == [10, 0]
        assert not meter.triggered

    @given(st.lists(st.integers(0, 100), min_size=1, max_size=40), st.integers(1, 20))
    def test_the_meter_agrees_with_a_naive_one(self, counts: list[int], limit: int) -> None:
        meter = RateMeter(limit)
        for count in counts:
            meter.add(count)
            meter.sample()
        window = counts[-12:]
        assert meter.triggered == (sum(window) / (5 * len(window)) >= limit)


def test_a_push_window_starts_with_its_first_push() -> None:
    window = PushWindow(2, 30)
    assert [window.push(now) for now in (100, 129, 129.9, 130, 131, 132)] == [True, True, False, True, True, False]


class TestSizes:
    @pytest.mark.parametrize(
        ("value", "size"),
        [
            ({}, 6),
            ({"a": "b"}, 18),
            ([], 2),
            ([1], 9),
            (None, 6),
            (True, 7),
            (False, 8),
            (0, 3),
            (255, 3),
            (256, 6),
            (-1, 6),
            (2**31, 8),
            (1.5, 10),
            ("ü", 8),
        ],
    )
    def test_a_term_is_as_large_as_erlang_says(self, value: Any, size: int) -> None:
        assert term_size(value) == size

    json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )

    @given(json, st.integers(10, 300))
    def test_the_short_cut_for_short_frames_is_right(self, value: Any, limit: int) -> None:
        assert fits(value, limit, len(dumps(value))) == (term_size(value) <= limit)


class TestIdle:
    def test_a_silent_client_is_closed_after_a_minute(self, world: World, version: str) -> None:
        client = world.client(version)
        world.wait(59)
        client.push("phoenix", "heartbeat", {})
        world.wait(59)
        assert client.closed == []
        world.wait(1)
        assert client.closed == [1000]

    def test_a_ping_is_a_sign_of_life(self, world: World, version: str) -> None:
        client = world.client(version)
        for _ in range(5):
            world.wait(59)
            world.do(world.hub.touch(client.socket, world.now))
        assert client.closed == []

    def test_even_garbage_is_a_sign_of_life(self, world: World, version: str) -> None:
        client = world.client(version)
        world.wait(59)
        client.send("garbage")
        world.wait(59)
        assert client.closed == []

    def test_messages_to_the_client_are_none(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join()
        world.wait(59)
        world.commit()
        world.wait(1)
        assert client.closed == [1000]

    def test_a_socket_that_left_all_its_channels_is_dropped_in_the_end(self, world: World, version: str) -> None:
        left, fresh = world.client(version), world.client(version)
        left.join()
        left.push("realtime:room", "phx_leave", {}, "l", "j")
        for _ in range(12):
            world.wait(50)
            left.send("")
            fresh.send("")
        assert left.closed == [None]
        assert fresh.closed == []

    def test_nothing_is_sent_to_a_closed_socket(self, world: World, version: str) -> None:
        client = world.client(version)
        client.join()
        client.take()
        world.wait(60)
        world.commit()
        client.push("phoenix", "heartbeat", {})
        assert client.take() == []


class TestReplicationReady:
    def test_a_client_is_told_when_the_stream_comes_back(self, world: World, version: str) -> None:
        client = world.client(version)
        world.prompt = False
        client.join(private=True, broadcast={"replication_ready": True})
        world.do(world.hub.database_is(Database.DOWN, world.now))
        world.answer(world.pending.pop())
        assert client.take_events() == ["phx_reply"]
        world.wait(10)
        world.do(world.hub.database_is(Database.UP, world.now))
        world.wait(0.5)
        assert client.take_payloads()[0]["message"] == "Replication connection established"

    def test_after_a_minute_it_gives_up(self, world: World, version: str) -> None:
        client = world.client(version)
        world.prompt = False
        client.join(private=True, broadcast={"replication_ready": True})
        world.do(world.hub.database_is(Database.DOWN, world.now))
        world.answer(world.pending.pop())
        client.take()
        for _ in range(2):
            world.wait(30)
            client.send("")
        world.wait(1)
        assert_closed(client, "Replication connection was not established in time")


def test_timers_go_off_in_order_and_cancelled_ones_never() -> None:
    timers, rung = Timers(), []
    for when in (3, 1, 2):
        timers.at(when, lambda when=when: rung.append(when))  # type: ignore[misc]
    timers.cancel(timers.at(1.5, lambda: rung.append("never")))
    while call := timers.due(2):
        call()
    assert rung == [1, 2]
    assert timers.next == 3
