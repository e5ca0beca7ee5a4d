"""The database goes away in the middle, and one content that it cannot settle (A13, C1, D5)."""

import threading
import time
from collections.abc import Callable
from typing import LiteralString

import psycopg

from tests.fault.scene import Scene
from tests.integration.engine.session import Content


def test_a_database_restart_in_the_middle_loses_nothing(scene: Scene, reopened: Callable[[], Scene]) -> None:
    """It crashes inside a settling, while people like; these repeat their wish until it is taken."""
    post = scene.post()
    likers = scene.crowd(post)
    late = scene.users(4)
    blocker = scene.session()
    blocker.run("begin")
    blocker.run("select from likes.counters where content_id = %s for update", post.id)
    scene.system.start_drain()
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'settle_likes'"
    scene.await_(lambda: scene.db.value(waiting) > 0, 20)
    taps = [threading.Thread(target=scene.tap_until_taken, args=(person, post)) for person in late]
    for tap in taps:
        tap.start()
    begun = time.monotonic()
    scene.system.crash_database()
    scene.system.start_database()
    for tap in taps:
        tap.join()
    after = reopened()
    after.heal("database crashed inside a settling", {post: likers + late}, within=40, since=begun)


def test_a_content_that_cannot_be_settled_holds_nobody_up(scene: Scene) -> None:
    """It alone backs off, and is told once its host lets it; what was done of it before the failure is undone."""
    good, bad = scene.posts(3), scene.post()
    dead = scene.system.dead_messages()
    break_host(scene, bad)
    scene.system.start_drain()
    begun = time.monotonic()
    bad_likers = scene.crowd(bad)
    likers = {post: scene.crowd(post) for post in good}
    scene.heal("beside a content that always fails: the others", likers, within=6, since=begun, alone=False)
    scene.await_(lambda: scene.activity(bad)["failures"] >= 2, 20)
    assert "broken host" in scene.activity(bad)["last_error"]
    assert scene.notices(bad) == []
    assert scene.activity(bad)["announced_total"] <= 1, "at most the first like told itself"
    mended = time.monotonic()
    scene.db.run("drop trigger broken_host on public.posts")
    scene.heal("a content that failed, from its mending on", likers | {bad: bad_likers}, within=20, since=mended)
    assert scene.system.dead_messages() == dead


def break_host(scene: Scene, content: Content) -> None:
    """From now on the host refuses to take this content's count."""
    scene.db.run(
        """
        create or replace function public.broken_host() returns trigger language plpgsql as
        $$ begin raise exception 'broken host'; end $$"""
    )
    condition: LiteralString = "create trigger broken_host before update of likes_count on public.posts for each row "
    when = psycopg.sql.SQL("when (old.id = {}) execute function public.broken_host()").format(str(content.id))
    scene.db.connection.execute(psycopg.sql.SQL(condition) + when)
