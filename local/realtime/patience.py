"""Cuts connections whose first request does not come: aiohttp alone would wait for ever for the rest of its head."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


class Patience:
    """Waits so many seconds for the head of a connection's first request."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timers: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}

    def doors(self, runner: web.AppRunner) -> Callable[[], web.RequestHandler]:
        """The runner's factory of connections, with a limit to their silence."""
        server = runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")

        def connection() -> web.RequestHandler:
            protocol = server()
            loop = asyncio.get_running_loop()
            self._timers[protocol] = loop.call_later(self._seconds, self._cut, protocol)
            return protocol

        return connection

    @property
    def note(self) -> Middleware:
        """The middleware that sees the first request."""

        @web.middleware
        async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
            timer = self._timers.pop(request.protocol, None)
            if timer:
                timer.cancel()
            return await handler(request)

        return note_request

    def _cut(self, protocol: web.RequestHandler) -> None:
        del self._timers[protocol]
        if protocol.transport:
            protocol.transport.abort()
