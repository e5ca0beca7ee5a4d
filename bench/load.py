"""Many sessions that like at once, the loop running in the database: no client stands in the way of the figures."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg

from bench.database import connect, run_file

CONNECTIONS: Final = 32
WARM_UP_SECONDS: Final = 1.0
SECONDS: Final = 4.0
ROUNDS: Final = 5

# The loops of bench/sql/load.sql.
OURS: Final = b"call bench.run_ours(%s, %s, %s)"
COUNT_ROWS: Final = b"call bench.run_count_rows(%s, %s, %s)"


async def rate(url: str, loop: bytes, people: int, contents: int = 1) -> tuple[float, int]:
    """Likes per second of `CONNECTIONS` sessions at once, each like committed durably; and how many failed."""

    async def run(connection: psycopg.AsyncConnection, seconds: float) -> tuple[int, int]:
        row = await (await connection.execute(loop, [people, contents, seconds])).fetchone()
        assert row is not None
        return row[0], row[1]

    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(await connect(url)) for _ in range(CONNECTIONS)]
        # PostgREST's sessions are pooled: what each does once, such as planning, is not what is measured.
        await asyncio.gather(*(run(session, WARM_UP_SECONDS) for session in sessions))
        begun = time.monotonic()
        results = await asyncio.gather(*(run(session, SECONDS) for session in sessions))
        seconds = time.monotonic() - begun
    return sum(done for done, _ in results) / seconds, sum(failed for _, failed in results)


async def in_turns(*measures: Callable[[], Awaitable[tuple[float, int]]]) -> list[tuple[float, int]]:
    """Of each the median rate of `ROUNDS`, and how many failed: a noisy machine meets them all."""
    rounds = [[await measure() for measure in measures] for _ in range(ROUNDS)]
    return [
        (statistics.median(done for done, _ in each), sum(failed for _, failed in each))
        for each in zip(*rounds, strict=True)
    ]


async def single_row_rate(
    connection: psycopg.AsyncConnection, url: str, people: int, contents: int = 1
) -> tuple[float, int]:
    """As `rate` of ours, but with one counter row for each content."""
    definition = await connection.execute("select pg_get_functiondef('likes.add_to_counter'::regproc)")
    row = await definition.fetchone()
    assert row is not None
    await run_file(connection, "single_row.sql")
    try:
        return await rate(url, OURS, people, contents)
    finally:
        await connection.execute(row[0].encode())


async def drift(connection: psycopg.AsyncConnection) -> int:
    """Likes by which the counters are wrong: has to be nothing."""
    row = await (await connection.execute("select coalesce(sum(abs(d.drift)), 0) from monitoring.drift d")).fetchone()
    assert row is not None
    return int(row[0])
