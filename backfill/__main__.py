"""The command line of bin/backfill."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

import psycopg

from backfill import steps

_DESCRIPTION: Final = """
Copies existing likes into the like engine of a running system: no events, no notifications, exact counts.
It can be interrupted at any time and started again with the same words; it goes on where it stopped.
"""
_EPILOG: Final = """
The source is a table or a query in the same database with the columns content_type, content_id, user_id, created_at:
  --query "select 'post' as content_type, post_id as content_id, user_id, created_at from public.post_likes"
The database is that of SUPABASE_DB_URL or --db-url: the direct connection or the session pooler (port 5432).
"""
# Two at once would take over the same batches.
_LOCK: Final = "select pg_try_advisory_lock(hashtextextended('likes.backfill', 0))"


class BackfillError(Exception):
    """It cannot be done; the text is a sentence for the operator."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done and verified. 1: verified, and wrong. 2: not done. 130: interrupted."""
    given = _parser().parse_args(arguments)
    if not given.db_url:
        return _fail("say which database: set SUPABASE_DB_URL, or give --db-url.", 2)
    try:
        with psycopg.connect(given.db_url, autocommit=True, prepare_threshold=None) as connection:
            return _run(connection, given)
    except BackfillError as error:
        return _fail(str(error), 2)
    except psycopg.Error as error:
        return _fail(f"{error.diag.message_primary or error} What was copied stays; start again to go on.", 2)
    except KeyboardInterrupt:
        return _fail("interrupted. What was copied stays; start again to go on.", 130)


def _run(connection: psycopg.Connection, given: argparse.Namespace) -> int:
    # Supabase ends a statement after two minutes, which noting millions of likes may take.
    connection.execute("set application_name = 'likes backfill'; set statement_timeout = 0")
    row = connection.execute(_LOCK).fetchone()
    if row != (True,):
        raise BackfillError("another backfill is at work on this database.")
    if given.forget:
        steps.forget(connection)
        _say("Forgotten: a later run would copy likes again that were taken back more than a day ago.")
        return 0
    source = steps.table(given.table) if given.table else steps.query(given.query)
    if given.dry_run:
        _tell(steps.preview(connection, source), "would be copied")
        return 0
    steps.prepare(connection)
    _tell(steps.stage(connection, source), "are new to the backfill")
    _copy(connection, given.batch)
    return _verify(connection)


def _copy(connection: psycopg.Connection, size: int) -> None:
    begun = told = time.monotonic()
    seen = copied = 0
    while (batch := steps.copy_batch(connection, size)).seen:
        seen, copied = seen + batch.seen, copied + batch.copied
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            _say(f"{seen} likes looked at, {copied} copied, {seen / (told - begun):.0f} a second")
    _say(f"{copied} likes copied, {seen - copied} left as they are: their users have wished something since.")
    if copied:
        connection.execute("analyze likes.content_likes, likes.counters, likes.activity")


def _verify(connection: psycopg.Connection) -> int:
    verdict = steps.verify(connection)
    _say(
        f"{verdict.contents} contents verified: {verdict.noted} likes of the source - {verdict.taken_back} taken back "
        f"+ {verdict.given} of the engine alone = {verdict.counted} counted; {verdict.lost} lost, drift {verdict.drift}"
    )
    if verdict.is_right:
        return 0
    return _fail(f"the counts are wrong. Look at {', '.join(verdict.wrong)}; see docs/operations/drift.md.", 1)


def _tell(found: steps.Found, then: str) -> None:
    unusable = found.distinct - found.usable
    _say(f"{found.given} rows in the source, {found.distinct} different likes.")
    _say(f"{unusable} of a user or content that does not exist are left out; {found.new} {then}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/backfill",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--query", help="a query that yields the likes")
    what.add_argument("--table", help="a table or view that has the likes, with its schema: public.old_likes")
    what.add_argument("--forget", action="store_true", help="remove what the backfill remembers, when all is done")
    parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")
    parser.add_argument(
        "--batch", type=_positive, default=1000, metavar="N", help="likes per transaction (default 1000)"
    )
    parser.add_argument("--db-url", default=os.environ.get("SUPABASE_DB_URL"), metavar="URL", help="see below")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _fail(sentence: str, status: int) -> int:
    sys.stderr.write(f"bin/backfill: {sentence}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
