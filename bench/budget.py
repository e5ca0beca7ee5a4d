"""Does a viral post ever break the message budget, and when does its final count arrive? Real SQL on a virtual clock.

One viral post and many quiet ones, for some minutes of virtual time: likes come in, wake-ups arrive after their delay
(whole seconds, as SQS has it), a sweep looks every 10 s. What counts as sent is what the engine accounts for: 1 for the
event and 1 for each viewer.
"""

import asyncio
import heapq
import itertools
import json
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from bench.database import connect, make_world, run_file, scratch_database

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS: Final = "select likes.budget_tokens(b, s, likes.clock()) from likes.budget b, likes.settings s"
FINAL: Final = """
select (select sum(c.likes) from likes.counters c where c.content_id = a.content_id), a.announced_total, a.announced_at
from likes.activity a where a.content_id = %s
"""
SECONDS: Final = 75  # of likes; then the rest is settled
SWEEP: Final = 10
QUIET_POSTS: Final = 1000
QUIET_VIEWERS: Final = 1
# Messages a second and connections of each plan.
PLANS: Final = {"free": (100, 200), "pro": (500, 500), "pro, no cap": (2500, 10_000)}


@dataclass(frozen=True)
class Case:
    """One simulation."""

    plan: str
    viewers: int
    likes_per_second: int
    quiet: bool

    @property
    def budget(self) -> int:
        """Messages a second."""
        return PLANS[self.plan][0]


@dataclass
class Outcome:
    """What it came to."""

    share: float  # of the budget: the worst average of 60 s
    lateness: float  # of the viral post's final count, in windows
    seconds_late: float
    exhausted: bool  # whether the budget ever ran out
    late_first_likes: int  # not announced at once although there were tokens
    naive: int  # messages, had every like been broadcast
    ours: int


@dataclass
class World:
    """A database with its virtual clock, and the wake-ups under way."""

    connection: psycopg.AsyncConnection
    people: list[UUID]
    posts: list[UUID]
    now: float = 0
    wakes: list[tuple[float, int, str]] = field(default_factory=list)
    exhausted: bool = False
    late_first_likes: int = 0
    order: "itertools.count[int]" = field(default_factory=itertools.count)

    async def at(self, moment: float) -> None:
        """Set the clock."""
        self.now = moment
        await self.connection.execute("update bench.clock set now = %s", [START + timedelta(seconds=moment)])

    async def like(self, person: UUID, post: UUID, first: bool) -> None:
        """Somebody likes a post. Of a first like is noted whether it had to wait in spite of tokens."""
        tokens = await self.value(
            "select likes.budget_tokens(b, s, likes.clock()) from likes.budget b, likes.settings s"
        )
        answer = await self.value("select public.toggle_like(%s, 'post', %s)", person, post)
        self.exhausted |= tokens <= 0
        if first and tokens > 0:
            events = await self.value("select a.events from likes.activity a where a.content_id = %s", post)
            self.late_first_likes += events == 0
        if answer["wake_after_ms"] is not None:
            self.wake(str(post), answer["wake_after_ms"])

    def wake(self, post: str, after_ms: int) -> None:
        """A message with a delay, in whole seconds."""
        heapq.heappush(self.wakes, (self.now + math.ceil(after_ms / 1000), next(self.order), post))

    async def settle(self, posts: list[str]) -> None:
        """What the drain does with its messages."""
        items = [{"content_type": "post", "content_id": post} for post in posts]
        for result in await self.value("select public.settle_likes(%s)", Jsonb(items)):
            if result["outcome"] == "failed":
                raise AssertionError(result["error"])
            self.exhausted |= result["outcome"] == "waiting" and not result["events"]
            if result["wake_after_ms"] is not None:
                self.wake(result["content_id"], result["wake_after_ms"])

    async def value(self, query: str, *parameters: Any) -> Any:
        """The one value of a query."""
        row = await (await self.connection.execute(query.encode(), parameters)).fetchone()
        assert row is not None
        return row[0]


async def simulate(world: World, case: Case, seed: int) -> Outcome:
    """Run one case from a clean slate."""
    await _reset(world, case)
    viral, quiet = world.posts[0], world.posts[1:]
    likes = _likes(case, random.Random(seed), world.people, viral, quiet)
    last = max(moment for moment, _, post, _ in likes if post == viral)
    sweep = float(SWEEP)
    while likes or world.wakes:
        moment = min(likes[0][0] if likes else math.inf, world.wakes[0][0] if world.wakes else math.inf, sweep)
        await world.at(moment)
        if moment == sweep:
            sweep += SWEEP
            found = await world.value("select public.unsettled_likes()")
            await world.settle([item["content_id"] for item in found])
        while world.wakes and world.wakes[0][0] <= moment:
            await world.settle([heapq.heappop(world.wakes)[2]])
        while likes and likes[0][0] <= moment:
            _, person, post, first = heapq.heappop(likes)
            await world.like(person, post, first)
    return await _outcome(world, case, viral, last)


