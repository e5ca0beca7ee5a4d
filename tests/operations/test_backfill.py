"""Existing likes come into the engine exactly once, whatever happens meanwhile, and nobody is told of old news."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from uuid import UUID, uuid4

import pytest

from backfill.__main__ import main
from tests.integration.engine.session import Content, Session
from tests.integration.engine.world import World
from tests.stack import ROOT

QUERY = "select 'post' as content_type, post_id as content_id, user_id, created_at from public.old_likes"
ENDED_BY = {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}


class OldLikes:
    """An application with posts, people and a table of likes of its own."""

    def __init__(self, world: World, posts: int, people: int) -> None:
        self.world = world
        self.people = world.users(people)
        self.posts = world.posts(posts, author=world.user())
        world.db.run("create table public.old_likes (post_id uuid, user_id uuid, created_at timestamptz)")

    def add(self, content: Content, user: UUID, age: str | None = "30 days") -> None:
        self.world.db.run("insert into public.old_likes values (%s, %s, now() - %s::interval)", content.id, user, age)

    def add_all(self) -> int:
        """Everybody likes everything. Returns how many likes that makes."""
        for content in self.posts:
            for user in self.people:
                self.add(content, user)
        return len(self.posts) * len(self.people)

    @property
    def url(self) -> str:
        info = self.world.db.connection.info
        return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"

    def backfill(self, *arguments: str) -> int:
        return main(["--db-url", self.url, "--query", QUERY, *arguments])

    def assert_exact(self) -> None:
        """Counter = likes = announced = the host's count, nothing is left to do, nothing was sent."""
        for content in self.posts:
            liked = self.world.db.value(
                "select count(*) from likes.content_likes where content_id = %s and liked", content.id
            )
            copied = self.world.db.value("select likes_count from public.posts where id = %s", content.id)
            assert self.world.total(content) == liked == copied
            if liked:
                assert self.world.activity(content)["announced_total"] == liked
        assert self.world.db.value("select count(*) from monitoring.drift") == 0
        assert self.world.db.value("select public.unsettled_likes()") == []

    def assert_silent(self) -> None:
        assert self.world.db.value("select count(*) from realtime.messages") == 0
        assert self.world.db.value("select count(*) from likes.notifications") == 0


@pytest.fixture
def old(world: World) -> OldLikes:
    return OldLikes(world, posts=4, people=6)


def test_old_likes_are_counted_listed_and_told_to_nobody(old: OldLikes, capsys: pytest.CaptureFixture[str]) -> None:
    expected = old.add_all()
    assert old.backfill("--batch", "5") == 0
    assert f"= {expected} counted; 0 lost, drift 0" in capsys.readouterr().out
    old.assert_exact()
    old.assert_silent()
    content = old.posts[0]
    likers = old.world.db.value("select public.get_content_likers('post', %s)", content.id)
    assert {UUID(liker["id"]) for liker in likers["likers"]} == set(old.people)
    # the drain finds nothing to announce or to tell, then or later
    old.world.db.run("select public.settle_likes(jsonb_build_array(%s::jsonb))", json.dumps(content.item()))
    old.assert_silent()


def test_a_screen_learns_the_count_by_its_next_heartbeat(old: OldLikes) -> None:
    content, viewer = old.posts[0], uuid4()
    old.add_all()
    ask = "select public.sync_viewing(%s, jsonb_build_array(%s::jsonb))"
    knows = f'{{"content_type": "post", "content_id": "{content.id}", "version": 0, "viewers": 1, "liked": false}}'
    assert old.backfill() == 0
    (item,) = old.world.db.value(ask, viewer, knows)["items"]
    assert item["total_likes"] == len(old.people)
    assert item["version"] > 0


def test_a_wish_made_since_is_never_overwritten(old: OldLikes) -> None:
    content = old.posts[0]
    likes_again, has_taken_back, untouched = old.people[:3]
    for user in (likes_again, has_taken_back, untouched):
        old.add(content, user)
    old.world.db.like(likes_again, content, liked=True)
    old.world.db.like(has_taken_back, content, liked=True)
    old.world.db.like(has_taken_back, content, liked=False)
    wishes = "select user_id, liked, intent from likes.content_likes where user_id <> %s order by user_id"
    before = old.world.db.rows(wishes, untouched)
    assert old.backfill() == 0
    assert old.world.db.rows(wishes, untouched) == before
    assert old.world.total(content) == 2
    # a tap on an old like takes it back, and the author hears nothing of it
    old.world.db.like(untouched, content, liked=False)
    settle(old.world)
    assert old.world.total(content) == 1
    told = old.world.db.value("select jsonb_agg(distinct liker_ids) from likes.notifications")
    assert told == [[str(likes_again)]]
    old.assert_exact()


