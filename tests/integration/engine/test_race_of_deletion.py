"""Users and contents go while their likes are being made and settled: nothing deadlocks, nothing is left behind."""

from uuid import UUID

import psycopg
import pytest

from tests.integration.engine.invariants import wrong
from tests.integration.engine.session import Content, Session
from tests.integration.engine.world import World


def delete_user(session: Session, user: UUID) -> None:
    session.run("delete from auth.users where id = %s", user)


def slots(world: World, content: Content) -> list[int]:
    return [likes for (likes,) in world.db.rows("select likes from likes.counters where content_id = %s", content.id)]


def sweep_until_quiet(world: World) -> None:
    for _ in range(10):
        world.pass_time(seconds=5)
        if not world.db.sweep():
            return
    raise AssertionError("it never gets quiet")


@pytest.fixture
def liked(world: World) -> tuple[Content, list[UUID]]:
    """A post that three have liked, settled and quiet."""
    world.stop_clock()
    content, likers = world.post(), world.users(3)
    for liker in likers:
        world.db.like(liker, content)
    for _ in range(3):
        world.pass_time(seconds=2)
        world.db.settle(content)
    return content, likers


def test_likes_go_with_their_user_and_shrink_count_and_notification(
    world: World, liked: tuple[Content, list[UUID]]
) -> None:
    content, likers = liked
    delete_user(world.db, likers[0])
    assert world.db.like(world.user(), content)["total_likes"] == 3
    sweep_until_quiet(world)
    assert world.activity(content)["announced_total"] == world.total(content) == 3
    [notification] = world.db.notifications(content.author)["notifications"]
    assert notification["data"]["likerCount"] == 3
    assert str(likers[0]) not in notification["data"]["likerIds"]
    assert world.db.reconcile()["repaired"] == 0


def test_the_slots_of_departed_likes_are_folded_although_the_content_stays_busy(
    world: World, liked: tuple[Content, list[UUID]]
) -> None:
    content, likers = liked
    world.set_limits(max_slots=2)
    for liker in likers:
        delete_user(world.db, liker)
    world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    assert len(slots(world, content)) > 2
    world.db.settle(content)
    assert slots(world, content) == [1]
    assert world.activity(content)["announced_total"] == world.total(content) == 1
    sweep_until_quiet(world)
    assert wrong(world.db) == {}


def test_a_like_taken_back_leaves_the_notification_although_its_user_goes_before_it_is_settled(
    world: World, liked: tuple[Content, list[UUID]]
) -> None:
    content, likers = liked
    world.db.like(likers[0], content, liked=False)
    delete_user(world.db, likers[0])
    sweep_until_quiet(world)
    [notification] = world.db.notifications(content.author)["notifications"]
    assert notification["data"]["likerCount"] == world.total(content) == 2


def test_deleting_a_user_waits_for_no_settling(world: World, liked: tuple[Content, list[UUID]]) -> None:
    content, likers = liked
    world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    world.add_pause("lock_contents", after=True)
    settler = world.session()
    with world.paused(settler, "lock_contents", settler.settle, content):
        delete_user(world.session(), likers[0])
    sweep_until_quiet(world)
    assert world.activity(content)["announced_total"] == world.total(content) == 3


def test_settling_waits_for_no_deletion_of_a_user(world: World, liked: tuple[Content, list[UUID]]) -> None:
    content, likers = liked
    world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    with world.session().open_transaction() as deletion:
        delete_user(deletion, likers[0])
        [result] = world.db.settle(content)
        assert result["outcome"] == "settled"
    sweep_until_quiet(world)
    assert world.activity(content)["announced_total"] == world.total(content) == 3


def test_an_author_may_go_while_the_own_contents_are_settled(world: World) -> None:
    world.stop_clock()
    author = world.user()
    contents = world.posts(4, author)
    for content in reversed(contents):  # made in another order than settling takes them
        world.db.like(world.user(), content)
        world.db.like(author, content)
    world.pass_time(seconds=1)
    world.db.settle(*contents)
    for content in contents:
        world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    world.add_pause("copy_counts")
    settler, deletion = world.session(), world.session()
    with world.paused(settler, "copy_counts", settler.settle, *contents) as settling:
        delete_user(deletion, author)
    assert {r["outcome"] for r in settling.result()} == {"settled"}
    sweep_until_quiet(world)
    assert world.db.value("select count(*) from likes.counters") == 0
    assert world.db.value("select count(*) from likes.notifications") == 0
    assert world.deadlocks() == 0


def test_two_users_who_like_the_same_contents_go_at_once(world: World) -> None:
    world.set_limits(max_slots=1)
    world.stop_clock()
    contents = world.posts(2)
    one, two = world.users(2)
    for user, order in ((one, contents), (two, contents[::-1])):
        for content in order:
            world.db.like(user, content)
    with world.session().open_transaction() as first, world.session().open_transaction() as second:
        delete_user(first, one)
        delete_user(second, two)
    sweep_until_quiet(world)
    assert [world.total(content) for content in contents] == [0, 0]


