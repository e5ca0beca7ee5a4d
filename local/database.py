"""Makes the database a Supabase project: roles and rights, then Realtime's schema, the migrations and the seed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psycopg

from local import migrations
from local.errors import StackError
from local.postgres import SUPERUSER
from local.settings import Settings

SEED_PASSWORD: Final = "password123"
_SQL: Final = Path(__file__).parent / "sql"
_REALTIME_SCHEMA: Final = Path(__file__).parent / "realtime" / "schema.sql"

# Each hash is tried once, since that is slow by design; a seed may well give all its users the same one.
_SEEDED_USERS: Final = """
with oldest as (select * from auth.users where encrypted_password like '$2%%' order by created_at, id limit 50),
hashes as materialized (select distinct encrypted_password as hash from oldest),
known as materialized (select hash from hashes where hash = extensions.crypt(%s, hash))
select id::text, email, coalesce(raw_user_meta_data ->> 'username', split_part(email, '@', 1))
from oldest
join known on known.hash = encrypted_password
where email is not null
order by created_at, id
"""


@dataclass(frozen=True)
class User:
    """Somebody whom the page can sign in as."""

    id: str
    email: str
    password: str
    username: str

    def as_dict(self) -> dict[str, str]:
        """For stack.json."""
        return asdict(self)


async def accepts_connections(settings: Settings) -> None:
    """Wait until the server lets its superuser in."""
    while True:
        try:
            async with _connection(settings, SUPERUSER):
                return
        except psycopg.OperationalError:
            await asyncio.sleep(0.05)


async def prepare_roles(settings: Settings) -> None:
    """What has to be there before anything logs in: roles, schemas, extensions, default privileges."""
    async with _connection(settings, SUPERUSER) as connection:
        await _run(connection, _SQL / "roles.sql")


async def prepare_schema(settings: Settings) -> str:
    """The rest, once auth has made its tables. Returns what was done, for the terminal.

    Raises:
        StackError: a migration or the seed failed.
    """
    async with _connection(settings, SUPERUSER) as connection:
        await _run(connection, _SQL / "platform.sql")
        await _run(connection, _REALTIME_SCHEMA)
    async with _connection(settings, "postgres") as connection:
        applied = await migrations.migrate(connection, settings.supabase / "migrations")
        seeded = await migrations.seed(connection, settings.supabase / "seed.sql")
    return f"{len(applied)} new migrations{', seeded' if seeded else ''}"


async def seeded_users(settings: Settings) -> list[User]:
    """The first 50 accounts that sign in with the seed's password, in the order in which the seed dates them."""
    async with _connection(settings, "postgres") as connection:
        rows = await connection.execute(_SEEDED_USERS, [SEED_PASSWORD])
        return [User(user_id, email, SEED_PASSWORD, username) async for user_id, email, username in rows]


@asynccontextmanager
async def _connection(settings: Settings, role: str) -> AsyncIterator[psycopg.AsyncConnection]:
    url = settings.database_url(role)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
        yield connection


async def _run(connection: psycopg.AsyncConnection, file: Path) -> None:
    try:
        await connection.execute(file.read_bytes())
    except psycopg.Error as error:
        raise StackError(f"{file.name} failed: {error}") from error