def test_a_second_run_takes_what_is_new_and_brings_back_nothing(old: OldLikes) -> None:
    content, other = old.posts[:2]
    leaves, stays, comes = old.people[:3]
    old.add(content, leaves)
    old.add(content, stays)
    assert old.backfill() == 0
    old.world.db.like(leaves, content, liked=False)
    settle(old.world)
    # days later the engine has forgotten that it was taken back
    old.world.db.run("delete from likes.content_likes where not liked")
    old.add(other, comes)
    assert old.backfill() == 0
    assert (old.world.total(content), old.world.total(other)) == (1, 1)
    assert old.backfill() == 0
    old.assert_exact()


def test_a_dry_run_tells_and_changes_nothing(old: OldLikes, capsys: pytest.CaptureFixture[str]) -> None:
    old.add(old.posts[0], old.people[0])
    old.add(old.posts[0], old.people[0])
    old.add(old.posts[0], uuid4())
    assert old.backfill("--dry-run") == 0
    told = capsys.readouterr().out
    assert "3 rows in the source, 2 different likes." in told
    assert "1 of a user or content that does not exist are left out; 1 would be copied." in told
    assert old.world.db.value("select count(*) from likes.content_likes") == 0
    assert old.world.db.value("select to_regnamespace('likes_backfill') is null")


def test_rows_that_are_odd_do_no_harm(old: OldLikes, capsys: pytest.CaptureFixture[str]) -> None:
    content, user = old.posts[0], old.people[0]
    old.add(content, user, age="2 days")
    old.add(content, user, age="9 days")
    old.add(content, old.people[1], age=None)
    old.add(content, old.people[2], age="-300 days")
    old.add(Content("post", uuid4(), user), user)
    old.add(content, uuid4())
    assert old.backfill() == 0
    assert "5 different likes.\n2 of a user or content that does not exist" in capsys.readouterr().out
    oldest = "select date_trunc('day', now() - changed_at)::text from likes.content_likes where user_id = %s"
    assert old.world.db.value(oldest, user) == "9 days"
    # one that lies in the future would beat every wish that its user makes today
    assert old.world.db.like(old.people[2], content, liked=False)["changed"]
    settle(old.world)
    assert old.world.total(content) == 2
    old.assert_exact()


@pytest.mark.parametrize("how", ENDED_BY)
def test_an_interrupted_run_goes_on_where_it_stopped(old: OldLikes, how: signal.Signals) -> None:
    expected = old.add_all()
    last = old.posts[-1]
    # its counter is held, so the run stands before the last batches
    old.world.db.like(old.people[0], last, liked=True)
    with holding(old.world, last), running(old, "--batch", "6") as process:
        old.world.eventually(lambda: waits(old.world))
        process.send_signal(how)
        assert process.wait(20) == ENDED_BY[how]
        copied = old.world.db.value("select count(*) from likes.content_likes") - 1
        assert 0 < copied < expected - 1
        assert old.world.db.value("select count(*) from monitoring.drift") == 0
    old.world.eventually(lambda: not old.world.db.value(AT_WORK))
    assert old.backfill("--batch", "6") == 0
    assert old.world.db.value("select count(*) from likes.content_likes where liked") == expected
    settle(old.world)
    old.assert_exact()


def test_a_busy_host_row_is_copied_by_the_sweep(old: OldLikes) -> None:
    content = old.posts[0]
    old.add(content, old.people[0])
    host = old.world.session()
    with host.open_transaction():
        host.run("update public.posts set content = 'edited' where id = %s", content.id)
        assert old.backfill() == 0
    assert old.world.db.value("select likes_count from public.posts where id = %s", content.id) == 0
    assert [item["content_id"] for item in old.world.db.value("select public.unsettled_likes()")] == [str(content.id)]
    settle(old.world)
    old.assert_exact()
    old.assert_silent()


