"""Heartbeats meet the drain and each other: viewers never wait for long, and nothing is settled twice."""

import time
from uuid import uuid4

from tests.integration.engine.session import Content
from tests.integration.engine.world import World


def overdue(world: World) -> Content:
    """A post with two likes whose wake-up was lost; the second is not announced yet."""
    content = world.post()
    world.db.like(world.user(), content)
    world.db.like(world.user(), content)
    world.pass_time(seconds=10)
    return content


def test_watched_content_is_settled_by_its_viewers_when_the_drain_is_dead(world: World) -> None:
    world.stop_clock()
    content = overdue(world)
    [item] = world.db.heartbeat(None, uuid4(), content.item())
    assert item["total_likes"] == 2
    assert [m.event for m in world.messages(content.topic)] == ["post:liked", "post:likes_batched"]
    assert world.db.notifications(content.author)["unread_count"] == 1


def test_a_heartbeat_leaves_a_content_to_the_drain_that_is_settling_it(world: World) -> None:
    world.stop_clock()
    content = overdue(world)
    world.add_pause("lock_contents", after=True)
    settler, viewer = world.session(), world.session()
    with world.paused(settler, "lock_contents", settler.settle, content) as settling:
        begun = time.monotonic()
        [item] = viewer.heartbeat(None, uuid4(), content.item())
        assert time.monotonic() - begun < 2
        assert item["total_likes"] == 1
    assert settling.result()[0]["events"] == 1
    assert world.activity(content)["failures"] == 0
    assert len(world.messages(content.topic)) == 2


def test_a_heartbeat_that_cannot_wait_is_no_failure_of_the_content(world: World) -> None:
    world.stop_clock()
    content = world.post()
    world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    world.db.settle(content)
    world.db.like(world.user(), content)
    world.pass_time(seconds=10)
    with world.session().open_transaction() as reader:
        reader.read_notifications(content.author)
        world.session().heartbeat(None, uuid4(), content.item())
    assert (world.activity(content)["failures"], world.activity(content)["last_error"]) == (0, None)
    world.db.heartbeat(None, uuid4(), content.item())
    assert world.db.notifications(content.author)["unread_count"] == 1


def test_the_drain_waits_for_a_heartbeat_that_is_settling_and_sends_nothing_twice(world: World) -> None:
    world.stop_clock()
    content = overdue(world)
    settler = world.session()
    with world.session().open_transaction() as viewer:
        viewer.heartbeat(None, uuid4(), content.item())
        settling = settler.background(settler.settle, content)
        world.waits_for_lock(settler)
    [result] = settling.result()
    assert (result["outcome"], result["events"]) == ("waiting", 0)
    assert len(world.messages(content.topic)) == 2


def test_heartbeats_do_not_cut_a_long_window_short(world: World) -> None:
    world.set_limits(messages_per_second=100, max_connections=500)
    world.stop_clock()
    content, viewers = world.post(), [uuid4() for _ in range(400)]
    world.db.run(
        "insert into likes.viewers (viewer_id, content_hashes, connection, seen_at) "
        "select v, array[likes.content_hash('post', %s)], 'live', likes.clock() from unnest(%s::uuid[]) v",
        *(content.id, viewers),
    )
    world.db.heartbeat(None, viewers[0], content.item())
    answer = world.db.like(world.user(), content)
    assert answer["wake_after_ms"] == 9000
    world.db.like(world.user(), content)
    world.pass_time(seconds=8)
    world.db.heartbeat(None, viewers[0], content.item())
    assert world.db.sweep() == []
    assert len(world.messages(content.topic)) == 1


def test_two_heartbeats_that_missed_the_same_events_do_not_lock_crosswise(world: World) -> None:
    world.stop_clock()
    contents = world.posts(2)
    for content in [world.post(), *contents]:
        world.db.like(world.user(), content)
    # Version 1 went to the first post: these two have had an event since.
    items = [content.item(version=1, viewers=0) for content in contents]
    world.db.heartbeat(None, uuid4(), *items)
    # Each of the two counts the viewers of one room, and has missed events in both.
    stale = "update likes.rooms set counted_at = '-infinity' where content_id = %s"
    world.add_pause("settle_overdue")
    one, two = world.session(), world.session()
    world.pass_time(seconds=3)
    world.db.run(stale, contents[0].id)
    with world.paused(one, "settle_overdue", one.heartbeat, None, uuid4(), *items) as first:
        world.db.run(stale, contents[1].id)
        with two.open_transaction():
            two.heartbeat(None, uuid4(), *items)
            third = world.session()
            assert len(third.heartbeat(None, uuid4(), *items)) == 2
    assert len(first.result()) == 2
    assert world.deadlocks() == 0
    assert world.db.value("select sum(missed) from likes.rooms") > 0


def test_two_heartbeats_of_a_new_room_at_once_both_count(world: World) -> None:
    content = world.post()
    late = world.session()
    with world.session().open_transaction() as first:
        first.heartbeat(None, uuid4(), content.item())
        second = late.background(late.heartbeat, None, uuid4(), content.item())
        world.waits_for_lock(late)
    second.result()
    world.db.run("update likes.rooms set counted_at = '-infinity'")
    [item] = world.db.heartbeat(None, uuid4(), content.item())
    assert item["viewers"] == 3
