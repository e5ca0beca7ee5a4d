"""How long until the author reads of a like, and until a viewer sees it?

One drain runs, as in the local stack, on a system that has little else to do: a like every 0.2 s, each of a post that
was quiet. Both times start with the request to the likes function and end with the frame at a socket of Realtime. The
event is sent by the like itself; the notification waits for the end of the post's window (a second), which a message of
the queue tells the drain. A like that finds the budget's row taken sends no event: it is gathered, and counted as such.
"""

import asyncio
import contextlib
import json
import random
import re
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn
from uuid import UUID

import jwt

from bench.calls import Calls, request
from bench.database import connect, make_world, scratch_stack
from bench.sockets import Client
from local import parts, queues, schedule
from local.settings import HOST, JWT_SECRET, Settings, role_token
from local.supervisor import Supervisor

LIKES: Final = 200
WARM_UP: Final = 10
PAUSE: Final = 0.2  # seconds between two likes, on average
VIEWERS: Final = 4
PATIENCE: Final = 15.0
WINDOW: Final = 1.0

_NOTIFIED: Final = re.compile(rb'notification:new.*"contentId": ?"([0-9a-f-]{36})"', re.DOTALL)
_LIKED: Final = re.compile(rb'post:liked.*"postId": ?"([0-9a-f-]{36})"', re.DOTALL)
_GATHERED: Final = re.compile(rb'post:likes_batched.*"contentId": ?"([0-9a-f-]{36})"', re.DOTALL)


@dataclass
class Arrivals:
    """When each post's frame came; the first counts."""

    pattern: re.Pattern[bytes]
    times: dict[str, float] = field(default_factory=dict)

    def heard(self, frame: bytes) -> None:
        if found := self.pattern.search(frame):
            self.times.setdefault(found[1].decode(), time.perf_counter())

    def since(self, begun: dict[str, float]) -> list[float]:
        """Seconds, one for each like that was heard of."""
        return [self.times[post] - begun[post] for post in begun if post in self.times]


async def main() -> None:
    """Print both times, and as JSON their percentiles."""
    async with scratch_stack() as (settings, supervisor):
        await _start(settings, supervisor)
        async with await connect(settings.database_url("postgres")) as connection:
            people, posts = await make_world(connection, LIKES + WARM_UP + 1, LIKES + WARM_UP)
        notified, liked = await _measure(settings, people, posts)
    gathered = LIKES - len(liked)
    print(f"{LIKES} likes: event at a viewer's socket {_times(liked, 1000)} ms; {gathered} were gathered instead")
    print(f"notification at the author's socket {_times(notified, 1)} s")
    p50 = statistics.median(notified)
    print(f"{p50 / WINDOW:.2f} windows of {WINDOW:.0f} s, of which one must pass")
    figures = {"p50_s": round(p50, 2), "p99_s": round(_p99(notified), 2)}
    print(json.dumps({**figures, "event_p99_ms": round(1000 * _p99(liked), 1), "gathered": gathered}))


async def _start(settings: Settings, supervisor: Supervisor) -> None:
    for part in (parts.rest(settings), parts.realtime(settings), parts.queue(settings)):
        await supervisor.start(part)
    queue_url = await asyncio.to_thread(queues.make_queues, parts.sqs_endpoint(settings))
    functions = parts.functions(settings, queue_url)
    # There is no gateway here; it would add two milliseconds.
    direct = {"REST_URL": f"http://{HOST}:{settings.ports.rest}", "SUPABASE_SECRET_KEY": role_token("service_role")}
    await supervisor.start(replace(functions, environment={**functions.environment, **direct}))


async def _measure(settings: Settings, people: list[UUID], posts: list[UUID]) -> tuple[list[float], list[float]]:
    author, *likers = people
    notified, liked, gathered = Arrivals(_NOTIFIED), Arrivals(_LIKED), Arrivals(_GATHERED)

    def viewer_heard(frame: bytes) -> None:
        liked.heard(frame)
        gathered.heard(frame)

    sockets = [await _listen(settings, author, [f"user:{author}"], notified.heard)]
    for number in range(VIEWERS):
        topics = [f"content:post:{post}" for post in posts[number::VIEWERS]]
        sockets.append(await _listen(settings, likers[number], topics, viewer_heard))
    drain = f"http://{HOST}:{settings.ports.functions}/drain"
    log = settings.folder / "logs" / "schedule.log"
    async with _meanwhile(schedule.call_every_minute(drain, log), _keep_open(sockets)):
        with Calls(settings.ports.functions) as calls:
            await _like(calls, likers[:WARM_UP], posts[:WARM_UP])
            begun = await _like(calls, likers[WARM_UP:], posts[WARM_UP:])
        await asyncio.wait_for(_complete(begun, notified, (liked, gathered)), PATIENCE)
    for socket in sockets:
        socket.close()
    return notified.since(begun), liked.since(begun)


@contextlib.asynccontextmanager
async def _meanwhile(*work: Coroutine[None, None, NoReturn]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_open(sockets: Sequence[Client]) -> NoReturn:
    while True:
        await asyncio.sleep(20)
        for socket in sockets:
            await socket.ask("phoenix", "heartbeat", {})


async def _listen(settings: Settings, user: UUID, topics: Sequence[str], heard: Callable[[bytes], None]) -> Client:
    client = await Client.connect(settings.ports.realtime, _token(user), heard)
    for topic in topics:
        await client.join(topic, private=True, token=_token(user))
    return client


async def _like(calls: Calls, likers: list[UUID], posts: list[UUID]) -> dict[str, float]:
    """Each likes one post; returns when each request began. Unevenly spaced, so that no rhythm meets the drain's."""
    begun: dict[str, float] = {}
    for liker, post in zip(likers, posts, strict=True):
        body = json.dumps({"content_type": "post", "content_id": str(post), "liked": True}).encode()
        wanted = request("/likes", {"Authorization": f"Bearer {_token(liker)}"}, body)
        begun[str(post)] = time.perf_counter()
        await asyncio.to_thread(calls.post, wanted)
        await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE)
    return begun


async def _complete(posts: dict[str, float], notified: Arrivals, told: Sequence[Arrivals]) -> None:
    """Until each post has its notification, and its event of one kind or the other."""
    while posts.keys() - notified.times.keys() or posts.keys() - {post for each in told for post in each.times}:
        await asyncio.sleep(0.05)


def _token(user: UUID) -> str:
    claims = {"sub": str(user), "aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


def _times(seconds: list[float], factor: float) -> str:
    return f"p50 {factor * statistics.median(seconds):.2f}, p99 {factor * _p99(seconds):.2f}"


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


if __name__ == "__main__":
    asyncio.run(main())
