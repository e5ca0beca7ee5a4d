"""`python -m local.crowd`: simulated users with the official Supabase client, who do all they do by the public URLs.

Each of them signs in, looks at a few popular contents, sends heartbeats, and taps a heart now and then.
One line of figures a second.
"""

import argparse
import asyncio
import functools
import json
import logging
import random
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import httpx
from postgrest import APIError
from realtime import RealtimeSubscribeStates
from realtime.types import BroadcastPayload
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthError
from supabase_functions.errors import FunctionsHttpError

from local.console import say

_SCREEN: Final = 5  # contents that a user looks at
_FEED: Final = 20  # contents that there are to look at
_PAUSE: Final = 2.5  # seconds between two taps of one user, on average: well below the rate limit
_HEARTBEAT: Final = 12.0
_EVENTS: Final = ("post:liked", "post:unliked", "post:likes_batched")


@dataclass
class Figures:
    """What the crowd has seen. Times in milliseconds."""

    likes: int = 0
    answers: list[float] = field(default_factory=list)
    instant: list[float] = field(default_factory=list)  # tap to its own event
    gathered: list[float] = field(default_factory=list)  # tap to the batch event that has it
    notifications: int = 0
    errors: list[str] = field(default_factory=list)

    def line(self, seconds: float) -> str:
        """The figures in one line."""
        parts = (
            f"{self.likes / seconds:5.1f} likes/s",
            f"answer {_percentiles(self.answers)} ms",
            f"tap to event {_percentiles(self.instant)} ms",
            f"to batch {_percentiles(self.gathered)} ms",
            f"{self.notifications} notifications",
            f"{len(self.errors)} errors",
        )
        return "  ".join(parts)


@dataclass(frozen=True)
class _Tap:
    version: int
    begun: float
    user_id: str


@dataclass(frozen=True)
class _Event:
    version: int
    arrived: float
    named: frozenset[str]  # whose likes it tells of


