"""Releases of the database, pushed by Supabase's own tool: this one, and next ones as they typically look."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import psycopg

from tests.stack import ROOT

LOCK_TIMEOUT: Final = "canceling statement due to lock timeout"

# A typical expanding step, on the hottest table and on one that every call reads. A migration each: one that changed
# both would hold the first while it waits for the second, and a like may hold them the other way round.
_EXPAND: Final = {
    "likes": """
set lock_timeout = '500ms';
alter table likes.content_likes add column source_{n} text not null default 'app';
alter table likes.content_likes add constraint source_{n}_known check (source_{n} in ('app', 'import')) not valid;
create index content_likes_source_{n}_idx on likes.content_likes (content_type) where source_{n} <> 'app';
create table likes.release_{n} (content_type text, content_id uuid, note text, primary key (content_type, content_id));
alter table likes.release_{n} enable row level security;
""",
    "settings": """
set lock_timeout = '500ms';
alter table likes.settings add column window_ms_{n} integer not null default 1000;
""",
}
# What is called most, by likes and by the drain.
_HOT: Final = ("public.toggle_like", "public.settle_likes", "likes.settle", "likes.can_view")
_ATTEMPTS: Final = 10


class Release:
    """A supabase folder of its own, to which next releases add their migrations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._migrations = folder / "supabase" / "migrations"
        self._number = 0
        shutil.copytree(ROOT / "supabase", folder / "supabase")

    @property
    def versions(self) -> list[str]:
        """Of all migrations in it."""
        return sorted(file.stem.partition("_")[0] for file in self._migrations.glob("*.sql"))

    def advance(self, connection: psycopg.Connection) -> None:
        """Become the next release: columns, a table, an index, and hot functions replaced by others of equal effect."""
        self._number += 1
        for order, (name, text) in enumerate(_EXPAND.items()):
            self._add(order, name, text.format(n=self._number))
        self._add(len(_EXPAND), "functions", "".join(self._replaced(connection, name) for name in _HOT))

    def is_in(self, connection: psycopg.Connection) -> bool:
        """Whether the hot functions are those of this release: all of them, or else none."""
        row = connection.execute("select count(*) from pg_proc where prosrc like %s", [f"%{self._mark}%"]).fetchone()
        assert row in {(0,), (len(_HOT),)}
        return row != (0,)

    def push(self, url: str, *options: str) -> tuple[bool, str]:
        """`supabase db push`: whether it succeeded, and what it told."""
        tool = str(ROOT / "node_modules" / ".bin" / "supabase")
        command = [tool, "db", "push", "--remote", url, "--yes", "--workdir", str(self.folder), *options]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        return done.returncode == 0, done.stdout + done.stderr

    def push_patiently(self, url: str, *options: str) -> str:
        """Push until all is applied, as an operator does whose migration had to give way. Returns what it told."""
        for _ in range(_ATTEMPTS):
            done, told = self.push(url, *options)
            if done:
                return told
            assert LOCK_TIMEOUT in told, told
        raise AssertionError("the migration always had to give way")

    @property
    def _mark(self) -> str:
        return f"-- as of release {self._number}"

    def _add(self, order: int, name: str, text: str) -> None:
        (self._migrations / f"2099{self._number:04}{order:06}_{name}.sql").write_text(text)

    def _replaced(self, connection: psycopg.Connection, name: str) -> str:
        row = connection.execute("select pg_get_functiondef(%s::regproc)", [name]).fetchone()
        assert row is not None
        body, quote, rest = str(row[0]).rpartition("$function$")
        return f"{body}\n{self._mark}\n{quote}{rest};\n"
