"""What does each call cost in the database, one at a time? In milliseconds, beside the plainest durable insert."""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from bench.database import connect, make_world, scratch_database

ROUNDS: Final = 200
VIEWERS: Final = 10_000
# One row each: reading them by a scan is the fastest there is.
ONE_ROW: Final = ("settings", "budget")


class Bench:
    """The calls under measurement, on a world of 1,000 posts."""

    def __init__(self, connection: psycopg.AsyncConnection, people: list[UUID], posts: list[UUID]) -> None:
        self._connection = connection
        self._people = people
        self._posts = posts

    async def p50(self, call: Callable[[int], Awaitable[None]], rounds: int = ROUNDS) -> float:
        """Milliseconds of the median call."""
        times = []
        for number in range(rounds):
            begun = time.perf_counter()
            await call(number)
            times.append((time.perf_counter() - begun) * 1000)
        return round(statistics.median(times), 2)

    async def insert(self, _: int) -> None:
        """The yardstick."""
        await self._connection.execute("insert into bench.plain (at) values (now())")

    async def toggle(self, number: int) -> None:
        """A like of a quiet post, with its event."""
        await self._call("select public.toggle_like(%s, 'post', %s)", self._people[1], self._posts[number])

    async def status(self, number: int) -> None:
        """The like state of a feed page."""
        await self._call("select public.get_like_status(%s)", self._items(number, 100))

    async def heartbeat(self, number: int) -> None:
        """A screen of 20, with all the other viewers there."""
        await self._call("select public.sync_viewing(%s, %s)", uuid4(), self._items(number % 5, 20))

    async def settle_batches(self, rounds: int) -> float:
        """The median settling of one post with 50 new likes."""
        times = []
        for number in range(rounds):
            post = self._posts[-1 - number]
            for person in self._people[1:51]:
                await self._call("select public.toggle_like(%s, 'post', %s)", person, post)
            await self._connection.execute(
                "update likes.activity set settle_due_at = null, window_ends_at = '-infinity'"
            )
            begun = time.perf_counter()
            await self._call(
                "select public.settle_likes(%s)", Jsonb([{"content_type": "post", "content_id": str(post)}])
            )
            times.append((time.perf_counter() - begun) * 1000)
        return round(statistics.median(times), 2)

    def _items(self, start: int, count: int) -> Jsonb:
        return Jsonb([{"content_type": "post", "content_id": str(post)} for post in self._posts[start : start + count]])

    async def _call(self, query: str, *parameters: Any) -> None:
        await self._connection.execute(query.encode(), parameters)


async def main() -> None:
    """Print the figures as JSON."""
    async with scratch_database() as url, await connect(url) as connection:
        people, posts = await make_world(connection, 1000, 1000)
        await connection.execute("create schema bench create table plain (at timestamptz)")
        # A budget that is not what is measured.
        await connection.execute("update likes.settings set messages_per_second = 1000000, max_connections = 20000")
        bench = Bench(connection, people, posts)
        insert = await bench.p50(bench.insert)
        before = await _table_scans(connection)
        toggle = await bench.p50(bench.toggle)
        scans = {table: count - before[table] for table, count in (await _table_scans(connection)).items()}
        scanned = sorted(table for table, count in scans.items() if count and table not in ONE_ROW)
        status = await bench.p50(bench.status)
        settle = await bench.settle_batches(20)
        await _add_viewers(connection, posts)
        heartbeat = await bench.p50(bench.heartbeat)
        figures = {
            "toggle_p50_ms": toggle,
            "toggle_vs_insert": round(toggle / insert, 1),
            "status_100_p50_ms": status,
            "settle_50_p50_ms": settle,
            "heartbeat_20_p50_ms": heartbeat,
            "tables_scanned_by_toggle": scanned,
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