def _likes(
    case: Case, chance: random.Random, people: list[UUID], viral: UUID, quiet: list[UUID]
) -> list[tuple[float, UUID, UUID, bool]]:
    """Moment, person, post, and whether it is the first like of its post."""
    likes = [
        (chance.uniform(0, SECONDS), chance.choice(people[1:]), viral, False)
        for _ in range(case.likes_per_second * SECONDS)
    ]
    if case.quiet:
        likes += [(chance.uniform(0, SECONDS), chance.choice(people[1:]), post, True) for post in quiet]
    heapq.heapify(likes)
    return likes


async def _reset(world: World, case: Case) -> None:
    budget, connections = PLANS[case.plan]
    await world.connection.execute(
        """truncate likes.content_likes, likes.changes, likes.counters, likes.activity, likes.notifications,
        likes.usage, likes.rooms, likes.rate_limits, likes.departures"""
    )
    await world.connection.execute(
        "update likes.settings set messages_per_second = %s, max_connections = %s", [budget, connections]
    )
    await world.connection.execute(
        "update likes.budget set tokens = 'infinity', refilled_at = '-infinity', likes_rate = 0"
    )
    await world.connection.execute(
        """insert into likes.rooms (content_type, content_id, viewers, counted_at, good_until)
        select 'post', p.id, case when p.id = %s then %s else %s end, 'infinity', 'infinity' from public.posts p""",
        [world.posts[0], case.viewers, QUIET_VIEWERS],
    )
    world.now, world.exhausted, world.late_first_likes = 0, False, 0
    world.wakes.clear()


async def _outcome(world: World, case: Case, viral: UUID, last: float) -> Outcome:
    rows = await (await world.connection.execute("select used_at, messages from likes.usage")).fetchall()
    sent = {int((used_at - START).total_seconds()): messages for used_at, messages in rows}
    worst = max(sum(sent.get(second, 0) for second in range(end - 59, end + 1)) for end in range(max(sent) + 1))
    row = await (await world.connection.execute(FINAL, [viral])).fetchone()
    assert row is not None
    total, announced, at = row
    assert total == announced, f"{case}: {total} likes, {announced} announced"
    window = await world.value(
        "select extract(epoch from likes.window_of(%s, s, %s))::float from likes.settings s",
        case.viewers,
        case.likes_per_second,
    )
    late = max(0.0, (at - START).total_seconds() - last)
    quiet = QUIET_POSTS * (3 + QUIET_VIEWERS) if case.quiet else 0
    return Outcome(
        share=worst / (60 * case.budget),
        lateness=late / window,
        seconds_late=late,
        exhausted=world.exhausted,
        late_first_likes=world.late_first_likes,
        naive=case.likes_per_second * SECONDS * (3 + case.viewers) + quiet,
        ours=sum(sent.values()),
    )


def cases() -> list[Case]:
    """From nobody watching to every connection of the plan."""
    found = []
    for plan, (_, connections) in PLANS.items():
        for viewers in sorted({1, min(500, connections), min(2000, connections), connections}):
            found += [Case(plan, viewers, 1, quiet=False), Case(plan, viewers, 20, quiet=True)]
        found.append(Case(plan, connections, 200, quiet=False))
    return found


async def main() -> None:
    """Print the table, and the worst of it as JSON."""
    async with scratch_database() as url, await connect(url) as connection:
        people, posts = await make_world(connection, 3000, QUIET_POSTS + 1)
        await connection.execute("create schema bench")
        await run_file(connection, "virtual_clock.sql")
        await connection.execute("set synchronous_commit = off")
        world = World(connection, people, posts)
        print("plan         viewers likes/s quiet    naive     ours  share  late  windows  exhausted")
        results = []
        for seed, case in enumerate(cases()):
            outcome = await simulate(world, case, seed)
            results.append((case, outcome))
            quiet = QUIET_POSTS if case.quiet else 0
            print(
                f"{case.plan:12} {case.viewers:7} {case.likes_per_second:7} {quiet:5}"
                f" {outcome.naive:8} {outcome.ours:8} {outcome.share:6.2f}"
                f" {outcome.seconds_late:4.1f}s {outcome.lateness:8.2f}  {'yes' if outcome.exhausted else ''}",
                flush=True,
            )
        at_500 = [outcome.naive / outcome.ours for case, outcome in results if case.viewers == 500]
        figures = {
            "worst_share_of_budget": round(max(outcome.share for _, outcome in results), 3),
            "worst_final_lateness_windows": round(
                max(outcome.lateness for _, outcome in results if not outcome.exhausted), 3
            ),
            "late_first_likes": sum(outcome.late_first_likes for _, outcome in results),
            "naive_over_ours_at_500_viewers": round(max(at_500), 1),
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main())
