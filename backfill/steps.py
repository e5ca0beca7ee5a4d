"""The steps of a backfill, each a statement of `sql/` and what it answers."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.rows import args_row

T = TypeVar("T")
Source: TypeAlias = sql.SQL | sql.Composed

# What a batch meets that has to give way. Others are in the way for milliseconds, a migration for some seconds.
_GIVE_WAY: Final = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Found:
    """Rows in the source, different likes among them, those whose user and content exist, and those that are new."""

    given: int
    distinct: int
    usable: int
    new: int


@dataclass(frozen=True)
class Batch:
    """Noted likes that were looked at, and how many of them the engine did not know."""

    seen: int
    copied: int


@dataclass(frozen=True)
class Verdict:
    """What the comparison found: of `contents` contents, `noted` less `taken_back` plus `given` must be `counted`."""

    contents: int
    noted: int
    taken_back: int
    given: int
    counted: int
    lost: int
    drift: int
    wrong: list[str]

    @property
    def is_right(self) -> bool:
        """Nothing is lost, and every count is exact."""
        return self.lost == 0 and self.drift == 0


def table(name: str) -> Source:
    """The source that is a table or view, `public.old_likes`, with the four columns."""
    columns = sql.SQL("select content_type, content_id, user_id, created_at from {}")
    return columns.format(sql.Identifier(*name.split(".")))


def query(text: str) -> Source:
    """The source that is a query; who writes it has the database's password, and may run any SQL anyway."""
    return sql.SQL(text.strip().rstrip(";"))


def prepare(connection: psycopg.Connection) -> None:
    """Make what the backfill remembers, where it is not there yet, and the functions of this session."""
    connection.execute(_read("schema"))
    connection.execute(_read("copy"))


def stage(connection: psycopg.Connection, source: Source) -> Found:
    """Note the likes that are new since the last time: all of them or none."""
    return _one(connection, Found, sql.SQL(_read("source") + _read("stage")).format(source=source))


def preview(connection: psycopg.Connection, source: Source) -> Found:
    """Look only. `new` are the likes of which the engine knows no wish."""
    with connection.transaction():
        connection.execute("set transaction read only")
        return _one(connection, Found, sql.SQL(_read("source") + _read("preview")).format(source=source))


def copy_batch(connection: psycopg.Connection, size: int, sleep: Callable[[float], None] = time.sleep) -> Batch:
    """Take the next noted likes over; `seen` is 0 when there are none.

    Raises:
        psycopg.Error: it failed, or had to give way to others every time. Nothing of the batch remains then.
    """
    statement = sql.SQL("select seen, copied from pg_temp.copy_likes({})").format(size)
    for attempt in range(1, _ATTEMPTS):
        try:
            return _one(connection, Batch, statement)
        except _GIVE_WAY:
            sleep(random.uniform(0, _PAUSE_SECONDS * attempt))  # noqa: S311 - chance, not a secret
    return _one(connection, Batch, statement)


def verify(connection: psycopg.Connection) -> Verdict:
    """Compare what was copied since the last time that all was right."""
    with connection.transaction():
        verdict = _one(connection, Verdict, sql.SQL(_read("verify")))
        if verdict.is_right:
            connection.execute("update likes_backfill.progress set verified_to = copied_to")
    return verdict


def forget(connection: psycopg.Connection) -> None:
    """Remove what the backfill remembers."""
    connection.execute("drop schema if exists likes_backfill cascade")


def _read(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def _one(connection: psycopg.Connection, row: Callable[..., T], statement: Source) -> T:
    with connection.cursor(row_factory=args_row(row)) as cursor:
        found = cursor.execute(statement).fetchone()
    if found is None:
        raise LookupError("A statement of counts has one row.")
    return found
