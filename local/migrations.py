"""Applies the migrations and the seed as the official `supabase db push` does: either can be used on one database."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg

from local.errors import StackError

_FILE_NAME: Final = re.compile(r"(?P<version>\d+)_(?P<name>.+)\.sql")

_HISTORY: Final = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
create table if not exists supabase_migrations.seed_files (path text not null primary key, hash text not null);
"""

# What may hide a semicolon, each whole. A dollar quote may not follow a letter: `a$1` is a name.
_TOKEN: Final = re.compile(
    r"""
    --[^\n]*
  | /\*.*?\*/
  | \b[eE]'(?:[^'\\]|''|\\.)*'
  | '(?:[^']|'')*'
  | "(?:[^"]|"")*"
  | (?<![\w$])(?P<quote>\$(?:[A-Za-z_]\w*)?\$).*?(?P=quote)
  | \bbegin\s+atomic\b.*?\bend\b(?=\s*(?:;|\Z))
  | ;
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)

_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def split(sql: str) -> Iterator[str]:
    """The statements of a file, without their semicolons, each with the comments before it."""
    begin = 0
    ends = [token.span() for token in _TOKEN.finditer(sql) if token.group() == ";"]
    for end, after in [*ends, (len(sql), len(sql))]:
        statement = sql[begin:end].strip()
        if _COMMENT.sub("", statement).strip():
            yield statement
        begin = after


async def migrate(connection: psycopg.AsyncConnection, folder: Path) -> list[str]:
    """Apply what is new in `folder`, each file in a transaction with its line of history. Returns the files' names.

    Raises:
        StackError: a file has a wrong name, or a statement fails; nothing of that file remains then.
    """
    await connection.execute(_HISTORY)
    rows = await (await connection.execute("select version from supabase_migrations.schema_migrations")).fetchall()
    applied = {row[0] for row in rows}
    new = [file for file in sorted(folder.glob("*.sql")) if _version(file) not in applied]
    for file in new:
        await connection.execute("reset all")  # A setting of one file must not reach into the next.
        await _apply(connection, file)
    return [file.name for file in new]


async def seed(connection: psycopg.AsyncConnection, file: Path) -> bool:
    """Run the seed on a database that has not seen it. Returns whether it did.

    Raises:
        StackError: a statement fails; nothing of the seed remains then.
    """
    name = f"supabase/{file.name}"
    known = await connection.execute("select from supabase_migrations.seed_files where path = %s", [name])
    if known.rowcount or not file.exists():
        return False
    async with connection.transaction():
        await _execute(connection, file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        await connection.execute(
            "insert into supabase_migrations.seed_files (path, hash) values (%s, %s)", [name, digest]
        )
    return True


def _version(file: Path) -> str:
    return _named(file)["version"]


def _named(file: Path) -> re.Match[str]:
    match = _FILE_NAME.fullmatch(file.name)
    if match is None:
        raise StackError(f"The migration {file.name} needs a name like 20261122120000_what_it_does.sql.")
    return match


async def _apply(connection: psycopg.AsyncConnection, file: Path) -> None:
    async with connection.transaction():
        statements = await _execute(connection, file)
        await connection.execute(
            "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
            [_version(file), _named(file)["name"], statements],
        )


async def _execute(connection: psycopg.AsyncConnection, file: Path) -> list[str]:
    statements = list(split(file.read_text(encoding="utf-8")))
    for statement in statements:
        try:
            # Bytes, since psycopg takes only literals for str: a file of the repository is as trusted as its code.
            await connection.execute(statement.encode())
        except psycopg.Error as error:
            raise StackError(f"{file.name} failed: {_explain(error)} In: {_first_line(statement)}") from error
    return statements


def _explain(error: psycopg.Error) -> str:
    """PostgreSQL's own words with its SQLSTATE, as one line that ends like a sentence."""
    parts = [error.diag.message_primary or str(error), error.diag.message_detail, error.diag.message_hint]
    text = " ".join(f"{part.strip().rstrip('.')}." for part in parts if part)
    return f"{' '.join(text.split())} (SQLSTATE {error.sqlstate})" if error.sqlstate else text


def _first_line(statement: str) -> str:
    lines = [line.strip() for line in statement.splitlines()]
    return next((line for line in lines if line and not line.startswith("--")), "")[:120]
