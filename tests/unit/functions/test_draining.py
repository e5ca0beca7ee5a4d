"""The drain against doubles that keep state and a clock that jumps: an hour passes in no time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_likes.errors import DatabaseUnavailableError, InternalError
from tests.unit.functions.drain_world import NOON, World, message


def test_a_like_is_announced_when_its_window_ends(world: World) -> None:
    post = world.likes.add_content()
    world.like(post)
    world.like(post)

    report = world.run()

    assert world.likes.events == [(post, 2)]
    assert world.settled(post)
    assert world.queue.entries == {}
    assert (report["LikesSettled"], report["EventsSent"], report["EventsCoalesced"]) == (2, 1, 1)
    assert report["NotificationsSent"] == 1
    # the busy window was followed by another one, which found nothing new
    assert (report["ItemsSettled"], report["WakeUpsSent"]) == (2, 1)


def test_likes_during_the_drain_are_announced_by_the_window(world: World) -> None:
    post = world.likes.add_content()
    world.like(post)
    later = [3.0, 3.2, 3.4, 20.0]

    def pass_time() -> None:
        while later and world.clock.now >= NOON + later[0]:
            later.pop(0)
            world.like(post)

    world.queue.on_receive = pass_time
    world.run()

    assert [total for _, total in world.likes.events] == [1, 4, 5]
    assert world.settled(post)


def test_it_ends_in_time_and_polls_patiently(world: World) -> None:
    world.run(58)

    assert NOON + 58 <= world.clock.now < NOON + 59.2
    assert world.queue.receives <= 16, "an idle drain costs a poll every few seconds"
    assert world.settler.calls.count("unsettled_likes") == 6, "and a sweep every ten"
    assert world.flushes == 1


def test_doubled_messages_settle_a_content_once(world: World) -> None:
    post = world.likes.add_content()
    world.like(post)
    for _ in range(60):
        world.queue.put(message(post), 1)

    world.run(10)

    assert world.likes.events == [(post, 1)]
    assert max(world.settler.batches) == 1
    assert world.queue.entries == {}


def test_many_contents_go_to_the_database_by_hundreds(world: World) -> None:
    posts = [world.likes.add_content() for _ in range(137)]
    for post in posts:
        world.like(post)

    world.run(20)

    assert world.settled(*posts)
    assert max(world.settler.batches) == 100
    assert world.queue.entries == {}


def test_early_messages_come_again_when_due(world: World) -> None:
    post = world.likes.add_content()
    world.like(post, wake=False)
    world.queue.put(message(post), 0)

    report = world.run(10)

    assert report["ItemsWaiting"] == 1
    assert world.settled(post)
    assert world.queue.entries == {}
    assert world.queue.dead == []


def test_waiting_without_a_time_waits_one_window(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    post = world.likes.add_content()
    answers = [{"outcome": "waiting", "wake_after_ms": None}, {"outcome": "settled", "wake_after_ms": None}]
    monkeypatch.setattr(
        world.likes, "settle_likes", lambda _: [{"content_type": post[0], "content_id": post[1], **answers.pop(0)}]
    )
    world.queue.put(message(post))

    world.run(5)

    assert answers == []
    assert world.queue.entries == {}


def test_what_keeps_failing_ends_in_the_dead_letter_queue_alone(world: World) -> None:
    bad, good = world.likes.add_content(), world.likes.add_content()
    world.likes.failing.add(bad)
    world.like(bad)
    world.like(good)

    for _ in range(4):
        world.run()

    assert world.settled(good)
    assert world.queue.dead == [message(bad)]
    assert world.published["ItemsFailed"] == 5
    assert "XX000 broken" in world.logged.getvalue()


def test_an_item_without_an_answer_is_left_in_the_queue(world: World) -> None:
    post = world.likes.add_content()
    world.settler.forget.add(post)
    world.queue.put(message(post))

    world.run(5)

    assert len(world.queue.entries) == 1


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"content_type": "post"}', '{"content_type": "a", "content_id": "b"}', "\ud800"]
)
def test_poison_ends_in_the_dead_letter_queue_and_disturbs_nobody(world: World, body: str) -> None:
    post = world.likes.add_content()
    world.like(post)
    world.queue.put(body)

    for _ in range(4):
        world.run()

    assert world.queue.dead == [body]
    assert world.published["MessagesPoison"] == 5
    assert world.settled(post)


def test_the_sweep_finds_what_no_message_announced(world: World) -> None:
    posts = [world.likes.add_content() for _ in range(250)]
    for post in posts:
        world.like(post, wake=False)
    world.clock.sleep(30)

    report = world.run(10)

    assert world.settled(*posts)
    assert report["ItemsSwept"] == 250


def test_the_sweep_ends_when_it_only_finds_the_same_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    posts = [world.likes.add_content() for _ in range(120)]
    stuck = [{"content_type": t, "content_id": i} for t, i in posts[:100]]
    monkeypatch.setattr(world.likes, "unsettled_likes", lambda *_: stuck)

    world.run(10)

    assert world.settler.calls.count("unsettled_likes") <= 4


def test_without_a_queue_the_sweep_settles_everything(world: World) -> None:
    posts = [world.likes.add_content() for _ in range(5)]
    world.queue.down = True
    for post in posts:
        world.like(post, wake=False)

    report = world.run()

    assert world.settled(*posts)
    assert report["QueueErrors"] >= 20
    assert report["WakeUpsFailed"] == 5
    assert world.clock.now < NOON + 60


def test_a_queue_that_takes_nothing_loses_nothing(world: World) -> None:
    post, other = world.likes.add_content(), world.likes.add_content()
    world.like(post)
    world.queue.down_for_sends = True
    world.run(20)
    assert world.likes.events == [(post, 1)]
    assert len(world.queue.entries) == 1, "the old message stays, since no new one went"

    world.queue.down_for_sends = False
    world.queue.refuse_sends = 1
    world.like(other)
    world.run()
    world.run()
    assert world.settled(post, other)
    assert world.queue.entries == {}
    assert world.published["WakeUpsFailed"] == 1


def test_undeleted_messages_come_again_harmlessly(world: World) -> None:
    post = world.likes.add_content()
    world.like(post)
    world.queue.refuse_deletes = 1

    world.run()

    assert world.likes.events == [(post, 1)]
    assert world.queue.dead == []


def test_while_the_database_is_away_nothing_is_received(world: World) -> None:
    post = world.likes.add_content()
    world.like(post)
    world.settler.broken = DatabaseUnavailableError

    for _ in range(6):
        world.run()
    assert world.queue.receives == 0
    assert world.published["DatabaseErrors"] > 20

    world.settler.broken = None
    world.run()
    assert world.settled(post)
    assert world.queue.dead == []


def test_the_database_coming_back_is_noticed_within_seconds(world: World) -> None:
    post = world.likes.add_content()
    world.like(post)
    world.settler.broken = DatabaseUnavailableError
    slept = world.drain.sleep

    def sleep(seconds: float) -> None:
        slept(seconds)
        if world.clock.now > NOON + 7:
            world.settler.broken = None

    object.__setattr__(world.drain, "sleep", sleep)
    world.run(12)

    assert world.settled(post)


def test_a_broken_step_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    post = world.likes.add_content()
    world.like(post)

    def fail() -> Any:
        raise InternalError

    monkeypatch.setattr(world.likes, "like_metrics", fail)
    monkeypatch.setattr(world.likes, "unsettled_likes", lambda *_: fail())
    report = world.run()

    assert world.settled(post)
    assert report["DatabaseErrors"] == 7


def test_two_drains_at_once_announce_everything_once(world: World) -> None:
    posts = [world.likes.add_content() for _ in range(30)]
    for post in posts:
        world.like(post)
    inner: list[Callable[[], Any]] = [lambda: world.drain.run(1)] * 10

    def another_drain_runs_in_between() -> None:
        if inner:
            inner.pop()()

    world.queue.on_receive = another_drain_runs_in_between
    world.run()
    world.run()

    assert world.settled(*posts)
    assert len(world.likes.events) == 30


def test_a_killed_drain_loses_nothing(world: World) -> None:
    post = world.likes.add_content()
    world.like(post)
    world.clock.sleep(2)

    class KilledError(BaseException):
        """As SIGKILL: no handler sees it."""

    def die(*_: Any) -> Any:
        raise KilledError

    for place in ("send_all", "delete_all"):
        alive = getattr(world.queue, place)
        setattr(world.queue, place, die)
        with pytest.raises(KilledError):
            world.run()
        setattr(world.queue, place, alive)
    world.run()
    world.run()

    assert world.settled(post)
    assert world.likes.events == [(post, 1)]
    assert world.queue.entries == {}
