"""How fast does one drain settle a backlog, in how much memory, in which budget; and what does SQS see of a hot post?

The drain is the deployed one, in this process, against the real database behind PostgREST. First 1,000 likes of one
post by the likes function's use case, and the queue. Then the backlog: likes that no message announces, found by the
drain's sweep, with an ample budget. Last, some of the same with the budget of the Free plan: it must not send more.
"""

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from uuid import UUID

import boto3
import httpx
import psutil
import psycopg

from bench.database import connect, make_world, run_file, scratch_stack
from local import parts, queues
from local.settings import HOST, Settings, role_token
from realtime_likes.connections import Http
from realtime_likes.draining import Drain
from realtime_likes.liking import LikeContent
from realtime_likes.models import LikeRequest
from realtime_likes.observability import LoggedFigures, build_logger
from realtime_likes.postgrest_database import ServiceDatabase, open_http
from realtime_likes.settings import load_settings
from realtime_likes.sqs_queue import NoQueue, SqsWakeUpQueue, SqsWakeUpSender

PEOPLE: Final = 2000
CONTENTS: Final = 5000
LIKES_EACH: Final = 20
PACED_CONTENTS: Final = 1000
PACED_SECONDS: Final = 12.0
HOT_LIKES: Final = 1000
HOT_SECONDS: Final = 10.0
# The plan "Free", and a budget that is not what is measured.
FREE_MESSAGES: Final = 100
AMPLE_MESSAGES: Final = 10_000_000
UNSETTLED: Final = "select count(*) from likes.counters where dirty"
NEW_POST: Final = "insert into public.posts (user_id, content) select id, 'hot' from public.users limit 1 returning id"
SPENT: Final = "select coalesce(sum(messages), 0) from likes.usage"


@dataclass
class Memory:
    """The resident memory of this process, looked at while something runs."""

    bytes: list[int] = field(default_factory=list)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look every 50 ms until the end of the block."""
        process, done = psutil.Process(), threading.Event()

        def look() -> None:
            while not done.wait(0.05):
                self.bytes.append(process.memory_info().rss)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def growth(self) -> float:
        """What the second half of the time needed at most over the first: 0 when memory is flat."""
        middle = len(self.bytes) // 2
        return max(self.bytes[middle:]) / max(self.bytes[:middle]) - 1


async def main() -> None:
    """Print each figure, and all of them as JSON."""
    async with scratch_stack() as (settings, supervisor):
        await supervisor.start(parts.rest(settings))
        await supervisor.start(parts.queue(settings))
        os.environ |= {"AWS_ENDPOINT_URL_SQS": parts.sqs_endpoint(settings), **queues.CREDENTIALS}
        async with await connect(settings.database_url("postgres")) as connection:
            people, _ = await make_world(connection, PEOPLE, CONTENTS)
            # First, since much that was settled just now would widen its windows.
            figures = await _hot(connection, settings, people)
            figures |= await _backlog(connection, settings)
            figures |= await _paced(connection, settings)
    print(json.dumps(figures))


async def _backlog(connection: psycopg.AsyncConnection, settings: Settings) -> dict[str, float]:
    await run_file(connection, "backlog.sql")
    await _fill(connection, CONTENTS)
    memory = Memory()
    with memory.watched():
        seconds = await _settle_all(connection, settings)
    settled, likes = CONTENTS / seconds, CONTENTS * LIKES_EACH / seconds
    print(f"{CONTENTS} contents with {LIKES_EACH} likes each: {settled:.0f} contents/s, {likes:.0f} likes/s")
    return {
        "contents_per_s": round(settled),
        "likes_per_s": round(likes),
        "rss_growth": round(memory.growth(), 3),
    }


async def _settle_all(connection: psycopg.AsyncConnection, settings: Settings) -> float:
    """The seconds that it took."""
    await _set_budget(connection, AMPLE_MESSAGES)
    begun = time.monotonic()
    while await _one(connection, UNSETTLED):
        await asyncio.to_thread(_drain(settings).run, 1.0)
    return time.monotonic() - begun


async def _paced(connection: psycopg.AsyncConnection, settings: Settings) -> dict[str, float]:
    """The share of the plan's messages that the drain sent in the time it had, whatever the backlog."""
    await connection.execute("truncate likes.usage")
    await connection.execute("update likes.budget set tokens = 0, refilled_at = clock_timestamp()")
    await _set_budget(connection, FREE_MESSAGES)
    await _fill(connection, PACED_CONTENTS)
    begun = time.monotonic()
    await asyncio.to_thread(_drain(settings).run, PACED_SECONDS)
    share = await _one(connection, SPENT) / (FREE_MESSAGES * (time.monotonic() - begun))
    left = await _one(connection, UNSETTLED)
    print(f"the same on the Free plan: {share:.2f} of its messages sent, {left} of {PACED_CONTENTS} contents left")
    return {"paced_share_of_budget": round(share, 3)}


