"""A deployment's migration is applied while people like: no like fails (C2).

A crowd of users goes by the functions, and more likes than a crowd makes go straight to PostgREST.
"""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

import httpx
import psycopg

from tests.operations.project import Project
from tests.operations.releases import LOCK_TIMEOUT
from tests.stack import ROOT, Stack

CROWD = 6
HAMMERS = 2
PATIENCE = 60.0


@dataclass
class Load:
    """What became of the likes."""

    milliseconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def passes(self, more: int) -> None:
        """Return as soon as so many more likes have been made."""
        goal, end = len(self.milliseconds) + more, time.monotonic() + PATIENCE
        while len(self.milliseconds) < goal and not self.failures:
            assert time.monotonic() < end, "likes have come to a standstill"
            time.sleep(0.01)


def test_no_like_fails_while_a_migration_is_applied(project: Project) -> None:
    stack, release = project.stack, project.release
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        # a hammer likes faster than people may
        connection.execute("update likes.settings set rate_burst = 1000000, rate_per_minute = 60000000")
        connection.execute("delete from likes.rate_limits")  # of whoever has used up the slower rate
        release.advance(connection)
        with crowd(project) as people, hammered(stack, connection) as load:
            load.passes(50)
            assert_a_migration_that_would_have_to_wait_gives_up(project, connection, load)
            begun = len(load.milliseconds)
            release.push_patiently(stack.db_url)
            during = len(load.milliseconds) - begun
            load.passes(100)
            assert people.poll() is None, "the crowd has gone"
        assert load.failures == []
        assert during > 0
        assert release.is_in(connection)
        slowest = max(load.milliseconds)
        print(f"\n  {len(load.milliseconds)} likes, the slowest {slowest:.0f} ms; {during} during the push")
        assert_settled_and_exact(connection)


def assert_a_migration_that_would_have_to_wait_gives_up(
    project: Project, connection: psycopg.Connection, load: Load
) -> None:
    """Somebody has forgotten to end a transaction: without lock_timeout, all likes would stand behind the migration."""
    with psycopg.connect(project.stack.db_url) as forgotten:
        forgotten.execute("select count(*) from likes.content_likes")
        done, told = project.release.push(project.stack.db_url)
        assert not done
        assert LOCK_TIMEOUT in told
    assert not project.release.is_in(connection)
    load.passes(30)
    assert load.failures == []


@contextmanager
def crowd(project: Project) -> Iterator["subprocess.Popen[str]"]:
    """People who like by the functions, for the block. None of them may see an error."""
    command = [sys.executable, "-m", "local.crowd", "--stack", str(project.describe()), "-n", str(CROWD)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "likes/s" in line and not line.lstrip().startswith("0.0"):
                break
        yield process
    finally:
        process.terminate()
        lines += process.stdout.readlines()
        process.wait(20)
    # a line a second; what went wrong in particular is in the log of the functions
    assert lines[-1].rstrip().endswith(" 0 errors"), "".join(lines)


@contextmanager
def hammered(stack: Stack, connection: psycopg.Connection) -> Iterator[Load]:
    """Likes one after another by several callers of PostgREST, for the block."""
    pairs = connection.execute("""
        select u.id::text, p.id::text from (select id from public.users where privacy_level = 'public' limit 20) u
        cross join (select id from public.posts order by likes_count desc limit 10) p
        where likes.can_view(u.id, 'post', p.id)""").fetchall()
    load, stop = Load(), Event()
    with ThreadPoolExecutor(HAMMERS) as pool:
        work: list[Future[None]] = [pool.submit(_hammer, stack, pairs[n::HAMMERS], load, stop) for n in range(HAMMERS)]
        try:
            yield load
        finally:
            stop.set()
    for each in work:
        each.result()


def _hammer(stack: Stack, pairs: list[tuple[str, str]], load: Load, stop: Event) -> None:
    headers = {"apikey": stack.secret_key}
    with httpx.Client(base_url=f"{stack.url}/rest/v1/rpc/", headers=headers, timeout=30) as http:
        for user, post in itertools.cycle(pairs):
            if stop.is_set():
                return
            begun = time.monotonic()
            answer = http.post("toggle_like", json={"user_id": user, "content_type": "post", "content_id": post})
            if answer.status_code != httpx.codes.OK or not answer.json()["changed"]:
                load.failures.append(answer.text)
            load.milliseconds.append((time.monotonic() - begun) * 1000)


def assert_settled_and_exact(connection: psycopg.Connection) -> None:
    end = time.monotonic() + PATIENCE
    while value(connection, "select count(*) from likes.changes"):
        assert time.monotonic() < end, "the drain has stopped"
        time.sleep(0.1)
    assert value(connection, "select count(*) from monitoring.drift") == 0
    assert value(connection, "select count(*) from likes.activity where failures > 0") == 0


def value(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
