"""The migrations apply with Supabase's own command-line tool, and apply once (C2)."""

import subprocess
from pathlib import Path

import psycopg

from tests.stack import ROOT, StackProcess


def test_the_official_tool_applies_the_migrations_once(tmp_path: Path) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    empty = ("--supabase", str(tmp_path / "supabase"))
    names = sorted(file.stem.partition("_")[0] for file in (ROOT / "supabase" / "migrations").glob("*.sql"))
    with StackProcess(tmp_path / "state", empty) as process:
        url = process.wait_until_ready().db_url
        assert "Finished" in push(url)
        with psycopg.connect(url) as connection:
            applied = connection.execute(
                "select version from supabase_migrations.schema_migrations order by 1"
            ).fetchall()
            assert [row[0] for row in applied] == names
            likes = connection.execute("select count(*) from likes.settings").fetchone()
            assert likes == (1,)
        assert "up to date" in push(url)


def push(url: str) -> str:
    command = [str(ROOT / "node_modules" / ".bin" / "supabase"), "db", "push", "--remote", url, "--yes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
