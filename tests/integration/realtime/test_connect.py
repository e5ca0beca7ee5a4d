"""The doors over real HTTP: paths, refusals, keys, health (protocol 1)."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.integration.realtime.conftest import PUBLISHABLE_KEY, SECRET_KEY, RealtimeServer
from tests.integration.realtime.wire import Wire, mint

PATHS = ["/socket/websocket", "/realtime/v1/websocket", "/websocket"]
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, answer.headers.get("content-type", ""), await answer.text()


@pytest.mark.parametrize("path", PATHS)
async def test_all_paths_lead_in(connect: Callable[..., Any], path: str) -> None:
    wire: Wire = await connect(path=path)
    await wire.push("phoenix", "heartbeat", {}, "11")
    assert await wire.frame() == '[null,"11","phoenix","phx_reply",{"status":"ok","response":{}}]'


@pytest.mark.parametrize("path", PATHS)
async def test_a_refusal_is_json_before_the_upgrade(server: RealtimeServer, path: str) -> None:
    json = "application/json; charset=utf-8"
    assert await get(f"{server.url}{path}", UPGRADE) == (401, json, '{"error":"API key is missing"}')
    refused = (401, json, '{"error":"The token provided is not a valid JWT"}')
    assert await get(f"{server.url}{path}?apikey=x", UPGRADE) == refused
    assert (await get(f"{server.url}{path}?apikey={mint(exp=1)}", UPGRADE))[2] == '{"error":"Token has expired"}'


async def test_an_unknown_version_is_refused_without_a_body(server: RealtimeServer) -> None:
    status, _, body = await get(f"{server.url}/socket/websocket?apikey={mint()}&vsn=3.0.0", UPGRADE)
    assert (status, body) == (403, "")


async def test_a_plain_request_is_asked_to_upgrade(server: RealtimeServer) -> None:
    assert (await get(f"{server.url}/socket/websocket?apikey={mint()}"))[0] == 426


@pytest.mark.parametrize("key", [PUBLISHABLE_KEY, SECRET_KEY])
async def test_opaque_keys_stand_for_roles(connect: Callable[..., Any], key: str) -> None:
    wire: Wire = await connect(token=key)
    private = await wire.join("room:1", token=key, private=True)
    assert private["status"] == ("ok" if key == SECRET_KEY else "error")


async def test_a_stranger_key_is_no_jwt(server: RealtimeServer) -> None:
    status, _, body = await get(f"{server.url}/socket/websocket?apikey=sb_publishable_other", UPGRADE)
    assert (status, body) == (401, '{"error":"The token provided is not a valid JWT"}')


async def test_the_key_may_come_as_a_header(server: RealtimeServer) -> None:
    wire = await Wire.open(server.url, "1.0.0", token="nonsense", headers={"X-Api-Key": mint()})
    await wire.close()


async def test_no_extension_and_no_subprotocol_is_negotiated(server: RealtimeServer) -> None:
    wire = await Wire.open(server.url, "2.0.0", compress=15, protocols=["phoenix"])
    assert wire.socket.compress == 0
    assert wire.socket.protocol is None
    await wire.close()


@pytest.mark.parametrize("prefix", ["", "/realtime/v1"])
async def test_ping_and_health(server: RealtimeServer, prefix: str) -> None:
    assert (await get(f"{server.url}{prefix}/api/ping"))[::2] == (200, '{"message":"Success"}')
    async with aiohttp.ClientSession() as session, session.head(f"{server.url}{prefix}/api/ping") as answer:
        assert answer.status == 200
    assert (await get(f"{server.url}/healthcheck"))[::2] == (200, "ok")


async def test_a_refused_connection_waits_for_the_back_off(serve: Callable[..., RealtimeServer]) -> None:
    server = serve(REALTIME_CONNECT_ERROR_BACKOFF_MS="300")
    loop = asyncio.get_running_loop()
    start = loop.time()
    await get(f"{server.url}/socket/websocket", UPGRADE)
    assert loop.time() - start >= 0.3