def test_counts_stay_exact_while_people_like_and_the_drain_settles(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    old = OldLikes(world, posts=5, people=30)
    old.add_all()
    stop = Event()
    done: Counter[object] = Counter()

    def tap(user: UUID, session: Session) -> None:
        while not stop.is_set():
            session.like(user, old.posts[done[user] % len(old.posts)])
            done[user] += 1

    def drain(session: Session) -> None:
        while not stop.is_set():
            session.run("update likes.activity set settle_due_at = '-infinity', window_ends_at = '-infinity'")
            session.run("select public.settle_likes(public.unsettled_likes())")
            done["settled"] += 1

    tappers = [*old.people[:2], *world.users(2)]
    with ThreadPoolExecutor(len(tappers) + 1) as pool:
        work = [pool.submit(tap, user, world.session()) for user in tappers]
        work.append(pool.submit(drain, world.session()))
        try:
            world.eventually(lambda: len(done) == len(work))
            before = done.total()
            status = old.backfill("--batch", "1")
        finally:
            stop.set()
    for each in work:
        each.result()
    assert status == 0, capsys.readouterr()
    assert done.total() > before
    settle(world)
    old.assert_exact()
    assert world.deadlocks() == 0


def test_a_wrong_count_is_found_and_named(old: OldLikes, capsys: pytest.CaptureFixture[str]) -> None:
    content = old.posts[0]
    old.add(content, old.people[0])
    # an update that the engine knows nothing of, as after a bad restore
    old.world.db.run(
        "insert into likes.counters (content_type, content_id, slot, likes) values ('post', %s, 0, 7)", content.id
    )
    assert old.backfill() == 1
    told = capsys.readouterr()
    assert "drift 7" in told.out
    assert f"post:{content.id}" in told.err
    old.world.db.run("select public.reconcile_like_counts()")
    assert old.backfill() == 0


def test_two_at_once_are_refused_and_mistakes_are_told(old: OldLikes, capsys: pytest.CaptureFixture[str]) -> None:
    old.world.db.run("select pg_advisory_lock(hashtextextended('likes.backfill', 0))")
    assert old.backfill() == 2
    assert "another backfill is at work" in capsys.readouterr().err
    old.world.db.run("select pg_advisory_unlock_all()")
    assert main(["--db-url", old.url, "--table", "public.nowhere"]) == 2
    assert 'relation "public.nowhere" does not exist' in capsys.readouterr().err
    assert main(["--db-url", "", "--query", QUERY]) == 2
    assert "SUPABASE_DB_URL" in capsys.readouterr().err


def test_a_table_can_be_the_source_and_the_notes_are_removed_at_the_end(old: OldLikes) -> None:
    old.add(old.posts[0], old.people[0])
    old.world.db.run(f"create view public.likes_of_old as {QUERY}")
    assert main(["--db-url", old.url, "--table", "public.likes_of_old"]) == 0
    assert old.world.total(old.posts[0]) == 1
    assert main(["--db-url", old.url, "--forget"]) == 0
    assert old.world.db.value("select to_regnamespace('likes_backfill') is null")


AT_WORK = """
select exists (
  select from pg_stat_activity where application_name = 'likes backfill' and datname = current_database())"""


def waits(world: World) -> bool:
    return bool(
        world.db.value(
            "select exists (select from pg_stat_activity where application_name = 'likes backfill' "
            "and datname = current_database() and wait_event_type = 'Lock')"
        )
    )


@contextmanager
def holding(world: World, content: Content) -> Iterator[None]:
    """Somebody has the counter of a content for the block, as a settling has."""
    holder = world.session()
    with holder.open_transaction():
        holder.run("select from likes.counters where content_id = %s for update", content.id)
        yield


@contextmanager
def running(old: OldLikes, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The backfill as a process of its own."""
    command = [sys.executable, "-m", "backfill", "--query", QUERY, *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"SUPABASE_DB_URL": old.url}, stdin=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def settle(world: World) -> None:
    """Let time pass and settle until nothing is left."""
    due = "update likes.activity set settle_due_at = null, window_ends_at = '-infinity', retry_at = '-infinity'"
    while True:
        world.db.run(due)
        items = world.db.value("select public.unsettled_likes()")
        if not items:
            return
        world.db.run("select public.settle_likes(public.unsettled_likes())")
