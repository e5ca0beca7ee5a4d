"""How many likes a second does one viral post take? Ours, beside one counter row and beside counting the rows."""

import asyncio
import json
from functools import partial
from typing import Final
from uuid import UUID

import psycopg

from bench.database import connect, make_world, run_file, scratch_database
from bench.load import COUNT_ROWS, OURS, drift, in_turns, rate, single_row_rate

PEOPLE: Final = 20_000


async def main() -> None:
    """Print each figure, and the ratios as JSON."""
    async with scratch_database() as url, await connect(url) as connection:
        _, posts = await make_world(connection, PEOPLE, 1)
        await run_file(connection, "load.sql")
        await run_file(connection, "count_rows.sql")
        our_rate = partial(rate, url, OURS, PEOPLE)
        single_rate = partial(single_row_rate, connection, url, PEOPLE)
        count_rate = partial(_count_rate, connection, url)
        (ours, _), (single, _), (counted, failed) = await in_turns(our_rate, single_rate, count_rate)
        print(f"ours {ours:.0f}/s, one counter row {single:.0f}/s, counting rows {counted:.0f}/s ({failed} failed)")
        await _add_likes(connection, posts[0], 100_000)
        (ours_100k, _), (counted_100k, failed) = await in_turns(our_rate, count_rate)
        print(f"with 100,000 likes: ours {ours_100k:.0f}/s, counting rows {counted_100k:.0f}/s ({failed} failed)")
        figures = {
            "vs_single_row": round(ours / single, 2),
            "vs_count_rows": round(ours / counted, 2),
            "vs_count_rows_at_100k": round(ours_100k / counted_100k, 2),
            "drift": await drift(connection),
        }
        print(json.dumps(figures))


async def _count_rate(connection: psycopg.AsyncConnection, url: str) -> tuple[float, int]:
    counted = await rate(url, COUNT_ROWS, PEOPLE)
    # Each count has left a dead version of the post, which is not for the next to pay.
    await connection.execute("vacuum freeze public.posts")
    return counted


async def _add_likes(connection: psycopg.AsyncConnection, post: UUID, count: int) -> None:
    """As many people more who like the post, for the engine and for the plain table."""
    await connection.execute(
        """with people as (
          insert into auth.users (id, email, raw_user_meta_data)
          select gen_random_uuid(), 'fan' || n || '@example.com', jsonb_build_object('username', 'fan' || n)
          from generate_series(1, %s) n returning id)
        insert into bench.likes (user_id, content_type, content_id) select p.id, 'post', %s from people p""",
        [count, post],
    )
    await connection.execute(
        """insert into likes.content_likes (content_type, content_id, user_id, liked, intent, changed_at)
        select l.content_type, l.content_id, l.user_id, true, 1, now() from bench.likes l
        on conflict on constraint content_likes_pkey do nothing"""
    )
    await connection.execute("select public.reconcile_like_counts(1)")
    await connection.execute("analyze auth.users, public.users, bench.likes, likes.content_likes")


if __name__ == "__main__":
    asyncio.run(main())
