"""Supabase's own tool installs and upgrades the database, and an upgrade keeps all that is in it (C2)."""

from typing import Any, LiteralString

import httpx
import psycopg

from tests.operations.project import Project
from tests.stack import Stack

# What a user would miss. Columns by name, since an upgrade adds some.
_KEPT: dict[str, LiteralString] = {
    "likes": """
        select content_type, content_id, user_id, liked, intent, changed_at, notification_id from likes.content_likes
        order by content_type, content_id, user_id""",
    "counts": "select content_type, content_id, sum(likes) from likes.counters group by 1, 2 order by 1, 2",
    "announced": """
        select content_type, content_id, announced_total, announced_version from likes.activity order by 1, 2""",
    "notifications": """
        select id, user_id, content_id, liker_ids, liker_count, total_likes, read_at, created_at
        from likes.notifications order by id""",
    "counts of the host": "select id, likes_count from public.posts order by id",
    "settings": "select window_ms, messages_per_second, rate_burst from likes.settings",
}


def test_a_release_is_installed_once(project: Project) -> None:
    assert "up to date" in project.release.push_patiently(project.stack.db_url)
    with psycopg.connect(project.stack.db_url) as connection:
        assert history(connection) == project.release.versions


def test_an_upgrade_keeps_likes_counts_notifications_and_settings(project: Project) -> None:
    stack, release = project.stack, project.release
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        live_a_little(connection)
        before = kept(connection)
        assert min(len(rows) for rows in before.values()) > 0
        release.advance(connection)
        assert "Finished" in release.push_patiently(stack.db_url)
        assert history(connection) == release.versions
        assert release.is_in(connection)
        assert kept(connection) == before
        assert_the_functions_of_the_release_before_work(stack, connection)
        assert connection.execute("select count(*) from monitoring.drift").fetchone() == (0,)


def live_a_little(connection: psycopg.Connection) -> None:
    """Likes of which authors were told, likes taken back, and a setting that an operator has changed."""
    like = """
        select public.toggle_like(u.id, 'post', p.id, liked => %s) from public.users u
        cross join (select id, user_id from public.posts order by id limit 5) p
        where u.username = any (%s) and likes.can_view(u.id, 'post', p.id) and u.id <> p.user_id"""
    connection.execute(like, [True, ["alice", "bob", "carol"]])
    connection.execute(like, [False, ["bob"]])
    connection.execute("update likes.settings set rate_burst = 77")
    settle(connection)


def settle(connection: psycopg.Connection) -> None:
    """Until nothing is left that a drain beside us would change while we compare."""
    while connection.execute("select from likes.counters where dirty limit 1").rowcount:
        connection.execute("update likes.activity set settle_due_at = '-infinity', window_ends_at = '-infinity'")
        connection.execute("select public.settle_likes(public.unsettled_likes(50))")
    connection.execute("update likes.activity set settle_due_at = null")


def assert_the_functions_of_the_release_before_work(stack: Stack, connection: psycopg.Connection) -> None:
    with httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=30) as http:
        account = {"email": "alice@example.com", "password": "password123"}
        session = http.post("/auth/v1/token?grant_type=password", json=account).json()
        others = "select id::text from public.posts where user_id <> %s and likes.can_view(%s, 'post', id) limit 1"
        (post,) = connection.execute(others, [session["user"]["id"]] * 2).fetchone() or ()
        token = {"authorization": f"Bearer {session['access_token']}"}
        for liked in (True, False, True):
            body = {"content_type": "post", "content_id": post, "liked": liked}
            answer = http.post("/functions/v1/likes", json=body, headers=token)
            assert answer.status_code == 200, answer.text
            assert answer.json()["liked"] is liked


def kept(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: connection.execute(query).fetchall() for name, query in _KEPT.items()}


def history(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute("select version from supabase_migrations.schema_migrations order by 1").fetchall()
    return [row[0] for row in rows]
