"""A PostgreSQL server of these tests' own, so that they may kill, drop and stop time without harming anybody's stack.

It holds one database with all migrations and no seed, which each test gets a copy of.
"""

import asyncio
import itertools
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from local import database, parts, postgres, processes
from local.postgres import SUPERUSER
from local.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[3]

# Not durable, since only the order of commits matters here. Commit times tell that order; deadlocks show soon.
_OPTIONS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "track_commit_timestamp": "on",
    "deadlock_timeout": "200ms",
}


class Cluster:
    """The running server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._numbers = itertools.count(1)

    def url(self, name: str, role: str = "postgres") -> str:
        """How `role` logs in to a database of it."""
        return self._settings.database_url(role).removesuffix("postgres") + name

    def copy(self) -> str:
        """Make a fresh database; returns its name."""
        name = f"engine_{next(self._numbers)}"
        self._execute(
            f"create database {name} template postgres owner postgres strategy file_copy",
            # Settings of a database do not come with its copy.
            f'alter database {name} set search_path = "$user", public, extensions',
        )
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still in it."""
        self._execute(f"drop database {name} with (force)")

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(self.url("template1", SUPERUSER), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def running() -> Iterator[Cluster]:
    """A server for the length of the block."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="likes-engine-") as temporary:
        settings = Settings(ROOT, Path(temporary, "state"), _without_seed(Path(temporary, "supabase")), port=0)
        settings.folder.mkdir(parents=True)
        server = asyncio.run(postgres.prepare(ROOT, settings.folder / "postgres"))
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        with _process([*server.command(settings.ports.database), *options], settings, int(server.farewell[0][0])):
            asyncio.run(_prepare(settings))
            print(f"\n  the engine's own PostgreSQL is ready after {time.monotonic() - begun:.1f} s")
            yield Cluster(settings)


async def _prepare(settings: Settings) -> None:
    await asyncio.wait_for(database.accepts_connections(settings), 30)
    await database.prepare_roles(settings)
    auth = parts.auth(settings)
    # Its tables are what we are after: it makes them as it starts.
    with _process(auth.argv, settings, environment=dict(auth.environment)):
        await asyncio.wait_for(auth.ready(), 30)
    await database.prepare_schema(settings)


@contextmanager
def _process(
    argv: Sequence[str], settings: Settings, farewell: int = 15, environment: dict[str, str] | None = None
) -> Iterator[None]:
    base = processes.base_environment(settings.folder)
    with (settings.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=base | (environment or {})
        )
    try:
        yield
    finally:
        process.send_signal(farewell)
        process.wait(30)


def _without_seed(folder: Path) -> Path:
    folder.mkdir()
    (folder / "migrations").symlink_to(ROOT / "supabase" / "migrations")
    return folder
