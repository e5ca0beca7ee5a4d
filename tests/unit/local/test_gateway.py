"""The gateway between a real client and scripted parts: what passes unchanged, what is said when a part is down."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from local.gateway.app import Gateway
from local.gateway.config import GatewayConfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def unused() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@asynccontextmanager
async def gateway(
    handler: Handler | None, part: str, tmp_path: Path
) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A client and the address of a gateway one of whose parts is `handler`; the other parts are down."""
    addresses = {name: unused() for name in ("rest", "auth", "realtime", "functions")}
    application = web.Application(client_max_size=0)
    if handler is not None:
        application.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(application) as server:
        if handler is not None:
            addresses[part] = str(server.make_url("")).rstrip("/")
        config = GatewayConfig(
            host="127.0.0.1",
            port=1,
            page=tmp_path,
            publishable_key="sb_publishable_p",
            secret_key="sb_secret_s",
            anon_token="anon.jwt",
            service_token="service.jwt",
            users=[],
            **addresses,
        )
        async with served(Gateway(config).application()) as url, aiohttp.ClientSession() as session:
            yield session, url


@asynccontextmanager
async def served(application: web.Application) -> AsyncIterator[str]:
    """The address of an application that is served as `python -m local.gateway` does (aiohttp's TestServer differs)."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def echo(request: web.Request) -> web.StreamResponse:
    """Tells what arrived."""
    body = await request.text()
    return web.json_response(
        {"method": request.method, "path": request.path_qs, "headers": dict(request.headers), "body": body},
        status=201,
        headers={"X-Part": "yes", "Access-Control-Allow-Origin": "https://one.example"},
    )


# --- HTTP


async def test_method_path_query_headers_and_body_arrive_and_the_answer_comes_back(tmp_path: Path) -> None:
    async with gateway(echo, "rest", tmp_path) as (session, url):
        sent = {"Prefer": "return=minimal", "Content-Type": "text/plain"}
        async with session.patch(f"{url}/rest/v1/posts?id=eq.%2B1&a=b%20c", data="héllo", headers=sent) as answer:
            heard = await answer.json()
            assert answer.status == 201
            assert answer.headers["X-Part"] == "yes"
    assert (heard["method"], heard["path"], heard["body"]) == ("PATCH", "/posts?id=eq.%2B1&a=b%20c", "héllo")
    assert heard["headers"]["Prefer"] == "return=minimal"
    assert heard["headers"]["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    ("part", "path", "arrives"),
    [
        ("rest", "/rest/v1/", "/"),
        ("rest", "/rest/v1", "/"),
        ("rest", "/rest/v1/rpc/f", "/rpc/f"),
        ("auth", "/auth/v1/user", "/auth/v1/user"),
        ("realtime", "/realtime/v1/api/broadcast", "/api/broadcast"),
        ("functions", "/functions/v1/likes", "/likes"),
        ("functions", "/functions/v1/likes/status?a=1", "/likes/status?a=1"),
    ],
)
async def test_each_path_leads_to_its_part(tmp_path: Path, part: str, path: str, arrives: str) -> None:
    async with gateway(echo, part, tmp_path) as (session, url), session.get(url + path) as answer:
        assert (await answer.json())["path"] == arrives


async def test_keys_become_tokens_for_the_apis_but_not_for_the_functions(tmp_path: Path) -> None:
    key = {"apikey": "sb_secret_s"}
    async with gateway(echo, "rest", tmp_path) as (session, url), session.get(f"{url}/rest/v1/", headers=key) as answer:
        assert (await answer.json())["headers"]["Authorization"] == "Bearer service.jwt"
    async with (
        gateway(echo, "functions", tmp_path) as (session, url),
        session.get(f"{url}/functions/v1/likes", headers=key) as answer,
    ):
        assert "Authorization" not in (await answer.json())["headers"]


async def test_preflights_are_answered_for_the_apis_and_passed_on_to_the_functions(tmp_path: Path) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    async with (
        gateway(None, "rest", tmp_path) as (session, url),
        session.options(f"{url}/rest/v1/posts", headers=asked) as answer,
    ):
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
    async with (
        gateway(echo, "functions", tmp_path) as (session, url),
        session.options(f"{url}/functions/v1/likes", headers=asked) as answer,
    ):
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (201, "https://one.example")


async def test_any_page_may_read_an_api_whatever_the_part_allows(tmp_path: Path) -> None:
    async with gateway(echo, "rest", tmp_path) as (session, url), session.get(f"{url}/rest/v1/") as answer:
        assert answer.headers.getall("Access-Control-Allow-Origin") == ["*"]


async def test_large_bodies_pass_in_both_directions(tmp_path: Path) -> None:
    async def back(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        return response

    body = bytes(range(256)) * 20_000
    async with (
        gateway(back, "functions", tmp_path) as (session, url),
        session.post(f"{url}/functions/v1/likes", data=body) as answer,
    ):
        assert await answer.read() == body


async def test_an_answer_is_passed_on_while_it_is_still_being_written(tmp_path: Path) -> None:
    heard = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first ")
        await heard.wait()
        await response.write(b"second")
        return response

    async with (
        gateway(slow, "functions", tmp_path) as (session, url),
        session.get(f"{url}/functions/v1/likes") as answer,
    ):
        assert await asyncio.wait_for(answer.content.readany(), 5) == b"first "
        heard.set()
        assert await answer.content.read() == b"second"


async def test_redirects_encodings_and_head_are_left_to_the_client(tmp_path: Path) -> None:
    async def part(request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            raise web.HTTPFound("/elsewhere")
        response = web.Response(text="x" * 5000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with gateway(part, "rest", tmp_path) as (session, url):
        async with session.get(f"{url}/rest/v1/moved", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")
        async with session.get(f"{url}/rest/v1/packed") as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert await answer.text() == "x" * 5000
        async with session.head(f"{url}/rest/v1/plain") as answer:
            assert (answer.status, await answer.read()) == (200, b"")


async def test_times_of_auth_become_iso_8601_and_nothing_else_changes(tmp_path: Path) -> None:
    sent = '{"created_at":"2026-11-22 19:38:10.5+00","note":"2026-11-22 19:38:10+00","a_at": "2026-11-22 19:38:10+00"}'
    expected = '{"created_at":"2026-11-22T19:38:10.5Z","note":"2026-11-22 19:38:10+00","a_at": "2026-11-22T19:38:10Z"}'

    async def part(_: web.Request) -> web.StreamResponse:
        return web.Response(text=sent, content_type="application/json")

    async with gateway(part, "auth", tmp_path) as (session, url), session.get(f"{url}/auth/v1/user") as answer:
        assert await answer.text() == expected


@pytest.mark.parametrize("path", ["/rest/v1/posts", "/auth/v1/user", "/realtime/v1/api/ping", "/functions/v1/likes"])
async def test_a_part_that_is_down_is_named_with_503(tmp_path: Path, path: str) -> None:
    async with gateway(None, "rest", tmp_path) as (session, url), session.post(url + path, data=b"{}") as answer:
        assert answer.status == 503
        body = await answer.json()
        assert body["code"] == "upstream_unavailable"
        assert "/".join(path.split("/")[1:3]) in body["message"]


async def test_a_part_that_breaks_off_is_502(tmp_path: Path) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with (
        gateway(broken, "functions", tmp_path) as (session, url),
        session.post(f"{url}/functions/v1/likes", data=b"{}") as answer,
    ):
        assert answer.status == 502


async def test_a_client_that_leaves_early_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    leaving, left = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        leaving.set()
        await left.wait()
        return web.Response(text="too late")

    async with gateway(slow, "functions", tmp_path) as (session, url):
        request = asyncio.create_task(session.get(f"{url}/functions/v1/likes"))
        await asyncio.wait_for(leaving.wait(), 5)
        request.cancel()
        async with session.get(f"{url}/nothing") as answer:  # By then the gateway has noticed.
            assert answer.status == 404
        left.set()
        async with session.get(f"{url}/functions/v1/likes") as answer:
            assert await answer.text() == "too late"
    assert "Error handling request" not in caplog.text


async def test_an_unknown_path_is_404(tmp_path: Path) -> None:
    async with gateway(None, "rest", tmp_path) as (session, url), session.get(f"{url}/functions/v1/") as answer:
        assert answer.status == 404


# --- sockets


async def repeat(request: web.Request) -> web.StreamResponse:
    """A socket that says back what it hears; told `close`, it closes with a code and a reason."""
    if request.query.get("apikey") == "bad":
        return web.json_response({"error": "no"}, status=401)
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    await answer.send_json({"path": request.path, "apikey": request.query.get("apikey")})
    async for message in answer:
        if message.data == "close":
            await answer.close(code=4123, message=b"enough")
        elif message.type is aiohttp.WSMsgType.BINARY:
            await answer.send_bytes(message.data)
        else:
            await answer.send_str(message.data)
    return answer


async def test_a_socket_carries_text_and_bytes_and_translates_the_key(tmp_path: Path) -> None:
    async with (
        gateway(repeat, "realtime", tmp_path) as (session, url),
        session.ws_connect(f"{url}/realtime/v1/websocket?apikey=sb_publishable_p&vsn=2.0.0") as client,
    ):
        assert await client.receive_json() == {"path": "/socket/websocket", "apikey": "anon.jwt"}
        await client.send_str("héllo")
        assert await client.receive_str() == "héllo"
        await client.send_bytes(b"\x03\x00")
        assert await client.receive_bytes() == b"\x03\x00"


async def test_the_parts_close_code_and_reason_reach_the_client(tmp_path: Path) -> None:
    async with (
        gateway(repeat, "realtime", tmp_path) as (session, url),
        session.ws_connect(f"{url}/realtime/v1/websocket") as client,
    ):
        await client.receive()
        await client.send_str("close")
        message = await client.receive()
        assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4123, "enough")


async def test_the_clients_close_code_reaches_the_part(tmp_path: Path) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def part(request: web.Request) -> web.StreamResponse:
        server = web.WebSocketResponse()
        await server.prepare(request)
        async for _ in server:
            pass
        codes.put_nowait(server.close_code)
        return server

    async with gateway(part, "realtime", tmp_path) as (session, url):
        async with session.ws_connect(f"{url}/realtime/v1/websocket") as client:
            await client.close(code=4001)
        assert await asyncio.wait_for(codes.get(), 5) == 4001


async def test_a_refused_socket_keeps_its_status_and_the_gateway_serves_on(tmp_path: Path) -> None:
    async with gateway(repeat, "realtime", tmp_path) as (session, url):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(f"{url}/realtime/v1/websocket?apikey=bad")
        assert refusal.value.status == 401
        async with session.ws_connect(f"{url}/realtime/v1/websocket") as client:
            await client.receive()


async def test_a_socket_whose_part_is_down_is_refused_with_503(tmp_path: Path) -> None:
    async with gateway(None, "realtime", tmp_path) as (session, url):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(f"{url}/realtime/v1/websocket")
        assert refusal.value.status == 503


async def test_megabytes_pass_a_socket_in_order(tmp_path: Path) -> None:
    async with (
        gateway(repeat, "realtime", tmp_path) as (session, url),
        session.ws_connect(f"{url}/realtime/v1/websocket", max_msg_size=0) as client,
    ):
        await client.receive()
        frames = [bytes([number]) * 200_000 for number in range(30)]
        sending = asyncio.create_task(_send_all(client, frames))
        for frame in frames:
            assert await client.receive_bytes() == frame
        await sending


async def _send_all(client: aiohttp.ClientWebSocketResponse, frames: list[bytes]) -> None:
    for frame in frames:
        await client.send_bytes(frame)
