"""What does the counter that spreads cost where nothing is hot? Likes over 1,000 posts, beside one row for each."""

import asyncio
import json
from functools import partial
from typing import Final

from bench.database import connect, make_world, run_file, scratch_database
from bench.load import OURS, drift, in_turns, rate, single_row_rate

PEOPLE: Final = 5000
POSTS: Final = 1000


async def main() -> None:
    """Print the rates, and their ratio as JSON."""
    async with scratch_database() as url, await connect(url) as connection:
        await make_world(connection, PEOPLE, POSTS)
        await run_file(connection, "load.sql")
        (ours, _), (single, _) = await in_turns(
            partial(rate, url, OURS, PEOPLE, POSTS), partial(single_row_rate, connection, url, PEOPLE, POSTS)
        )
        print(f"ours {ours:.0f}/s, one counter row for each post {single:.0f}/s")
        print(json.dumps({"vs_single_row": round(ours / single, 2), "drift": await drift(connection)}))


if __name__ == "__main__":
    asyncio.run(main())
