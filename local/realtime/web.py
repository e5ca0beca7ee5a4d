"""The doors: WebSocket, REST broadcast and health, under the server's own paths and under those of the API gateway."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, web

from local.realtime.core import rest
from local.realtime.core.hub import Refused
from local.realtime.core.project import Project
from local.realtime.core.questions import Steps
from local.realtime.core.socket import Socket
from local.realtime.core.text import Json, dumps
from local.realtime.engine import Engine
from local.realtime.keys import OpaqueKeys

MAX_FRAME: Final = 5_000_000
MAX_BODY: Final = 8_000_000
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

    def __init__(self, engine: Engine, keys: OpaqueKeys) -> None:
        self._engine = engine
        self._keys = keys

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY)
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
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _json(413, {"errors": {"detail": "Request Entity Too Large"}}, ANY_ORIGIN)
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
        websocket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=MAX_FRAME + 1, timeout=5)
        try:
            if not websocket.can_prepare(request):
                return web.Response(status=426, headers={"upgrade": "websocket"})
            await websocket.prepare(request)
            await self._serve(request, websocket, socket)
        finally:
            self._engine.detach(socket)
        return websocket

    async def _serve(self, request: web.Request, websocket: web.WebSocketResponse, socket: Socket) -> None:
        engine, hub, taken = self._engine, self._engine.hub, 0
        if request.transport is None:
            return
        engine.attach(socket, websocket, request.transport)
        async for message in websocket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                engine.do(hub.receive(socket, message.data, time.time()))
            elif message.type in (WSMsgType.PING, WSMsgType.PONG):
                engine.do(hub.touch(socket, time.time()))
                if message.type is WSMsgType.PING:
                    await websocket.pong(message.data)
            await engine.caught_up(socket)
            taken += 1
            if taken % TURN == 0:
                await asyncio.sleep(0)


def _headers(request: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _json(status: int, body: Json, headers: dict[str, str] | None = None) -> web.Response:
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(
        text=dumps(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
