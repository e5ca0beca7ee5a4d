"""A crowd on the whole system: nothing fails, and afterwards every figure is right (A12, C1)."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg

from tests.stack import ROOT, StackProcess

SECONDS = 20

DRIFT = "select count(*) from monitoring.drift"
UNTOLD = """
select count(*) from likes.likeable c
where exists (
  select from likes.content_likes l
  where l.content_type = c.content_type and l.content_id = c.content_id and l.liked and l.user_id <> c.author_id)
and not exists (
  select from likes.notifications n
  where n.user_id = c.author_id and n.content_type = c.content_type and n.content_id = c.content_id)
"""
ANNOUNCED_WRONG = """
select count(*) from likes.activity a
where a.announced_total <> (
  select sum(c.likes) from likes.counters c where c.content_type = a.content_type and c.content_id = a.content_id)
"""
COPIED_WRONG = """
select count(*) from posts p join likes.activity a on a.content_id = p.id where a.announced_total <> p.likes_count
"""


def test_a_crowd_leaves_exact_counts_and_told_authors(tmp_path: Path) -> None:
    # A stack of its own: other tests mute authors and block people.
    with StackProcess(tmp_path / "state") as process:
        stack = process.wait_until_ready()
        run_crowd(stack.folder / "stack.json")
        with psycopg.connect(stack.db_url, autocommit=True) as connection:
            wait_until_settled(connection)
            for nothing in (DRIFT, UNTOLD, ANNOUNCED_WRONG, COPIED_WRONG):
                assert value(connection, nothing) == 0, nothing


def run_crowd(stack: Path) -> None:
    arguments = ("--stack", str(stack), "-n", "20", "--seconds", str(SECONDS))
    crowd = subprocess.run(
        [sys.executable, "-m", "local.crowd", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 120,
    )
    print(crowd.stdout)
    assert crowd.returncode == 0, crowd.stdout + crowd.stderr


def wait_until_settled(connection: psycopg.Connection) -> None:
    """The drain needs a window and a round; give it a minute."""
    deadline = time.monotonic() + 60
    while left := value(connection, "select count(*) from likes.changes"):
        assert time.monotonic() < deadline, f"{left} likes are not settled"
        time.sleep(0.2)


def value(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
