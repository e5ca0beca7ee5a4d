"""Is the local Realtime server as fast as Supabase's own on such a machine?

One process is the server, one (this) plays all clients, beside the database on the same cores. Fan-out and latency
start at the call of `realtime.send`, so they contain the commit, the log, the server and the socket.
"""

import asyncio
import json
import os
import re
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import aiohttp
import jwt
import psutil
import psycopg

from bench.database import ROOT, connect, scratch_database
from bench.sockets import Client
from local.settings import JWT_SECRET

SOCKETS: Final = 2000
FANOUT: Final = 1000
FANOUT_ROUNDS: Final = 20
CROWD: Final = 500  # sockets of the sustained load
SECONDS: Final = 5
JOINERS: Final = 40
JOINS: Final = 25  # of each joiner

# What the real server did on such a machine beside a Python load generator.
REAL: Final = {
    "fanout_1000_p50_ms": 52,
    "fanout_1000_p99_ms": 150,
    "load_p50_ms": 40,
    "load_p99_ms": 89,
    "public_joins_per_s": 625,
}


class Meter:
    """Latencies of numbered messages, in milliseconds."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.latencies: list[float] = []
        self._wanted = 0
        self._complete = asyncio.Event()

    def expect(self, count: int) -> None:
        """From now on, so many deliveries are awaited."""
        self.latencies.clear()
        self._wanted = count
        self._complete.clear()

    def heard(self, payload: bytes) -> None:
        now = time.perf_counter()
        found = re.search(rb'"n": (\d+)', payload)
        if found:
            self.latencies.append((now - self.sent[int(found[1])]) * 1000)
            if len(self.latencies) == self._wanted:
                self._complete.set()

    async def complete(self) -> None:
        """Waits until every delivery is there. Raises TimeoutError if one is lost."""
        await asyncio.wait_for(self._complete.wait(), 60)


class Sender:
    """Numbers the messages that it broadcasts from the database."""

    def __init__(self, connection: psycopg.AsyncConnection, meter: Meter) -> None:
        self._connection = connection
        self._meter = meter
        self._number = 0

    async def send(self, topic: str) -> None:
        self._number += 1
        self._meter.sent[self._number] = time.perf_counter()
        payload = json.dumps({"n": self._number, "text": "x" * 200})
        await self._connection.execute("select realtime.send(%s, 'tick', %s, false)", [payload, topic])


def token(subject: str | None = None) -> str:
    claims = {"role": "authenticated", "exp": int(time.time()) + 3600, "sub": subject or str(uuid4())}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


@asynccontextmanager
async def server(database_url: str) -> AsyncIterator[tuple[int, psutil.Process]]:
    """A running server: its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "REALTIME_PORT": str(port),
        "REALTIME_DB_URL": database_url.replace("//postgres:", "//supabase_admin:"),
        "REALTIME_JWT_SECRET": JWT_SECRET,
    }
    command = [sys.executable, "-m", "local.realtime"]
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment, cwd=ROOT)
    try:
        await _healthy(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _healthy(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            try:
                async with session.get(f"http://127.0.0.1:{port}/healthcheck") as answer:
                    if answer.ok:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)
    raise TimeoutError("the server does not answer")


async def idle(port: int, process: psutil.Process, meter: Meter) -> tuple[list[Client], dict[str, float]]:
    """Many sockets with a channel each, and one heartbeat of all at once."""
    clients: list[Client] = []
    key = token()
    for _ in range(SOCKETS // 100):
        clients += await asyncio.gather(*(Client.connect(port, key, meter.heard) for _ in range(100)))
    await asyncio.gather(*(client.join(_topic(number)) for number, client in enumerate(clients)))
    start = time.perf_counter()
    await asyncio.gather(*(client.ask("phoenix", "heartbeat", {}) for client in clients))
    heartbeats = (time.perf_counter() - start) * 1000
    return clients, {"rss_mb_2000_sockets": process.memory_info().rss / 1e6, "heartbeats_2000_ms": heartbeats}


def _topic(number: int) -> str:
    return "fan" if number < FANOUT else "crowd" if number < FANOUT + CROWD else "idle"


async def fan_out(sender: Sender, meter: Meter) -> dict[str, float]:
    """One broadcast to a thousand sockets, again and again."""
    meter.expect(FANOUT * FANOUT_ROUNDS)
    for _ in range(FANOUT_ROUNDS):
        await sender.send("fan")
        await asyncio.sleep(0.3)
    await meter.complete()
    return _percentiles("fanout_1000", meter.latencies)


async def steady_load(sender: Sender, meter: Meter) -> dict[str, float]:
    """10,000 deliveries a second, as the real server was measured."""
    count = 20 * SECONDS
    meter.expect(count * CROWD)
    start = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(start + number / 20 - time.perf_counter(), 0))
        await sender.send("crowd")
    await meter.complete()
    return _percentiles("load", meter.latencies)


async def full_load(sender: Sender, meter: Meter) -> dict[str, float]:
    """As many deliveries a second as there can be."""
    count = 40 * SECONDS
    meter.expect(count * CROWD)
    start = time.perf_counter()
    for _ in range(count):
        await sender.send("crowd")
    await meter.complete()
    return {"deliveries_per_s": count * CROWD / (time.perf_counter() - start)}


async def light_load(port: int, sender: Sender, meter: Meter) -> dict[str, float]:
    client = await Client.connect(port, token(), meter.heard)
    await client.join("light")
    meter.expect(200)
    for _ in range(200):
        await sender.send("light")
        await asyncio.sleep(0.01)
    await meter.complete()
    client.close()
    return _percentiles("commit_to_frame", meter.latencies)


async def joins(port: int) -> dict[str, float]:
    """Private joins, each decided by the policies of our migrations; and public ones."""
    key = token()
    clients = await asyncio.gather(*(Client.connect(port, key) for _ in range(JOINERS)))
    users = [[str(uuid4()) for _ in range(JOINS)] for _ in clients]
    tokens = {user: token(user) for group in users for user in group}

    async def join_own(client: Client, group: Sequence[str]) -> None:
        await asyncio.gather(*(client.join(f"user:{user}", private=True, token=tokens[user]) for user in group))

    start = time.perf_counter()
    await asyncio.gather(*(join_own(client, group) for client, group in zip(clients, users, strict=True)))
    private = JOINERS * JOINS / (time.perf_counter() - start)
    start = time.perf_counter()
    await asyncio.gather(*(client.join(f"public:{number}") for client in clients for number in range(JOINS)))
    public = JOINERS * JOINS / (time.perf_counter() - start)
    for client in clients:
        client.close()
    return {"joins_per_s": private, "public_joins_per_s": public}


def _percentiles(name: str, latencies: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(latencies, n=100)
    return {f"{name}_p50_ms": cuts[49], f"{name}_p99_ms": cuts[98]}


async def measure() -> dict[str, float]:
    meter = Meter()
    async with scratch_database() as url, server(url) as (port, process), await connect(url) as connection:
        sender = Sender(connection, meter)
        figures = await light_load(port, sender, meter)
        figures |= await joins(port)
        clients, memory = await idle(port, process, meter)
        figures |= memory
        figures |= await fan_out(sender, meter)
        figures |= await steady_load(sender, meter)
        figures |= await full_load(sender, meter)
        figures["rss_mb_after"] = process.memory_info().rss / 1e6
        for client in clients:
            client.close()
    return figures


def main() -> None:
    figures = asyncio.run(measure())
    for name, figure in figures.items():
        real = REAL.get(name)
        beside = f"   the real server {real}: {figure / real:.2f} times" if real else ""
        print(f"{name:24} {figure:10.1f}{beside}")
    print(json.dumps({name: round(figure, 1) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
