"""Sweep, reconciler and pruning run while people like: they wait for nobody, repair what is wrong and nothing else."""

from uuid import uuid4

import psycopg
import pytest

from tests.integration.engine.world import World


def make_drift(world: World, content_id: object, likes: int) -> None:
    world.db.run("update likes.counters set likes = likes + %s where content_id = %s", likes, content_id)


def test_a_sweep_that_comes_after_the_wake_up_finds_nothing_to_send(world: World) -> None:
    world.stop_clock()
    content = world.post()
    world.db.like(world.user(), content)
    world.db.like(world.user(), content)
    world.pass_time(seconds=5)
    found = world.db.value("select public.unsettled_likes()")
    assert found == [content.item()]
    world.db.settle(content)
    [swept] = world.db.value("select public.settle_likes(%s::jsonb)", psycopg.types.json.Jsonb(found))
    assert (swept["outcome"], swept["events"], swept["notifications"]) == ("waiting", 0, 0)
    assert len(world.messages(content.topic)) == 2


def test_a_wake_up_that_comes_during_the_sweep_waits_and_sends_nothing(world: World) -> None:
    world.stop_clock()
    content = world.post()
    world.db.like(world.user(), content)
    world.db.like(world.user(), content)
    world.pass_time(seconds=5)
    world.add_pause("must_send", after=True)
    sweeper, settler = world.session(), world.session()
    with world.paused(sweeper, "must_send", sweeper.sweep):
        woken = settler.background(settler.settle, content)
        world.waits_for_lock(settler)
    assert (woken.result()[0]["outcome"], woken.result()[0]["events"]) == ("waiting", 0)
    assert len(world.messages(content.topic)) == 2


def test_the_sweep_sees_no_like_that_is_not_committed(world: World) -> None:
    content = world.post()
    with world.session().open_transaction() as other:
        other.like(world.user(), content)
        assert world.db.sweep() == []


def test_reconciling_waits_for_no_settling(world: World) -> None:
    world.stop_clock()
    contents = world.posts(2)
    for content in contents:
        world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    world.add_pause("lock_contents", after=True)
    settler = world.session()
    with world.paused(settler, "lock_contents", settler.settle, *contents):
        assert world.session().reconcile() == {"checked": 2, "repaired": 0, "drift": 0}


def test_reconciling_holds_nothing_that_likes_or_settlings_want(world: World) -> None:
    world.stop_clock()
    content, author = world.post(), world.user()
    world.db.like(author, content)
    world.pass_time(seconds=1)
    world.db.settle(content)
    with world.session().open_transaction() as other:
        other.reconcile()
        assert world.session().like(world.user(), content)["changed"]


def test_a_like_in_flight_is_no_drift(world: World) -> None:
    content = world.post()
    world.db.like(world.user(), content)
    with world.session().open_transaction() as other:
        other.like(world.user(), content)
        assert world.db.reconcile()["repaired"] == 0
    assert world.db.reconcile()["repaired"] == 0
    assert world.total(content) == 2


def test_drift_is_repaired_exactly_although_a_like_is_in_flight(world: World) -> None:
    content = world.post()
    world.db.like(world.user(), content)
    make_drift(world, content.id, 5)
    late = world.session()
    with world.session().open_transaction() as other:
        other.like(world.user(), content)
        reconciling = late.background(late.reconcile)
        world.waits_for_lock(late)
    assert reconciling.result()["drift"] == 5
    assert world.total(content) == 2


