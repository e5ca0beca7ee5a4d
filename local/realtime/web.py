"""The doors: WebSocket, REST broadcast and health, under the server's own paths and under those of the API gateway."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from local.realtime.core import rest
from local.realtime.core.hub import Refused
from local.realtime.core.project import Project
from local.realtime.core.questions import Steps
from local.realtime.core.socket import Socket
from local.realtime.core.text import Json, dumps
from local.realtime.engine import Connection, Engine
from local.realtime.keys import OpaqueKeys
from local.realtime.patience import Patience

MAX_FRAME: Final = 5_000_000
# An oversize frame is read to its end if it is no larger than this: only then does the goodbye reach its sender.
MAX_BUFFERED: Final = 16_000_000
MAX_BODY: Final = 8_000_000
BODY_SECONDS: Final = 30.0
TURN: Final = 32  # frames that one client may have taken before the others get their turn
ANY_ORIGIN: Final = {"access-control-allow-origin": "*"}
PREFLIGHT: Final = {
    **ANY_ORIGIN,
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "authorization, apikey, content-type, x-client-info",
}

Handle = Callable[[Project, rest.Request], Steps[rest.Response]]


class Doors:
    """The request handlers."""

    def __init__(self, engine: Engine, keys: OpaqueKeys, patience: Patience) -> None:
        self._engine = engine
        self._keys = keys
        self._patience = patience

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY, middlewares=[self._patience.note])
        router = application.router
        for prefix in ("", "/realtime/v1"):
            router.add_get(f"{prefix}/websocket", self.websocket)
            router.add_get(f"{prefix}/api/ping", self.ping)
            for path, handler in (("", self.batch), ("/{topic}/events/{event}", self.single)):
                router.add_post(f"{prefix}/api/broadcast{path}", handler)
                router.add_options(f"{prefix}/api/broadcast{path}", self.preflight)
        router.add_get("/socket/websocket", self.websocket)
        router.add_get("/healthcheck", self.health)
        return application

    async def health(self, _: web.Request) -> web.Response:
        """Ready when no committed message can be missed any more."""
        ready = self._engine.ready.is_set()
        return web.Response(text="ok" if ready else "no stream of messages", status=200 if ready else 503)

    async def ping(self, _: web.Request) -> web.Response:
        return _json(200, {"message": "Success"})

    async def preflight(self, _: web.Request) -> web.Response:
        return web.Response(headers=PREFLIGHT)

    async def batch(self, request: web.Request) -> web.Response:
        return await self._rest(rest.broadcast_batch, request)

    async def single(self, request: web.Request) -> web.Response:
        return await self._rest(rest.broadcast_one, request)

    async def _rest(self, handle: Handle, request: web.Request) -> web.Response:
        path = request.match_info
        try:
            body = await asyncio.wait_for(request.read(), BODY_SECONDS)
        except web.HTTPRequestEntityTooLarge:
            return _json(413, {"errors": {"detail": "Request Entity Too Large"}}, ANY_ORIGIN)
        except TimeoutError:
            return _json(408, {"errors": {"detail": "Request Timeout"}}, ANY_ORIGIN)
        plain = rest.Request(
            headers=self._keys.authorization(_headers(request)),
            body=body,
            topic=path.get("topic", ""),
            event=path.get("event", ""),
            private=request.query.get("private") == "true",
        )
        response = await self._engine.perform(lambda project: handle(project, plain))
        headers = {**ANY_ORIGIN, **rest.rate_headers(self._engine.hub.project)}
        return _json(response.status, response.body, headers)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Lets a client in and takes its frames until either side ends."""
        hub, query = self._engine.hub, dict(request.query)
        if "apikey" in query:
            query["apikey"] = self._keys.connect_key(query["apikey"])
        socket = hub.connect(query, _headers(request), time.time())
        if isinstance(socket, Refused):
            await asyncio.sleep(hub.project.settings.connect_backoff)
            return _json(socket.status, socket.message and {"error": socket.message})
        websocket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=MAX_BUFFERED)
        try:
            if not websocket.can_prepare(request):
                return web.Response(status=426, headers={"upgrade": "websocket"})
            await websocket.prepare(request)
            if request.transport:
                connection = self._engine.attach(socket, request.transport)
                await self._serve(websocket, socket, connection)
                if connection.closing and request.transport:
                    request.transport.close()
        finally:
            self._engine.detach(socket)
        return websocket

    async def _serve(self, websocket: web.WebSocketResponse, socket: Socket, connection: Connection) -> None:
        engine, hub, taken = self._engine, self._engine.hub, 0
        async for message in websocket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                if _is_oversize(message.data):
                    connection.close(WSCloseCode.MESSAGE_TOO_BIG)
                    engine.do(hub.disconnect(socket, time.time()))
                engine.do(hub.receive(socket, message.data, time.time()))
            elif message.type in (WSMsgType.PING, WSMsgType.PONG):
                engine.do(hub.touch(socket, time.time()))
                if message.type is WSMsgType.PING:
                    await websocket.pong(message.data)
            await engine.caught_up(socket)
            taken += 1
            if taken % TURN == 0:
                await asyncio.sleep(0)


def _is_oversize(data: str | bytes) -> bool:
    size = len(data)
    if size <= MAX_FRAME // 4 or size > MAX_FRAME or isinstance(data, bytes):
        return size > MAX_FRAME
    return len(data.encode()) > MAX_FRAME


def _headers(request: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _json(status: int, body: Json, headers: dict[str, str] | None = None) -> web.Response:
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(
        text=dumps(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