class Taps:
    """Which event tells of which tap: the first of its content whose version is no older. It may precede the answer."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._taps: defaultdict[str, list[_Tap]] = defaultdict(list)
        self._events: defaultdict[str, deque[_Event]] = defaultdict(lambda: deque(maxlen=50))

    def answered(self, content_id: str, tap: _Tap) -> None:
        """A tap was answered."""
        told = [event for event in self._events[content_id] if event.version >= tap.version]
        if told:
            self._note(tap, min(told, key=lambda event: event.version))
        else:
            self._taps[content_id].append(tap)

    def event(self, content_id: str, event: _Event) -> None:
        """Somebody received an event."""
        if all(known.version != event.version for known in self._events[content_id]):
            self._events[content_id].append(event)
        for tap in [tap for tap in self._taps[content_id] if tap.version <= event.version]:
            self._taps[content_id].remove(tap)
            self._note(tap, event)

    def _note(self, tap: _Tap, event: _Event) -> None:
        # Not named are those who took a like back; what a window takes back is announced by no event of its own.
        if tap.user_id in event.named:
            figures = self._figures.instant if event.version == tap.version else self._figures.gathered
            figures.append((event.arrived - tap.begun) * 1000)


class Member:
    """One user of the crowd."""

    def __init__(self, client: AsyncClient, account: dict[str, str], figures: Figures, taps: Taps, seed: int) -> None:
        self._client = client
        self._account = account
        self._figures = figures
        self._taps = taps
        self._random = random.Random(seed)
        self._viewer_id = str(uuid4())
        self._versions: dict[tuple[str, str], int] = {}

    async def live(self, feed: list[tuple[str, str]]) -> None:
        """Sign in, join the channels of what is on the screen, then tap and send heartbeats for ever."""
        try:
            await self._client.auth.sign_in_with_password(
                {"email": self._account["email"], "password": self._account["password"]}
            )
        except (AuthError, httpx.HTTPError) as error:
            self._figures.errors.append(f"sign-in of {self._account['email']}: {error!r}")
            return
        # Popular contents come first in the feed, and are on more screens.
        weights = [1 / (rank + 1) for rank in range(len(feed))]
        screen = set(self._random.choices(feed, weights, k=_SCREEN))
        self._versions = dict.fromkeys(screen, 0)
        await self._join(f"user:{self._account['id']}", ("notification:new", "notification:updated"), self._notified)
        for content_type, content_id in sorted(screen):
            await self._join(f"content:{content_type}:{content_id}", _EVENTS, self._saw)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_heartbeats())
            tasks.create_task(self._tap(sorted(screen)))

    async def leave(self) -> None:
        """Say goodbye."""
        await self._client.remove_all_channels()
        await self._client.rpc("sync_viewing", {"viewer_id": self._viewer_id, "items": []}).execute()

    async def _join(self, topic: str, events: Iterable[str], received: Callable[[str, dict[str, Any]], None]) -> None:
        options: Any = {"config": {"private": True}}  # The client's type asks for every option.
        channel = self._client.channel(topic, options)
        for name in events:
            channel.on_broadcast(name, functools.partial(_deliver, received, name))

        def told(state: RealtimeSubscribeStates, error: Exception | None) -> None:
            if error is not None or state is RealtimeSubscribeStates.TIMED_OUT:
                self._figures.errors.append(f"{topic}: {state} {error}")

        await channel.subscribe(told)

    async def _send_heartbeats(self) -> None:
        while True:
            items = [
                {"content_type": content_type, "content_id": content_id, "version": version}
                for (content_type, content_id), version in self._versions.items()
            ]
            try:
                answer = await self._client.rpc(
                    "sync_viewing", {"viewer_id": self._viewer_id, "items": items}
                ).execute()
                for item in cast("Any", answer.data)["items"]:
                    self._versions[item["content_type"], item["content_id"]] = item["version"]
            except (APIError, httpx.HTTPError) as error:
                self._figures.errors.append(f"heartbeat: {error!r}")
            await asyncio.sleep(_HEARTBEAT * self._random.uniform(0.9, 1.1))

    async def _tap(self, screen: list[tuple[str, str]]) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1 / _PAUSE))
            content_type, content_id = self._random.choice(screen)
            body = {"content_type": content_type, "content_id": content_id, "liked": self._random.random() < 0.7}
            begun = time.monotonic()
            try:
                answer = json.loads(cast("bytes", await self._client.functions.invoke("likes", {"body": body})))
            except (FunctionsHttpError, httpx.HTTPError) as error:
                self._figures.errors.append(f"like: {error!r}")
                continue
            self._figures.answers.append((time.monotonic() - begun) * 1000)
            if answer["changed"]:
                self._figures.likes += 1
                self._taps.answered(content_id, _Tap(answer["version"], begun, self._account["id"]))

    def _saw(self, name: str, payload: dict[str, Any]) -> None:
        if name == "post:likes_batched":
            content_id, named = payload["contentId"], frozenset(payload["likerIds"])
        else:
            content_id, named = payload["postId"], frozenset([payload["userId"]])
        key = (payload["contentType"], content_id)
        self._versions[key] = max(self._versions[key], payload["version"])
        self._taps.event(content_id, _Event(payload["version"], time.monotonic(), named))

    def _notified(self, _name: str, _payload: dict[str, Any]) -> None:
        self._figures.notifications += 1


async def run(stack: dict[str, Any], size: int, seconds: float) -> Figures:
    """Let `size` users like for `seconds` seconds. Returns what they saw."""
    figures = Figures()
    # One for all: a client of its own for each would spend the first seconds on reading certificates.
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=None)) as http:
        feed = await _feed(await _client(stack, http))
        taps = Taps(figures)
        members = [
            Member(await _client(stack, http), stack["users"][seed % len(stack["users"])], figures, taps, seed)
            for seed in range(size)
        ]
        lives = [asyncio.create_task(member.live(feed)) for member in members]
        try:
            await _watch(lives, figures, seconds)
        finally:
            for life in lives:
                life.cancel()
            await asyncio.gather(*lives, return_exceptions=True)
            await asyncio.gather(*(member.leave() for member in members), return_exceptions=True)
    return figures


async def _watch(lives: list[asyncio.Task[None]], figures: Figures, seconds: float) -> None:
    begun = time.monotonic()
    while (lived := time.monotonic() - begun) < seconds:
        await asyncio.sleep(min(1.0, seconds - lived))
        say(figures.line(time.monotonic() - begun))
        for life in lives:
            if life.done():
                life.result()


def _deliver(received: Callable[[str, dict[str, Any]], None], name: str, message: BroadcastPayload) -> None:
    received(name, message["payload"])


async def _client(stack: dict[str, Any], http: httpx.AsyncClient) -> AsyncClient:
    options = AsyncClientOptions(auto_refresh_token=True, httpx_client=http)
    return await acreate_client(stack["url"], stack["publishable_key"], options)


async def _feed(client: AsyncClient) -> list[tuple[str, str]]:
    posts = await client.table("posts").select("id").order("likes_count", desc=True).limit(_FEED * 3 // 4).execute()
    videos = await client.table("videos").select("id").order("likes_count", desc=True).limit(_FEED // 4).execute()
    rows = [("post", row) for row in posts.data] + [("video", row) for row in videos.data]
    return [(content_type, cast("Any", row)["id"]) for content_type, row in rows]


def _percentiles(figures: list[float]) -> str:
    if not figures:
        return "-"
    ordered = sorted(figures)
    return f"{ordered[len(ordered) // 2]:.0f}/{ordered[len(ordered) * 99 // 100]:.0f}"


def main() -> int:
    """Run the crowd as the command line says. Returns 1 when something failed."""
    parser = argparse.ArgumentParser(prog="python -m local.crowd", description="Simulated users of a running stack.")
    parser.add_argument("--stack", type=Path, default=Path(".local/stack.json"), help="stack.json of the running stack")
    parser.add_argument("-n", type=int, default=20, metavar="N", help="how many users (default 20)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long (default: until Ctrl-C)")
    given = parser.parse_args()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        figures = asyncio.run(run(json.loads(given.stack.read_text()), given.n, given.seconds))
    except KeyboardInterrupt:
        return 0
    for error in figures.errors[:10]:
        say(f"error: {error}")
    return 1 if figures.errors else 0


if __name__ == "__main__":
    sys.exit(main())
