"""Many sessions that like at once, the loop running in the database: no client stands in the way of the figures."""

import asyncio
import contextlib
import time
from typing import Final

import psycopg

from bench.database import connect, run_file

CONNECTIONS: Final = 32
WARM_UP_SECONDS: Final = 1.0
SECONDS: Final = 4.0
ROUNDS: Final = 3

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


async def beside_single_row(
    connection: psycopg.AsyncConnection, url: str, people: int, contents: int
) -> tuple[float, float]:
    """Median likes per second with our counter and with one counter row, in turns: a noisy machine meets both."""
    definition = await connection.execute("select pg_get_functiondef('likes.add_to_counter'::regproc)")
    row = await definition.fetchone()
    assert row is not None
    ours, single = [], []
    for _ in range(ROUNDS):
        ours.append((await rate(url, OURS, people, contents))[0])
        await run_file(connection, "single_row.sql")
        single.append((await rate(url, OURS, people, contents))[0])
        await connection.execute(row[0].encode())
    return sorted(ours)[ROUNDS // 2], sorted(single)[ROUNDS // 2]


async def drift(connection: psycopg.AsyncConnection) -> int:
    """Likes by which the counters are wrong: has to be nothing."""
    row = await (await connection.execute("select coalesce(sum(abs(d.drift)), 0) from monitoring.drift d")).fetchone()
    assert row is not None
    return int(row[0])
