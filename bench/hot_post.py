"""How many likes a second does one viral post take? Ours, beside one counter row and beside counting the rows."""

import asyncio
import json
import time
from typing import Final, LiteralString

import psycopg

from bench.database import connect, make_world, run_file, scratch_database

CONNECTIONS: Final = 32
SECONDS: Final = 5.0
ROUNDS: Final = 3
PEOPLE: Final = 5000

OURS: Final = "select public.toggle_like($1, 'post', $2)"
PLAIN: Final = "select bench.toggle_like($1, $2)"


async def rate(url: str, statement: LiteralString, contents: int = 1, people: int = PEOPLE) -> tuple[float, int]:
    """Likes per second of `CONNECTIONS` sessions at once, each like committed durably; and how many failed."""

    async def run() -> tuple[int, int]:
        connection = await connect(url)
        async with connection:
            cursor = await connection.execute(
                "call bench.run_likes(%s, %s, %s, %s)", [statement, people, contents, SECONDS]
            )
            row = await cursor.fetchone()
            assert row is not None
            return row[0], row[1]

    begun = time.monotonic()
    results = await asyncio.gather(*(run() for _ in range(CONNECTIONS)))
    seconds = time.monotonic() - begun
    return sum(done for done, _ in results) / seconds, sum(failed for _, failed in results)


async def alternate(connection: psycopg.AsyncConnection, url: str, contents: int) -> tuple[list[float], list[float]]:
    """Our counter and one counter row, in turns, so that a noisy machine meets both."""
    source = await (await connection.execute("select pg_get_functiondef('likes.add_to_counter'::regproc)")).fetchone()
    assert source is not None
    ours, single = [], []
    for _ in range(ROUNDS):
        await connection.execute(source[0].encode())
        ours.append((await rate(url, OURS, contents))[0])
        await run_file(connection, "single_row.sql")
        single.append((await rate(url, OURS, contents))[0])
    await connection.execute(source[0].encode())
    return ours, single


async def drift(connection: psycopg.AsyncConnection) -> int:
    """Likes by which the counters are wrong: has to be nothing."""
    row = await (await connection.execute("select coalesce(sum(abs(d.drift)), 0) from monitoring.drift d")).fetchone()
    assert row is not None
    return int(row[0])


async def main() -> None:
    """Print each figure, and the ratios as JSON."""
    async with scratch_database() as url, await connect(url) as connection:
        _, posts = await make_world(connection, PEOPLE, 1)
        await run_file(connection, "load.sql")
        await run_file(connection, "count_rows.sql")
        ours, single = await alternate(connection, url, 1)
        counted, failed = await rate(url, PLAIN)
        print(f"ours {max(ours):.0f}/s, one counter row {max(single):.0f}/s")
        print(f"counting rows {counted:.0f}/s ({failed} failed)")
        print(f"drift {await drift(connection)}")
        await _add_likes(connection, posts[0], 100_000)
        ours_100k, _ = await rate(url, OURS)
        counted_100k, failed_100k = await rate(url, PLAIN)
        print(f"with 100,000 likes: ours {ours_100k:.0f}/s, counting rows {counted_100k:.0f}/s ({failed_100k} failed)")
        print(
            json.dumps(
                {
                    "vs_single_row": round(_median(ours) / _median(single), 2),
                    "vs_count_rows": round(_median(ours) / counted, 2),
                    "vs_count_rows_at_100k": round(ours_100k / counted_100k, 2),
                }
            )
        )


def _median(figures: list[float]) -> float:
    return sorted(figures)[len(figures) // 2]


async def _add_likes(connection: psycopg.AsyncConnection, post: object, count: int) -> None:
    """As many people more who like the post, for the engine and for the plain table."""
    await connection.execute(
        """with people as (
          insert into auth.users (id, email, raw_user_meta_data)
          select gen_random_uuid(), 'fan' || n || '@example.com', jsonb_build_object('username', 'fan' || n)
          from generate_series(1, %s) n returning id)
        insert into bench.likes (user_id, post_id) select p.id, %s from people p""",
        [count, post],
    )
    await connection.execute(
        """insert into likes.content_likes (content_type, content_id, user_id, liked, intent, changed_at, settled)
        select 'post', l.post_id, l.user_id, true, 1, now(), true from bench.likes l
        on conflict on constraint content_likes_pkey do nothing"""
    )
    await connection.execute("select public.reconcile_like_counts(1)")
    await connection.execute("analyze")


if __name__ == "__main__":
    asyncio.run(main())