def test_a_like_waits_for_the_deletion_of_its_user_and_is_refused(world: World) -> None:
    content, liker = world.post(), world.user()
    late = world.session()
    with world.session().open_transaction() as deletion:
        delete_user(deletion, liker)
        like = late.background(late.like, liker, content)
        world.waits_for_lock(late)
    assert isinstance(like.exception(), psycopg.errors.ForeignKeyViolation)
    assert world.db.value("select count(*) from likes.content_likes") == 0


def test_deleted_content_is_forgotten_with_its_notifications(world: World, liked: tuple[Content, list[UUID]]) -> None:
    content, _ = liked
    [notification] = world.db.notifications(content.author)["notifications"]
    world.delete(content)
    sweep_until_quiet(world)
    for table in ("content_likes", "changes", "counters", "activity", "notifications", "departures", "rooms"):
        assert world.db.connection.execute(f"select count(*) from likes.{table}".encode()).fetchone() == (0,), table
    last = world.messages(f"user:{content.author}")[-1]
    assert (last.event, last.payload["id"]) == ("notification:removed", notification["id"])


def test_a_settler_who_waits_while_another_forgets_the_content_is_answered(
    world: World, liked: tuple[Content, list[UUID]]
) -> None:
    content, _ = liked
    world.delete(content)
    late = world.session()
    with world.session().open_transaction() as first:
        assert first.settle(content)[0]["notifications"] == 1
        second = late.background(late.settle, content)
        world.waits_for_lock(late)
    [result] = second.result()
    assert (result["outcome"], result["notifications"]) == ("settled", 0)


def test_settlers_who_know_different_slots_do_not_wait_for_each_other_crosswise(world: World) -> None:
    world.stop_clock()
    content = world.post()
    world.db.like(world.user(), content)
    # The slot that one settling has locked comes after the one that is made meanwhile.
    world.db.run("update likes.counters set slot = 5")
    world.delete(content)
    world.pass_time(seconds=5)
    world.add_pause("forget_content")
    one, two = world.session(), world.session()
    with world.paused(one, "forget_content", one.settle, content) as first:
        world.db.run("insert into likes.counters (content_type, content_id, slot) values ('post', %s, 1)", content.id)
        second = two.background(two.settle, content)
        world.waits_for_lock(two)
    assert [first.result()[0]["outcome"], second.result()[0]["outcome"]] == ["settled", "waiting"]
    sweep_until_quiet(world)
    assert world.db.value("select count(*) from likes.counters") == 0
    assert world.deadlocks() == 0


def test_deleting_contents_waits_for_no_settling(world: World) -> None:
    world.stop_clock()
    author = world.user()
    contents = world.posts(3, author)
    for content in reversed(contents):
        world.db.like(world.user(), content)
    world.pass_time(seconds=1)
    world.add_pause("lock_contents", after=True)
    settler = world.session()
    with world.paused(settler, "lock_contents", settler.settle, *contents):
        world.session().run("delete from public.posts where user_id = %s", author)
    sweep_until_quiet(world)
    assert world.db.value("select count(*) from likes.counters") == 0


def test_a_like_in_flight_when_its_content_is_forgotten_leaves_nothing_behind(
    world: World, liked: tuple[Content, list[UUID]]
) -> None:
    world.set_limits(max_slots=1)
    content, likers = liked
    world.add_pause("add_to_counter")
    other = world.session()
    with world.paused(other, "add_to_counter", other.like, likers[0], content, False) as unlike:
        world.delete(content)
        world.pass_time(seconds=5)
        # It holds its like and will want the one slot: settling must not wait for it.
        [result] = world.db.sweep()
        assert (result["outcome"], result["wake_after_ms"]) == ("settled", 1000)
    assert unlike.result()["changed"]
    sweep_until_quiet(world)
    assert world.db.value("select count(*) from likes.content_likes") == 0
    assert world.db.value("select count(*) from likes.counters") == 0
    assert world.deadlocks() == 0


def test_a_first_like_in_flight_when_its_content_is_forgotten_is_forgotten_too(world: World) -> None:
    world.stop_clock()
    content = world.post()
    other = world.session()
    with other.open_transaction():
        with world.session().open_transaction() as first:
            first.like(world.user(), content)
            # In a slot of its own, which settling cannot see.
            other.like(world.user(), content)
        world.delete(content)
        world.pass_time(seconds=5)
        settler = world.session()
        assert settler.sweep()[0]["outcome"] == "settled"
    sweep_until_quiet(world)
    assert world.db.value("select count(*) from likes.content_likes") == 0


def test_forgetting_takes_back_many_notifications_some_at_a_time(
    world: World, liked: tuple[Content, list[UUID]]
) -> None:
    content, _ = liked
    world.db.run(
        """
        insert into likes.notifications (
          user_id, content_type, content_id, is_open, read_at, liker_count, created_at, updated_at)
        select %s, 'post', %s, false, now(), 1, now(), now() from generate_series(1, 50)""",
        *(content.author, content.id),
    )
    world.delete(content)
    rounds = []
    for _ in range(4):
        world.pass_time(seconds=5)
        rounds += [r["notifications"] for r in world.db.sweep()]
    assert rounds == [20, 20, 11]
    assert world.db.value("select count(*) from likes.activity") == 0