async def _hot(connection: psycopg.AsyncConnection, settings: Settings, people: list[UUID]) -> dict[str, float]:
    await _set_budget(connection, AMPLE_MESSAGES)
    post = await (await connection.execute(NEW_POST)).fetchone()
    assert post is not None
    url = await asyncio.to_thread(queues.make_queues, parts.sqs_endpoint(settings))
    requests: list[str] = []
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("before-send.sqs", lambda event_name, **_: requests.append(event_name))
    drain = Drain(_database(settings), SqsWakeUpQueue(url), LoggedFigures(_logger()), _logger())
    like = LikeContent(_database(settings), SqsWakeUpSender(url), LoggedFigures(_logger()), _logger())
    draining = asyncio.create_task(asyncio.to_thread(drain.run, HOT_SECONDS + 5))
    await asyncio.to_thread(_like_often, like, people, str(post[0]))
    await draining
    per_1000 = 1000 * len(requests) / HOT_LIKES
    print(f"{HOT_LIKES} likes of one post in {HOT_SECONDS:.0f} s: {len(requests)} requests to SQS")
    assert not await _one(connection, UNSETTLED), "something of the hot post is not settled"
    return {"sqs_requests_per_1000_hot_likes": round(per_1000, 1)}


def _like_often(like: LikeContent, people: list[UUID], post: str) -> None:
    """One like each, evenly spread over the seconds."""
    request = LikeRequest(content_type="post", content_id=post, liked=True)
    begun = time.monotonic()
    for number, person in enumerate(people[:HOT_LIKES]):
        time.sleep(max(0.0, begun + number * HOT_SECONDS / HOT_LIKES - time.monotonic()))
        like(str(person), request)


def _drain(settings: Settings) -> Drain:
    """One that starts in a minute without housekeeping: a benchmark starts many, and they are not what is measured."""
    return Drain(_database(settings), NoQueue(), LoggedFigures(_logger()), _logger(), wall=lambda: 60.0)


def _database(settings: Settings) -> ServiceDatabase:
    return ServiceDatabase(_connections(), f"http://{HOST}:{settings.ports.rest}", role_token("service_role"))


@cache
def _connections() -> Http:
    return open_http(httpx.create_ssl_context())


def _logger() -> Any:
    environment = {"SUPABASE_URL": "http://127.0.0.1", "SUPABASE_PUBLISHABLE_KEY": "unused", "LOG_LEVEL": "ERROR"}
    return build_logger("drain", load_settings(environment, writes=False))


async def _set_budget(connection: psycopg.AsyncConnection, messages: int) -> None:
    await connection.execute("update likes.settings set messages_per_second = %s", [messages])


async def _fill(connection: psycopg.AsyncConnection, contents: int) -> None:
    await connection.execute("call bench.fill(%s, %s)", [contents, LIKES_EACH])
    await connection.execute("vacuum analyze likes.content_likes, likes.changes, likes.counters, likes.activity")


async def _one(connection: psycopg.AsyncConnection, query: str) -> int:
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    asyncio.run(main())
