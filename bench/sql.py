"""What does each call cost in the database, one at a time? In milliseconds, beside the plainest durable insert."""

import asyncio
import json
from typing import Final
from uuid import UUID

import psycopg

from bench.database import connect, make_world, run_file, scratch_database

ROUNDS: Final = 200
VIEWERS: Final = 10_000
# One row each: reading them by a scan is the fastest there is.
ONE_ROW: Final = ("settings", "budget")


async def main() -> None:
    """Print the figures as JSON."""
    async with scratch_database() as url, await connect(url) as connection:
        people, posts = await make_world(connection, 1000, 1000)
        await run_file(connection, "timed.sql")

        async def p50_ms(call: bytes, rounds: int = ROUNDS) -> float:
            row = await (await connection.execute(call, [people, posts, rounds])).fetchone()
            assert row is not None
            return round(float(row[0]), 2)

        # A budget that is not what is measured.
        await connection.execute("update likes.settings set messages_per_second = 1000000, max_connections = 20000")
        insert = await p50_ms(b"call bench.time_insert(%s, %s, %s)")
        before = await _table_scans(connection)
        toggle = await p50_ms(b"call bench.time_toggle(%s, %s, %s)")
        scans = {table: count - before[table] for table, count in (await _table_scans(connection)).items()}
        status = await p50_ms(b"call bench.time_status(%s, %s, %s)")
        settle = await p50_ms(b"call bench.time_settle(%s, %s, %s)", 20)
        await _add_viewers(connection, posts)
        heartbeat = await p50_ms(b"call bench.time_heartbeat(%s, %s, %s)")
        figures = {
            "toggle_p50_ms": toggle,
            "toggle_vs_insert": round(toggle / insert, 1),
            "status_100_p50_ms": status,
            "settle_50_p50_ms": settle,
            "heartbeat_20_p50_ms": heartbeat,
            "tables_scanned_by_toggle": sorted(t for t, count in scans.items() if count and t not in ONE_ROW),
        }
        print(json.dumps(figures))


async def _table_scans(connection: psycopg.AsyncConnection) -> dict[str, int]:
    await connection.execute("select pg_stat_force_next_flush()")
    await connection.execute("select 1")
    cursor = await connection.execute(
        "select relname, seq_scan from pg_stat_user_tables where schemaname in ('likes', 'public')"
    )
    return {name: scans async for name, scans in cursor}


async def _add_viewers(connection: psycopg.AsyncConnection, posts: list[UUID]) -> None:
    """10,000 viewers, each with one of five screens of 20 posts."""
    await connection.execute(
        """insert into likes.viewers (viewer_id, content_hashes, connection, seen_at)
        select gen_random_uuid(), array(
            select likes.content_hash('post', p) from unnest(%(posts)s::uuid[]) with ordinality as p (p, n)
            where n between 1 + v %% 5 and 20 + v %% 5), 'live', now() + interval '1 hour'
        from generate_series(1, %(viewers)s) v""",
        {"posts": posts[:30], "viewers": VIEWERS},
    )
    await connection.execute("analyze likes.viewers")


if __name__ == "__main__":
    asyncio.run(main())
