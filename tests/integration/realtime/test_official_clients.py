"""The official clients cannot tell: supabase-js in Node and in Chromium, realtime for Python (protocol 7)."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.sync_api import sync_playwright
from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates
from realtime.types import RealtimeChannelOptions

from tests.integration.realtime.conftest import ROOT, Database, RealtimeServer
from tests.integration.realtime.wire import mint

HERE = Path(__file__).parent


def environment(server: RealtimeServer, version: str) -> dict[str, Any]:
    me = str(uuid4())
    tokens = {"me": mint(sub=me), "other": mint(sub=str(uuid4()))}
    return {"url": server.url, "key": mint(role="anon"), "tokens": tokens, "me": me, "vsn": version}


def assert_well_played(story: dict[str, Any], me: str, version: str) -> None:
    denied = f"Unauthorized: You do not have permissions to read from this Channel topic: user:{me}"
    assert story["own"] == {"status": "SUBSCRIBED", "reason": None}
    assert story["foreign"] == {"status": "CHANNEL_ERROR", "reason": denied}
    assert story["sent"] == "ok"
    assert story["received"] == {"type": "broadcast", "event": "hello", "payload": {"text": "ü"}}
    assert story["echo"] == 0
    assert story.get("bytes") == ([0, 255] if version == "2.0.0" else None)
    assert story["database"]["event"] == "real"
    assert story["database"]["meta"] == {"id": "string"}
    assert story["sameId"] == "string"
    assert story["http"] == {"success": True}
    assert story["posted"] == {"type": "broadcast", "event": "posted", "payload": {"n": 2}}
    assert story["postRefused"] == "Unauthorized"
    assert story["tracked"] == "ok"
    assert story["moods"][0] == "guest came with good"
    assert sorted(story["moods"][1:3]) == ["guest came with better", "guest left with good"]
    assert story["moods"][3] == "guest left with better"
    assert story["replayed"]["meta"] == {"id": "string", "replayed": True}
    assert story["replayed"]["payload"]["n"] == 3
    assert (story["removed"], story["closed"], story["again"]) == ("ok", "CLOSED", "SUBSCRIBED")


def test_supabase_js_in_node(server: RealtimeServer, database: Database, version: str) -> None:
    settings = environment(server, version)
    command = ["node", str(HERE / "official_node.mjs")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            told = json.loads(line)
            if "story" in told:
                return assert_well_played(told["story"], settings["me"], version)
            database.run(told["sql"])
            process.stdin.write("null\n")
            process.stdin.flush()
    pytest.fail("the play broke off")


def test_supabase_js_in_chromium(server: RealtimeServer, database: Database, version: str, tmp_path: Path) -> None:
    settings = environment(server, version)
    bundle = tmp_path / "page.js"
    esbuild = ROOT / "node_modules/.bin/esbuild"
    page_source = HERE / "official_page.mjs"
    subprocess.run([esbuild, page_source, "--bundle", "--log-level=error", f"--outfile={bundle}"], check=True)
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{server.url}/healthcheck")
        page.expose_function("sql", lambda statement: database.run(statement) and None)
        page.add_script_tag(path=bundle)
        story = page.evaluate("settings => window.run(settings)", settings)
        browser.close()
    assert_well_played(story, settings["me"], version)


class TestRealtimeForPython:
    """It speaks version 1 only."""

    @pytest_asyncio.fixture
    async def client(self, server: RealtimeServer) -> AsyncIterator[AsyncRealtimeClient]:
        client = AsyncRealtimeClient(f"{server.url}/realtime/v1", mint(role="anon"))
        await client.connect()
        yield client
        await client.remove_all_channels()
        await client.close()

    def channel(self, client: AsyncRealtimeClient, topic: str, **config: Any) -> AsyncRealtimeChannel:
        # The client's type wants every option; the client itself does not.
        return client.channel(topic, cast(RealtimeChannelOptions, {"config": {"private": True, **config}}))

    async def subscribe(self, channel: AsyncRealtimeChannel) -> tuple[RealtimeSubscribeStates, str]:
        told: asyncio.Queue[tuple[RealtimeSubscribeStates, str]] = asyncio.Queue()
        await channel.subscribe(lambda state, error: told.put_nowait((state, str(error))))
        return await asyncio.wait_for(told.get(), 20)

    async def test_the_right_user_joins_and_the_wrong_one_is_told_why(self, client: AsyncRealtimeClient) -> None:
        me, other = str(uuid4()), str(uuid4())
        await client.set_auth(mint(sub=me))
        mine = await self.subscribe(self.channel(client, f"user:{me}"))
        theirs = await self.subscribe(self.channel(client, f"user:{other}"))
        assert mine[0] is RealtimeSubscribeStates.SUBSCRIBED
        assert theirs[0] is RealtimeSubscribeStates.CHANNEL_ERROR
        assert f"Unauthorized: You do not have permissions to read from this Channel topic: user:{other}" in theirs[1]

    async def test_messages_of_clients_and_of_the_database(
        self, client: AsyncRealtimeClient, database: Database
    ) -> None:
        await client.set_auth(mint())
        heard: asyncio.Queue[Any] = asyncio.Queue()
        channel = self.channel(client, "room:py", broadcast={"self": True})
        channel.on_broadcast("said", heard.put_nowait)
        channel.on_broadcast("sent", heard.put_nowait)
        assert (await self.subscribe(channel))[0] is RealtimeSubscribeStates.SUBSCRIBED
        await channel.send_broadcast("said", {"a": 1})
        assert await asyncio.wait_for(heard.get(), 20) == {"event": "said", "payload": {"a": 1}}
        database.run("select realtime.send('{\"b\": 2}', 'sent', 'room:py')")
        sent = await asyncio.wait_for(heard.get(), 20)
        assert (sent["event"], sent["payload"]["b"]) == ("sent", 2)
        assert sent["meta"]["id"] == sent["payload"]["id"]

    async def test_presence(self, client: AsyncRealtimeClient) -> None:
        await client.set_auth(mint())
        seen: asyncio.Queue[Any] = asyncio.Queue()
        channel = self.channel(client, "room:py-presence", presence={"key": "me"})
        channel.on_presence_join(lambda key, _, new: seen.put_nowait(("join", key, dict(new[0])["mood"])))
        channel.on_presence_leave(lambda key, _, left: seen.put_nowait(("leave", key, dict(left[0])["mood"])))
        await self.subscribe(channel)
        await channel.track({"mood": "good"})
        assert await asyncio.wait_for(seen.get(), 20) == ("join", "me", "good")
        await channel.untrack()
        assert await asyncio.wait_for(seen.get(), 20) == ("leave", "me", "good")
