"""The doors: WebSocket and health, under the paths of the server itself and under those of the API gateway."""

import asyncio
import time
from typing import Final

from aiohttp import WSMsgType, web

from local.realtime.core.hub import Refused
from local.realtime.core.socket import Socket
from local.realtime.core.text import dumps
from local.realtime.engine import Engine

MAX_FRAME: Final = 5_000_000
MAX_BODY: Final = 8_000_000
TURN: Final = 32  # frames that one client may have taken before the others get their turn


class Doors:
    """The request handlers."""

    def __init__(self, engine: Engine, connect_backoff: float) -> None:
        self._engine = engine
        self._backoff = connect_backoff

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY)
        for prefix in ("", "/realtime/v1"):
            application.router.add_get(f"{prefix}/websocket", self.websocket)
            application.router.add_get(f"{prefix}/api/ping", self.ping)
        application.router.add_get("/socket/websocket", self.websocket)
        application.router.add_get("/healthcheck", self.health)
        return application

    async def health(self, _: web.Request) -> web.Response:
        """Ready when no committed message can be missed any more."""
        ready = self._engine.ready.is_set()
        return web.Response(text="ok" if ready else "no stream of messages", status=200 if ready else 503)

    async def ping(self, _: web.Request) -> web.Response:
        return _json(200, "message", "Success")

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Lets a client in and takes its frames until either side ends."""
        hub, headers = self._engine.hub, {name.lower(): value for name, value in request.headers.items()}
        socket = hub.connect(request.query, headers, time.time())
        if isinstance(socket, Refused):
            await asyncio.sleep(self._backoff)
            return (
                web.Response(status=socket.status)
                if socket.message is None
                else _json(socket.status, "error", socket.message)
            )
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
            elif message.type is WSMsgType.PING:
                await websocket.pong(message.data)
                engine.do(hub.touch(socket, time.time()))
            elif message.type is WSMsgType.PONG:
                engine.do(hub.touch(socket, time.time()))
            await engine.caught_up(socket)
            taken += 1
            if taken % TURN == 0:
                await asyncio.sleep(0)


def _json(status: int, key: str, message: str) -> web.Response:
    return web.Response(text=dumps({key: message}), status=status, content_type="application/json", charset="utf-8")
