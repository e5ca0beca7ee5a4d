"""A database of the project for one benchmark: embedded PostgreSQL, durable, all migrations, no seed; gone after it."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

import psycopg

from local import database, parts, postgres
from local.folder import locked
from local.settings import Settings
from local.supervisor import Supervisor

ROOT: Final = Path(__file__).resolve().parent.parent


@contextlib.asynccontextmanager
async def scratch_database() -> AsyncIterator[str]:
    """Yield the URL of a fresh database, as role postgres."""
    async with scratch_stack() as (settings, _):
        yield settings.database_url("postgres")


@contextlib.asynccontextmanager
async def scratch_stack() -> AsyncIterator[tuple[Settings, Supervisor]]:
    """Yield a stack that has only its database yet, and the supervisor to start more of it with."""
    with tempfile.TemporaryDirectory(prefix="likes-bench-") as temporary:
        settings = Settings(ROOT, Path(temporary, "state"), _without_seed(Path(temporary, "supabase")), port=0)
        with locked(settings.folder) as folder:
            supervisor = Supervisor(folder, ROOT)
            try:
                cluster = await postgres.prepare(ROOT, folder.database)
                await supervisor.start(parts.postgres(settings, cluster))
                await database.prepare_roles(settings)
                await supervisor.start(parts.auth(settings))
                await database.prepare_schema(settings)
                yield settings, supervisor
            finally:
                await supervisor.stop()


def _without_seed(folder: Path) -> Path:
    folder.mkdir()
    (folder / "migrations").symlink_to(ROOT / "supabase" / "migrations")
    return folder


async def connect(url: str) -> psycopg.AsyncConnection:
    """A session of its own, each statement a transaction."""
    return await psycopg.AsyncConnection.connect(url, autocommit=True)


async def make_world(connection: psycopg.AsyncConnection, users: int, posts: int) -> tuple[list[UUID], list[UUID]]:
    """Make `users` people and `posts` posts of the first of them; returns their ids. Rate limits are out of the way."""
    people = await _ids(
        connection,
        """insert into auth.users (id, email, raw_user_meta_data)
        select gen_random_uuid(), 'user' || n || '@example.com', jsonb_build_object('username', 'user' || n)
        from generate_series(1, %s) n returning id""",
        [users],
    )
    contents = await _ids(
        connection,
        """insert into public.posts (user_id, content)
        select %s, 'post ' || n from generate_series(1, %s) n returning id""",
        [people[0], posts],
    )
    await connection.execute("update likes.settings set rate_burst = 1000000, rate_per_minute = 100000000")
    # No other table: plans take an empty one that was analyzed for one that stays empty; autovacuum leaves such alone.
    await connection.execute("analyze auth.users, public.users, public.posts")
    return people, contents


async def run_file(connection: psycopg.AsyncConnection, name: str) -> None:
    """Run one of the files of bench/sql."""
    await connection.execute((ROOT / "bench" / "sql" / name).read_bytes())


async def _ids(connection: psycopg.AsyncConnection, query: LiteralString, parameters: Sequence[object]) -> list[UUID]:
    rows = await (await connection.execute(query, parameters)).fetchall()
    return [row[0] for row in rows]
