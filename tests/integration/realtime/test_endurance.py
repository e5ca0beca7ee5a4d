"""What the server has to survive: restarts, floods, slow and silent clients, oversize frames (protocol 1.7, 6)."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import psutil
import pytest

from tests.integration.realtime.conftest import ROOT, Database, RealtimeServer, wait_until
from tests.integration.realtime.wire import Wire, mint

Connect = Callable[..., Any]
Serve = Callable[..., RealtimeServer]
UNAVAILABLE = "UnableToConnectToProject: Realtime was unable to connect to the project database"


class TestClosing:
    async def test_a_silent_client_is_closed(self, serve: Serve, connect: Connect, version: str) -> None:
        wire: Wire = await connect(version, to=serve(REALTIME_IDLE_TIMEOUT_MS="400"))
        for _ in range(4):
            await asyncio.sleep(0.2)  # a ping is a sign of life
            await wire.socket.ping()
        await wire.silence()
        assert await wire.frame() == 1000

    async def test_a_stopping_server_says_to_come_again(self, serve: Serve, connect: Connect, version: str) -> None:
        server = serve()
        wires = [await connect(version, to=server) for _ in range(3)]
        for wire in wires:
            await wire.join("room:1", private=True)
        server.process.send_signal(signal.SIGTERM)
        assert [await wire.frame() for wire in wires] == [1012] * 3
        assert await asyncio.to_thread(server.process.wait, 10) == 0

    async def test_a_frame_of_five_megabytes_is_the_largest(self, connect: Connect, version: str) -> None:
        wire: Wire = await connect(version)
        await wire.socket.send_str("x" * 5_000_000)
        await wire.silence()
        await wire.socket.send_str("x" * 5_000_001)
        assert await wire.frame() == 1009

    async def test_fragments_add_up(self, server: RealtimeServer) -> None:
        reader, writer = await upgrade(server)
        fragment = masked(b"x" * 2_000_000)[1:]
        writer.write(b"\x01" + fragment + b"\x00" + fragment + b"\x80" + fragment)
        assert await close_code(reader) == 1009
        writer.close()

    @pytest.mark.parametrize(
        ("frame", "code"), [(b"\x83\x80xxxx", 1002), (b"\xf1\x80xxxx", 1002), (b"\x81\x81\0\0\0\0\xff", 1007)]
    )
    async def test_a_violation_of_the_protocol_ends_the_socket(
        self, server: RealtimeServer, frame: bytes, code: int
    ) -> None:
        reader, writer = await upgrade(server)
        writer.write(frame)
        assert await close_code(reader) == code
        writer.close()


class TestDatabaseRestart:
    async def test_channels_live_on_and_messages_flow_again(
        self, serve: Serve, connect: Connect, database: Database, version: str
    ) -> None:
        server = serve()
        wire: Wire = await connect(version, to=server)
        await wire.join("room:1", private=True)
        database.stop()
        refused = (await wire.join("room:2", ref="2"))["response"]["reason"]
        while refused != UNAVAILABLE:  # the end of the stream has to arrive first
            refused = (await wire.join("room:2", ref="2"))["response"]["reason"]
        assert not server.healthy()
        assert await post_private(server) == (422, '{"message":"Tenant database unavailable"}')
        database.start()
        await asyncio.to_thread(wait_until, server.healthy)
        database.run("select realtime.send('{}', 'again', 'room:1')")
        assert "again" in str(await wire.frame())
        assert await post_private(server) == (202, "")
        assert "posted" in str(await wire.frame())
        assert (await wire.join("room:2", private=True, ref="2"))["status"] == "ok"

    async def test_a_server_may_start_before_its_database(self, database: Database, connect: Connect) -> None:
        database.stop()
        starting = asyncio.create_task(asyncio.to_thread(RealtimeServer, database))
        await asyncio.sleep(0.5)
        assert not starting.done()
        database.start()
        server = await starting
        wire: Wire = await connect(to=server)
        assert (await wire.join("room:1", private=True))["status"] == "ok"
        await wire.close()
        assert server.stop() == 0

    async def test_todays_partition_is_missed_with_its_name(self, connect: Connect, database: Database) -> None:
        wire: Wire = await connect()
        [(today,)] = database.run("select to_char(now(), 'YYYY_MM_DD')")
        database.run(f"drop table realtime.messages_{today}")
        refused = (await wire.join("room:1", private=True))["response"]["reason"]
        while refused == UNAVAILABLE:  # a test before this one restarts the database: the server may be on its way back
            refused = (await wire.join("room:1", private=True))["response"]["reason"]
        database.run("select realtime.maintain_partitions()")
        assert refused == "MissingPartition: Realtime was unable to find the expected messages partition"
        assert (await wire.join("room:1", private=True))["status"] == "ok"


class TestBadCompany:
    """One client misbehaves; the others are served, and memory stays what it was."""

    async def test_a_flood_of_messages(self, connect: Connect, server: RealtimeServer, version: str) -> None:
        flooder, other = await connect(version), await connect(version)
        await flooder.join("room:flood", private=True)
        await other.join("room:calm")
        before = memory(server)

        async def flood() -> None:
            for number in range(10_000):
                await flooder.push("realtime:room:flood", "broadcast", {"n": number})
            await flooder.silence()

        flooding, beats = asyncio.create_task(flood()), 0
        while not flooding.done():
            await other.silence()
            beats += 1
        await flooding
        assert beats > 10
        assert memory(server) - before < 30

    async def test_a_flood_of_joins(self, connect: Connect, server: RealtimeServer, version: str) -> None:
        flooder, other = await connect(version), await connect(version)
        before = memory(server)

        async def replies() -> None:
            seen = 0
            while seen < 1000:
                seen += (await flooder.message())[3] == "phx_reply"

        for number in range(1000):
            join = {"config": {"private": True}}
            await flooder.push(f"realtime:room:{number % 50}", "phx_join", join, str(number), str(number))
        answering, beats = asyncio.create_task(replies()), 0
        while not answering.done():
            await other.silence()
            beats += 1
        await answering
        assert beats > 10
        assert memory(server) - before < 30

    async def test_a_storm_of_presence_ends_its_channel(self, connect: Connect, version: str) -> None:
        flooder, other = await connect(version), await connect(version)
        await flooder.join("storm")
        await other.join("calm")
        for number in range(500):
            await flooder.push("realtime:storm", "presence", {"event": "track", "payload": {"n": number}})
        await other.silence()
        seen = [(await flooder.message())[3] for _ in range(10)]
        assert seen.count("presence_diff") == 5
        assert (await flooder.message())[4]["message"] == "Client presence rate limit exceeded"

    async def test_a_slow_reader_is_dropped(self, serve: Serve, connect: Connect) -> None:
        server = serve(REALTIME_MAX_BUFFER_BYTES="1000000")
        fast: Wire = await connect(to=server)
        await fast.join("room:1")
        reader, writer = await upgrade(server)  # reads no more than its own small buffer
        writer.write(masked(b'{"topic":"realtime:room:1","event":"phx_join","payload":{},"ref":"1"}'))
        await reader.readuntil(b"phx_reply")
        before = memory(server)
        url, headers = f"{server.url}/api/broadcast/room:1/events/e", {"authorization": f"Bearer {mint()}"}
        async with aiohttp.ClientSession() as session:
            for _ in range(30):
                async with session.post(url, headers=headers, json={"x": "y" * 1_000_000}) as answer:
                    assert answer.status == 202
                await fast.frame()
        assert memory(server) - before < 60
        assert len(await asyncio.wait_for(reader.read(), 20)) < 20_000_000  # what the kernel had taken, then the end
        writer.close()

    async def test_a_half_done_upgrade_is_dropped(self, serve: Serve) -> None:
        server = serve(REALTIME_HEADER_TIMEOUT_MS="300")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /socket/websocket HTTP/1.1\r\nhost: x\r\n")
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()

    async def test_a_socket_that_dies_takes_nothing_with_it(self, connect: Connect) -> None:
        watcher, dying = await connect(), await connect()
        for key, wire in (("watcher", watcher), ("dying", dying)):
            await wire.join("deaths", presence={"enabled": True, "key": key})
            await wire.message()
        await dying.push("realtime:deaths", "presence", {"event": "track", "payload": {}})
        assert list((await watcher.message())[4]["joins"]) == ["dying"]
        dying.socket._response.connection.transport.abort()
        assert list((await watcher.message())[4]["leaves"]) == ["dying"]


class TestLimits:
    async def test_a_plan_brings_its_limits(self, serve: Serve, connect: Connect) -> None:
        server = serve(REALTIME_PLAN="free", REALTIME_MAX_CONCURRENT_USERS="1", REALTIME_CHANNEL_ERROR_BACKOFF_MS="1")
        wire, other = await connect(to=server), await connect(to=server)
        await wire.join("room:1", broadcast={"ack": True})
        await wire.push("realtime:room:1", "broadcast", {"payload": "x" * 256_500})
        assert (await wire.message())[4] == {"status": "error", "response": "payload_size_exceeded"}
        reply = await other.join("room:1")
        assert reply["response"]["reason"] == "ConnectionRateLimitReached: Too many connected users"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await connect(to=server)
        assert refused.value.status == 429

    async def test_over_the_rate_of_events_receivers_are_closed(self, serve: Serve, connect: Connect) -> None:
        server = serve(REALTIME_MAX_EVENTS_PER_SECOND="10")
        wire: Wire = await connect(to=server)
        await wire.join("room:1", broadcast={"self": True})
        closed: list[Any] = []
        while len(closed) < 2:
            await wire.push("realtime:room:1", "broadcast", {})
            message = await wire.message()
            closed += [message[4]] if message[3] in ("system", "phx_close") else []
        assert closed[0]["message"] == "Too many messages per second"

    def test_a_senseless_setting_is_refused_at_the_start(self, database: Database) -> None:
        environment = {"REALTIME_PORT": "1", "REALTIME_DB_URL": database.url(), "REALTIME_JWT_SECRET": "x"}
        command = [sys.executable, "-m", "local.realtime"]
        refused = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | environment | {"REALTIME_PLAN": "golden"},
            capture_output=True,
            check=False,
        )
        assert refused.returncode == 1
        assert refused.stderr == b"realtime: bad setting REALTIME_PLAN is 'golden', not one of off, free, pro, team\n"


async def post_private(server: RealtimeServer) -> tuple[int, str]:
    url, headers = (
        f"{server.url}/api/broadcast/room:1/events/posted?private=true",
        {"authorization": f"Bearer {mint()}"},
    )
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers, json={}) as answer:
        return answer.status, await answer.text()


def memory(server: RealtimeServer) -> float:
    """Resident megabytes of the server."""
    return float(psutil.Process(server.process.pid).memory_info().rss / 1e6)


async def upgrade(server: RealtimeServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection after the handshake, for frames that no library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = [
        f"GET /socket/websocket?apikey={mint()} HTTP/1.1",
        "host: localhost",
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101")
    return reader, writer


def masked(data: bytes) -> bytes:
    """A client's text frame, with a mask of zeros."""
    return b"\x81\xff" + struct.pack("!Q", len(data)) + bytes(4) + data


async def close_code(reader: asyncio.StreamReader) -> int:
    head = await asyncio.wait_for(reader.readexactly(4), 20)
    assert head[0] == 0x88
    return int(struct.unpack("!H", head[2:])[0])
