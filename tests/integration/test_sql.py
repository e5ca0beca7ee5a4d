"""Runs the pgTAP tests of the database: each file as one test, as `postgres`, in a transaction of its own.

The files of supabase/tests are those that `supabase test db` runs, too, in the order of their names.
"""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.stack import ROOT, Stack

HELPERS, *FILES = sorted((ROOT / "supabase" / "tests").glob("*.sql"))
FILES.append(Path(__file__).with_name("platform.sql"))
_PGTAP = ROOT / "node_modules" / "@electric-sql" / "pglite-pgtap" / "dist" / "pgtap.tar.gz"


@pytest.fixture(scope="session")
def tested_database(stack: Stack) -> str:
    """The address of the stack's database, which has the helpers and pgTAP now, in schema extensions as on Supabase."""
    with psycopg.connect(stack.db_url.replace("postgres:", "supabase_admin:", 1), autocommit=True) as superuser:
        row = superuser.execute("select setting from pg_config where name = 'SHAREDIR'").fetchone()
        assert row is not None
        _install_pgtap(Path(row[0]) / "extension")
        superuser.execute("create extension if not exists pgtap with schema extensions")
    with psycopg.connect(stack.db_url, autocommit=True) as owner:
        owner.execute(HELPERS.read_bytes())
    return stack.db_url


def _install_pgtap(extensions: Path) -> None:
    with tarfile.open(_PGTAP) as archive:
        for member in archive:
            name = Path(member.name).name
            if re.fullmatch(r"pgtap(\.control|--\d+\.\d+\.\d+\.sql)", name) and (
                content := archive.extractfile(member)
            ):
                (extensions / name).write_bytes(content.read())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_sql(file: Path, tested_database: str) -> None:
    with psycopg.connect(tested_database) as connection:
        lines = list(_tap(connection.execute(file.read_bytes())))
        connection.rollback()
    failures = [line for line in lines if re.match(r"not ok|#", line.strip())]
    assert not failures, "\n".join(failures)
    planned = [int(plan[1]) for line in lines if (plan := re.fullmatch(r"1\.\.(\d+)", line))]
    assert planned == [sum(line.startswith("ok ") for line in lines)], "fewer tests ran than were planned"


def _tap(cursor: psycopg.Cursor[tuple[object, ...]]) -> Iterator[str]:
    """The lines of all results; a line of TAP may stand in any of them."""
    for result in cursor.results():
        if result.description:
            for row in result:
                yield from str(row[0]).splitlines()
