"""Broadcasting over real HTTP (protocol 3.2, 3.3)."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.integration.realtime.conftest import PUBLISHABLE_KEY, SECRET_KEY, RealtimeServer
from tests.integration.realtime.wire import Wire, mint

Connect = Callable[..., Any]
PREFIXES = ["", "/realtime/v1"]


async def post(
    server: RealtimeServer, path: str, body: Any, headers: dict[str, str] | None = None, token: str | None = None
) -> tuple[int, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"authorization": f"Bearer {token or mint()}", "content-type": "application/json", **(headers or {})}
    async with aiohttp.ClientSession() as session, session.post(server.url + path, data=data, headers=given) as answer:
        assert answer.headers["access-control-allow-origin"] == "*"
        return answer.status, await answer.text()


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_batch_reaches_public_and_private_rooms(
    server: RealtimeServer, connect: Connect, version: str, prefix: str
) -> None:
    wire: Wire = await connect(version)
    await wire.join("room:batch", private=True)
    message = {"topic": "room:batch", "event": "e", "payload": {"a": 1}, "private": True}
    batch = {"messages": [message, {**message, "topic": "read:1"}]}
    assert await post(server, f"{prefix}/api/broadcast", batch) == (202, "")
    payload = {"event": "e", "payload": {"a": 1}, "type": "broadcast"}
    assert await wire.message() == [None, None, "realtime:room:batch", "broadcast", payload]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_path_segments_are_percent_decoded(
    server: RealtimeServer, connect: Connect, version: str, prefix: str
) -> None:
    wire: Wire = await connect(version)
    await wire.join("room:a/b ü?#")
    path = f"{prefix}/api/broadcast/room%3Aa%2Fb%20%C3%BC%3F%23/events/e%2Ff%25"
    assert await post(server, path, {"a": 1}) == (202, "")
    frame = await wire.frame()
    if version == "1.0.0":
        assert json.loads(frame)["payload"] == {"event": "e/f%", "payload": {"a": 1}, "type": "broadcast"}
    else:
        assert frame[5:] == 'realtime:room:a/b ü?#e/f%{"a":1}'.encode()


@pytest.mark.parametrize(
    ("topic", "token", "answer"),
    [
        ("room:1", mint(), (202, "")),
        ("read:1", mint(), (403, '{"message":"Unauthorized"}')),
        ("read:1", mint(role="service_role"), (202, "")),
        ("room:1", mint(role="no_such_role"), (422, '{"message":"RLS policy error"}')),
    ],
)
async def test_a_private_message_needs_a_grant(server: RealtimeServer, topic: str, token: str, answer: Any) -> None:
    assert await post(server, f"/api/broadcast/{topic}/events/e?private=true", {}, token=token) == answer


async def test_bytes_are_sent_as_bytes(server: RealtimeServer, connect: Connect) -> None:
    wire: Wire = await connect("2.0.0")
    await wire.join("room:1")
    kind = {"content-type": "application/octet-stream"}
    assert (await post(server, "/api/broadcast/room:1/events/e", b"\x00\xff", kind))[0] == 202
    assert await wire.frame() == b"\x04\x0f\x01\x00\x00realtime:room:1e\x00\xff"


async def test_refusals_in_their_order(server: RealtimeServer) -> None:
    single = "/api/broadcast/room:1/events/e"
    bad = {"authorization": "Bearer x"}
    assert (await post(server, single, {}, {"content-type": "text/plain", **bad}))[0] == 415
    assert await post(server, single, {}, bad) == (401, '{"message":"Unauthorized"}')
    assert await post(server, "/api/broadcast", {}, bad) == (401, '{"message":"Unauthorized"}')
    assert (await post(server, "/api/broadcast", b"{"))[0] == 400
    assert await post(server, "/api/broadcast", {}) == (422, '{"errors":{"messages":["can\'t be blank"]}}')
    assert await post(server, "/api/broadcast/%20/events/e", {}) == (422, '{"errors":{"topic":["can\'t be blank"]}}')


async def test_a_body_over_eight_megabytes_is_refused(server: RealtimeServer) -> None:
    assert (await post(server, "/api/broadcast", b" " * 8_000_001))[0] == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"apikey": SECRET_KEY}, 202),
        ({"apikey": PUBLISHABLE_KEY}, 403),
        ({"authorization": f"Bearer {SECRET_KEY}", "apikey": SECRET_KEY}, 202),
        ({"apikey": mint(role="service_role")}, 202),
        ({"apikey": "sb_secret_other"}, 401),
        ({"authorization": mint(role="service_role")}, 202),
    ],
)
async def test_keys(server: RealtimeServer, headers: dict[str, str], status: int) -> None:
    url = f"{server.url}/api/broadcast/read:1/events/e?private=true"
    async with aiohttp.ClientSession() as session, session.post(url, json={}, headers=headers) as answer:
        assert answer.status == status


async def test_browsers_may_ask_first(server: RealtimeServer) -> None:
    url = f"{server.url}/realtime/v1/api/broadcast"
    async with aiohttp.ClientSession() as session, session.options(url) as answer:
        assert answer.ok
        assert "authorization" in answer.headers["access-control-allow-headers"]


async def test_the_rate_is_told(server: RealtimeServer) -> None:
    headers = {"authorization": f"Bearer {mint()}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/api/broadcast", headers=headers) as answer,
    ):
        assert {"x-rate-rolling", "x-rate-limit", "x-rate-limit-remaining"} <= {name.lower() for name in answer.headers}
