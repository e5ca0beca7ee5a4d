"""A like meets the settling of its content at each step of both: it is counted, announced and told exactly once."""

from uuid import UUID

import pytest

from tests.integration.engine.session import Content, Session
from tests.integration.engine.world import World


@pytest.fixture
def busy(world: World) -> tuple[Content, UUID]:
    """A post in an open window with one like announced and one waiting, and somebody who has not liked it yet."""
    world.stop_clock()
    content = world.post()
    first, second, third = world.users(3)
    world.db.like(first, content)
    world.db.like(second, content)
    world.pass_time(seconds=1)
    return content, third


def liker_counts(world: World, author: UUID) -> list[int]:
    return [n["data"]["likerCount"] for n in world.db.notifications(author)["notifications"]]


def settle_until_quiet(world: World, content: Content) -> None:
    for _ in range(6):
        world.pass_time(seconds=2)
        world.db.settle(content)
    assert world.slots(content) == [(world.slots(content)[0][0], world.total(content), False)]


def assert_exact(world: World, content: Content, likes: int) -> None:
    settle_until_quiet(world, content)
    assert world.total(content) == likes
    assert world.activity(content)["announced_total"] == likes
    assert world.db.value("select likes_count from public.posts where id = %s", content.id) == likes
    events = world.messages(content.topic)
    versions = [m.payload["version"] for m in events]
    assert versions == sorted(set(versions))
    assert events[-1].payload["totalLikes"] == likes
    assert sum(liker_counts(world, content.author)) == likes
    assert world.deadlocks() == 0


def test_settling_does_not_wait_for_a_like_that_has_no_slot_yet(world: World, busy: tuple[Content, UUID]) -> None:
    content, liker = busy
    world.add_pause("add_to_counter")
    with world.paused(session := world.session(), "add_to_counter", session.like, liker, content) as like:
        [result] = world.db.settle(content)
        assert result["outcome"] == "settled", result["error"]
        assert world.activity(content)["announced_total"] == 2
    assert like.result()["changed"]
    assert_exact(world, content, 3)


def test_settling_waits_for_a_like_that_holds_a_slot_and_counts_it(world: World, busy: tuple[Content, UUID]) -> None:
    content, liker = busy
    settler = world.session()
    with world.session().open_transaction() as other:
        other.like(liker, content)
        settling = settler.background(settler.settle, content)
        world.waits_for_lock(settler)
    assert settling.result()[0]["likes"] == 3
    assert world.activity(content)["announced_total"] == 3
    assert_exact(world, content, 3)


