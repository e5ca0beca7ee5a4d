"""What does the likes function add to the database's own answer, and how does it scale?

A like through functions-framework (as the local stack runs it) and the same call on the bare PostgREST alternate in one
run. What is counted comes from the other side: requests from PostgREST's log, calls from pg_stat_statements (PostgREST
puts each in a transaction of its own and tells it the claims; that is the price of both), connections from the system.
The function talks to PostgREST directly and has no queue, so both ways differ in nothing but the function.
"""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

import jwt
import psutil
import psycopg

from bench.calls import Calls, rate, request
from bench.database import connect, make_world, scratch_stack
from local import parts
from local.settings import HOST, JWT_SECRET, Settings, role_token
from local.supervisor import Part, Supervisor
from local.tools import answers

LIKES: Final = 600
WARM_UP: Final = 60
CLIENTS: Final = (1, 4, 16)
PROCESSES: Final = 3
SECONDS: Final = 3.0
PEOPLE: Final = 500
POSTS: Final = 500
CALLS: Final = """
select coalesce(sum(calls), 0)::int from pg_stat_statements where toplevel and query ~ 'pgrst.*toggle_like'
"""


@dataclass(frozen=True)
class Side:
    """One of the two ways to like."""

    port: int
    make: Callable[[], bytes]


async def main() -> None:
    """Print each figure, and the overhead as JSON."""
    async with scratch_stack() as (settings, supervisor):
        await _start(settings, supervisor)
        async with await connect(settings.database_url("supabase_admin")) as connection:
            people, posts = await make_world(connection, PEOPLE, POSTS)
            function, bare = _function(settings, people, posts), _bare(settings, people, posts)
            await asyncio.to_thread(_alternate, function, bare, WARM_UP)
            counted = await _count(connection, settings, function)
            ours, theirs = await asyncio.to_thread(_alternate, function, bare, LIKES)
            processes = replace(function, port=settings.ports.realtime)
            scale = await asyncio.to_thread(_scale, function, processes, bare)
    print(f"{LIKES} likes each: function {_times(ours)}, bare PostgREST {_times(theirs)}")
    print("\n".join(scale))
    overhead = statistics.median(ours) - statistics.median(theirs)
    print(json.dumps({"overhead_p50_ms": round(overhead, 2), **counted}))


async def _start(settings: Settings, supervisor: Supervisor) -> None:
    rest, functions = parts.rest(settings), parts.functions(settings, "none")
    direct = {
        "REST_URL": f"http://{HOST}:{settings.ports.rest}",
        "SUPABASE_SECRET_KEY": role_token("service_role"),
        "LOG_LEVEL": "WARNING",  # its own default outside AWS
    }
    await supervisor.start(replace(rest, environment={**rest.environment, "PGRST_LOG_LEVEL": "info"}))
    functions = replace(functions, environment={**functions.environment, **direct})
    await supervisor.start(functions)
    await supervisor.start(_many(functions, settings))


def _many(functions: Part, settings: Settings) -> Part:
    """More processes of it, since one holds one interpreter lock; on the port of Realtime, which does not run here."""
    address, free = (f"{HOST}:{port}" for port in (settings.ports.functions, settings.ports.realtime))
    words = list(functions.argv)
    words[words.index("--workers") + 1] = str(PROCESSES)
    words[words.index(address)] = free
    return replace(functions, name="more functions", argv=words, ready=answers(f"http://{free}/"))


def _function(settings: Settings, people: list[UUID], posts: list[UUID]) -> Side:
    tokens = [_token(str(person)) for person in people]

    def make() -> bytes:
        body = {"content_type": "post", "content_id": str(random.choice(posts))}
        return request("/likes", {"Authorization": f"Bearer {random.choice(tokens)}"}, json.dumps(body).encode())

    return Side(settings.ports.functions, make)


def _bare(settings: Settings, people: list[UUID], posts: list[UUID]) -> Side:
    headers = {"Authorization": f"Bearer {role_token('service_role')}"}

    def make() -> bytes:
        content = {"content_type": "post", "content_id": str(random.choice(posts))}
        body = {"user_id": str(random.choice(people)), **content}
        return request("/rpc/toggle_like", headers, json.dumps(body).encode())

    return Side(settings.ports.rest, make)


def _token(user_id: str) -> str:
    claims = {"sub": user_id, "aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


def _alternate(function: Side, bare: Side, likes: int) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    with Calls(function.port) as first, Calls(bare.port) as second:
        for _ in range(likes):
            ours.append(first.post(function.make()))
            theirs.append(second.post(bare.make()))
    return ours, theirs


async def _count(connection: psycopg.AsyncConnection, settings: Settings, function: Side) -> dict[str, float]:
    """What a warm like of the function costs on the other side."""
    log = settings.folder / "logs" / "postgrest.log"
    connections, requests, calls = _connections(settings), _requests(log), await _calls(connection)
    with Calls(function.port) as client:
        for _ in range(WARM_UP):
            await asyncio.to_thread(client.post, function.make())
    return {
        "round_trips": (await _calls(connection) - calls) / WARM_UP,
        "http_requests": (_requests(log) - requests) / WARM_UP,
        "new_connections": len(_connections(settings) - connections),
    }


async def _calls(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute(CALLS)).fetchone()
    assert row is not None
    return int(row[0])


def _requests(log: Path) -> int:
    return log.read_text().count('"POST /rpc/')


def _connections(settings: Settings) -> set[int]:
    """The clients' ports of the connections to PostgREST that stand."""
    return {
        found.laddr.port
        for found in psutil.net_connections("tcp4")
        if found.laddr
        and found.raddr
        and found.raddr.port == settings.ports.rest
        and found.status == psutil.CONN_ESTABLISHED
    }


def _scale(function: Side, processes: Side, bare: Side) -> list[str]:
    ways = {"function": function, f"{PROCESSES} of it": processes, "bare PostgREST": bare}
    lines = []
    for clients in CLIENTS:
        figures = []
        for name, side in ways.items():
            psutil.cpu_percent()
            likes = rate(side.port, side.make, clients, SECONDS)
            figures.append(f"{name} {likes:.0f}/s ({psutil.cpu_percent():.0f} % of the machine busy)")
        lines.append(f"{clients:>3} clients: {', '.join(figures)}")
    return lines


def _times(milliseconds: list[float]) -> str:
    return f"p50 {statistics.median(milliseconds):.2f} ms, p99 {statistics.quantiles(milliseconds, n=100)[98]:.2f} ms"


if __name__ == "__main__":
    asyncio.run(main())