def test_reconciling_and_settling_of_several_contents_take_their_locks_in_one_order(world: World) -> None:
    world.stop_clock()
    contents = world.posts(4)
    for content in contents:
        world.db.like(world.user(), content)
        make_drift(world, content.id, 1)
    # Longest unchecked first is the reverse of the order of locks.
    for place, content in enumerate(reversed(contents)):
        world.db.run(
            "update likes.activity set reconciled_at = '-infinity'::timestamptz where content_id = %s", content.id
        )
        world.db.run("update likes.activity set reconciled_at = now() + %s * interval '1 s'", place)
    world.pass_time(seconds=1)
    settler, reconciler = world.session(), world.session()
    with world.session().open_transaction() as holder:
        holder.run("select from likes.counters where content_id = %s for update", contents[1].id)
        settling = settler.background(settler.settle, *contents)
        world.waits_for_lock(settler)
        reconciling = reconciler.background(reconciler.reconcile)
        world.waits_for_lock(reconciler)
    assert {result["outcome"] for result in settling.result()} == {"settled"}
    assert reconciling.result()["repaired"] == 4
    assert world.deadlocks() == 0
    assert [world.total(content) for content in contents] == [1, 1, 1, 1]


def test_pruning_waits_for_nobody(world: World) -> None:
    content, author = world.post(), world.user()
    liker, viewer = world.user(), uuid4()
    world.db.like(liker, content)
    world.db.like(liker, content)
    world.db.heartbeat(liker, viewer, content.item())
    world.db.run(
        "insert into likes.notifications (user_id, content_type, content_id, is_open, read_at, created_at, updated_at) "
        "values (%s, 'post', %s, false, now(), now(), now())",
        *(author, content.id),
    )
    for age in (
        "update likes.content_likes set changed_at = '2000-01-01'",
        "update likes.rate_limits set allowed_at = '2000-01-01'",
        "update likes.viewers set seen_at = '2000-01-01'",
        "update likes.notifications set read_at = '2000-01-01'",
    ):
        world.db.connection.execute(age.encode())
    with world.session().open_transaction() as other:
        for table in ("content_likes", "rate_limits", "viewers", "notifications"):
            other.connection.execute(f"select from likes.{table} for update".encode())
        pruned = world.session().prune()
        assert pruned == {"likes": 0, "viewers": 0, "rate_limits": 0, "usage": 0, "notifications": 0}
    pruned = world.db.prune()
    assert pruned == {"likes": 1, "viewers": 1, "rate_limits": 1, "usage": 0, "notifications": 1}


def test_a_like_waits_for_the_pruning_of_its_row_and_starts_anew(world: World) -> None:
    content, liker = world.post(), world.user()
    world.db.like(liker, content)
    world.db.like(liker, content)
    world.db.run("update likes.content_likes set changed_at = '2000-01-01'")
    late = world.session()
    with world.session().open_transaction() as other:
        assert other.prune()["likes"] == 1
        like = late.background(late.like, liker, content)
        world.waits_for_lock(late)
    assert like.result()["liked"] is True
    assert world.db.value("select liked from likes.content_likes") is True
    assert world.total(content) == 1


def test_requests_at_once_cannot_slip_past_the_rate_limit(world: World) -> None:
    world.set_limits(rate_burst=2, rate_per_minute=60)
    contents, liker = world.posts(3), world.user()
    sessions = [world.session(), world.session()]
    with world.session().open_transaction() as first:
        first.like(liker, contents[0])
        calls = [
            session.background(session.like, liker, content)
            for session, content in zip(sessions, contents[1:], strict=True)
        ]
        for session in sessions:
            world.waits_for_lock(session)
    outcomes = sorted(getattr(call.exception(), "sqlstate", "ok") for call in calls)
    assert outcomes == ["PGRST", "ok"]


@pytest.mark.parametrize("intents", [(1000, 2000), (2000, 1000)])
def test_wishes_of_one_user_at_once_end_in_the_highest_intent(world: World, intents: tuple[int, int]) -> None:
    content, liker = world.post(), world.user()
    late = world.session()
    with world.session().open_transaction() as first:
        first.like(liker, content, intents[0] == 2000, intents[0])
        second = late.background(late.like, liker, content, intents[1] == 2000, intents[1])
        world.waits_for_lock(late)
    assert second.result()["liked"] is True
    assert second.result()["intent"] == 2000
    assert world.total(content) == 1