def test_a_like_that_comes_after_settling_has_its_locks_waits_for_nothing_and_wakes(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, liker = busy
    world.add_pause("lock_contents", after=True)
    with world.paused(settler := world.session(), "lock_contents", settler.settle, content):
        answer = world.session().like(liker, content)
        assert answer["changed"]
        # Its slot is new, so the settling at work may not see it: the like has to wake another.
        assert answer["wake_after_ms"] is not None
    assert_exact(world, content, 3)


def test_a_like_that_commits_between_the_sum_and_the_end_of_settling_is_left_to_the_next(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, liker = busy
    world.add_pause("copy_counts")
    with world.paused(settler := world.session(), "copy_counts", settler.settle, content) as settling:
        answer = world.session().like(liker, content)
        assert answer["wake_after_ms"] is not None
    assert settling.result()[0]["outcome"] == "settled"
    assert any(dirty for _, _, dirty in world.slots(content))
    assert_exact(world, content, 3)


def test_settling_cleans_the_slots_that_it_has_locked_and_no_others(world: World, busy: tuple[Content, UUID]) -> None:
    content, liker = busy
    world.add_pause("clean_slots")
    with world.paused(settler := world.session(), "clean_slots", settler.settle, content) as settling:
        world.session().like(liker, content)
    settling.result()
    assert [dirty for _, likes, dirty in world.slots(content)].count(True) == 1
    assert_exact(world, content, 3)


def test_a_like_uncommitted_while_settling_runs_from_start_to_end_is_left_to_the_next(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, liker = busy
    world.add_pause("lock_contents", after=True)
    other = world.session()
    with world.paused(settler := world.session(), "lock_contents", settler.settle, content) as settling:
        with_new_slot = other.open_transaction()
        with_new_slot.__enter__()
        assert other.like(liker, content)["wake_after_ms"] is not None
    settling.result()
    with_new_slot.__exit__(None, None, None)
    assert world.activity(content)["announced_total"] == 2
    assert_exact(world, content, 3)


def test_a_like_in_the_settled_slot_of_a_busy_window_is_seen_by_the_settling_ahead(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, liker = busy
    [result] = world.db.settle(content)
    assert result["wake_after_ms"] == 1000
    assert world.db.like(liker, content)["wake_after_ms"] is None
    world.pass_time(seconds=1)
    world.db.settle(content)
    assert world.activity(content)["announced_total"] == 3
    assert_exact(world, content, 3)


def test_a_like_whose_row_is_busy_is_skipped_by_settling_and_told_later(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, _ = busy
    liker = world.user()
    world.db.like(liker, content)
    with world.session().open_transaction() as other:
        # A late repeat: it holds the row and nothing else.
        other.run("select from likes.content_likes where user_id = %s for update", liker)
        [result] = world.db.settle(content)
        assert (result["likes"], result["outcome"]) == (2, "settled")
        assert result["wake_after_ms"] is not None
        assert any(dirty for _, _, dirty in world.slots(content))
    assert_exact(world, content, 3)


def test_likes_beyond_what_one_settling_handles_are_left_to_the_next(world: World, busy: tuple[Content, UUID]) -> None:
    content, liker = busy
    world.set_limits(settle_rows=2)
    world.db.like(liker, content)
    [first] = world.db.settle(content)
    assert (first["likes"], first["wake_after_ms"]) == (2, 1000)
    assert any(dirty for _, _, dirty in world.slots(content))
    assert_exact(world, content, 3)


def test_settling_does_not_wait_for_the_host_and_copies_the_count_later(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, _ = busy
    with world.session().open_transaction() as host:
        host.run("update public.posts set content = 'edited' where id = %s", content.id)
        [result] = world.db.settle(content)
        assert (result["outcome"], result["events"], result["wake_after_ms"]) == ("settled", 1, 1000)
        assert any(dirty for _, _, dirty in world.slots(content))
    assert_exact(world, content, 2)


def test_a_like_announces_nothing_while_another_session_has_the_activity(world: World) -> None:
    content, liker = world.post(), world.user()
    world.db.like(world.user(), content)
    world.eventually(lambda: world.db.settle(content)[0]["outcome"] == "settled")
    with world.session().open_transaction() as other:
        other.run("update likes.activity set settle_due_at = null, window_ends_at = '-infinity'")
        answer = world.session().like(liker, content)
        assert answer["wake_after_ms"] is not None
    assert len(world.messages(content.topic)) == 1
    world.db.sweep()
    assert world.messages(content.topic)[-1].payload["totalLikes"] == 2


def test_a_like_announces_nothing_while_another_session_has_the_budget(world: World) -> None:
    content = world.post()
    with world.session().open_transaction() as other:
        other.run("select from likes.budget for update")
        answer = world.session().like(world.user(), content)
        assert answer["changed"]
    assert world.messages(content.topic) == []
    world.db.run("update likes.activity set settle_due_at = null")
    world.db.settle(content)
    assert [m.event for m in world.messages(content.topic)] == ["post:likes_batched"]


def test_a_first_like_waits_a_moment_for_a_settling_that_has_the_budget(world: World) -> None:
    world.db.run("alter function likes.await_budget set lock_timeout = '1min'")  # longer than any test machine takes
    content = world.post()
    late = world.session()
    with world.session().open_transaction() as other:
        other.run("select from likes.budget for update")
        like = late.background(late.like, world.user(), content)
        world.waits_for_lock(late)
    assert like.result()["changed"]
    assert [message.event for message in world.messages(content.topic)] == ["post:liked"]


def test_nobody_waits_for_the_budget_where_likes_come_fast(world: World) -> None:
    world.db.run("alter function likes.await_budget set lock_timeout = '1min'")
    world.db.run("update likes.budget set likes_rate = 1000, rated_at = likes.clock()")
    content = world.post()
    with world.session().open_transaction() as other:
        other.run("select from likes.budget for update")
        assert world.db.like(world.user(), content)["changed"]
    assert world.messages(content.topic) == []


def test_an_older_total_never_follows_a_newer_one_on_a_channel(world: World) -> None:
    world.stop_clock()
    content = world.post()
    world.db.like(world.user(), content)
    world.add_pause("open_window")
    slow = world.session()
    settle_until_quiet(world, content)
    with world.paused(slow, "open_window", slow.like, world.user(), content) as like:
        # In another slot, so that its settling does not wait for the slow one.
        world.db.like(world.user(), content)
        world.pass_time(seconds=5)
    assert like.result()["changed"]
    assert_exact(world, content, 3)


def test_two_first_likes_of_a_content_at_once_take_two_slots_and_send_one_event(world: World) -> None:
    world.stop_clock()
    world.set_limits(max_slots=10_000)  # a session's slot follows from its number: with few, two may share one
    content = world.post()
    with world.session().open_transaction() as one, world.session().open_transaction() as two:
        answers = [one.like(world.user(), content), two.like(world.user(), content)]
    assert len(world.slots(content)) == 2
    assert len(world.messages(content.topic)) == 1
    assert [a["total_likes"] for a in answers] == [1, 1]
    assert all(a["wake_after_ms"] is not None for a in answers)
    assert_exact(world, content, 2)


def test_of_two_settlers_the_second_finds_nothing_left_to_send(world: World, busy: tuple[Content, UUID]) -> None:
    content, liker = busy
    world.add_pause("copy_counts")
    late = world.session()
    with world.paused(settler := world.session(), "copy_counts", settler.settle, content):
        world.session().like(liker, content)
        second = late.background(late.settle, content)
        world.waits_for_lock(late)
    [result] = second.result()
    # The window that the first opened is not over: what came since is gathered, not sent at once.
    assert (result["outcome"], result["events"]) == ("waiting", 0)
    assert result["wake_after_ms"] == 1000
    assert_exact(world, content, 3)


def test_a_failed_content_is_not_tried_at_once_by_a_settler_who_waited_for_it(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, _ = busy
    world.db.run(
        """
        create or replace function likes.copy_counts(content_type text, content_ids uuid[], totals bigint[])
        returns uuid[] language plpgsql as $$ begin raise exception 'the host is broken'; end $$"""
    )
    world.add_pause("copy_counts")
    late = world.session()
    with world.paused(settler := world.session(), "copy_counts", settler.settle, content):
        second = late.background(late.settle, content)
        world.waits_for_lock(late)
    assert second.result()[0]["outcome"] == "failed"
    assert world.activity(content)["failures"] == 1


def test_settling_waits_for_an_author_who_marks_as_read_and_starts_a_new_notification(
    world: World, busy: tuple[Content, UUID]
) -> None:
    content, liker = busy
    world.db.settle(content)
    world.db.like(liker, content)
    world.pass_time(seconds=1)
    settler = world.session()
    with world.session().open_transaction() as other:
        other.read_notifications(content.author)
        settling = settler.background(settler.settle, content)
        world.waits_for_lock(settler)
    assert settling.result()[0]["notifications"] == 1
    assert liker_counts(world, content.author) == [1, 2]
    assert [m.event for m in world.messages(f"user:{content.author}")][-1] == "notification:new"
    assert_exact(world, content, 3)


def test_marking_as_read_waits_for_settling_and_covers_what_it_wrote(world: World, busy: tuple[Content, UUID]) -> None:
    content, liker = busy
    world.db.settle(content)
    world.db.like(liker, content)
    world.pass_time(seconds=1)
    world.add_pause("copy_counts")
    reader = world.session()
    with world.paused(settler := world.session(), "copy_counts", settler.settle, content):
        reading = reader.background(reader.read_notifications, content.author)
        world.waits_for_lock(reader)
    assert reading.result() == {"marked": 1, "unread_count": 0}
    assert liker_counts(world, content.author) == [3]
    assert_exact(world, content, 3)


def test_settling_and_marking_as_read_of_several_contents_take_their_locks_in_one_order(world: World) -> None:
    world.stop_clock()
    author = world.user()
    contents = world.posts(4, author)
    for content in reversed(contents):
        world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    world.db.settle(*contents)
    for content in contents:
        world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    with world.session().open_transaction() as holder:
        holder.run("select from likes.notifications n where n.content_id = %s for update", contents[1].id)
        sessions = [world.session(), world.session()]
        settling = sessions[0].background(sessions[0].settle, *contents)
        reading = sessions[1].background(sessions[1].read_notifications, author)
        for session in sessions:
            world.waits_for_lock(session)
    assert {result["outcome"] for result in settling.result()} == {"settled"}
    # Who comes first is open: what settling has changed by then is read, the rest starts a notification anew.
    assert reading.result()["marked"] == 4
    assert world.deadlocks() == 0


def test_a_repeat_by_the_same_user_waits_for_the_first_and_changes_nothing(world: World) -> None:
    content, liker = world.post(), world.user()
    repeat = world.session()
    with world.session().open_transaction() as first:
        first.like(liker, content, liked=True, intent=1000)
        second = repeat.background(repeat.like, liker, content, liked=True, intent=1000)
        world.waits_for_lock(repeat)
    assert (second.result()["changed"], second.result()["liked"]) == (False, True)
    assert world.total(content) == 1


def test_likes_of_a_content_whose_slots_are_all_taken_wait_and_are_counted(world: World) -> None:
    world.set_limits(max_slots=1)
    content = world.post()
    late: Session = world.session()
    with world.session().open_transaction() as first:
        first.like(world.user(), content)
        second = late.background(late.like, world.user(), content)
        world.waits_for_lock(late)
    assert second.result()["total_likes"] == 2
    assert world.slots(content) == [(0, 2, True)]
