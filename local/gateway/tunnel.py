"""Joins a client's connection to a part's and hands every byte across: what a WebSocket needs of a gateway.

Nothing is decoded, so that refusals, close codes, pings and binary frames arrive exactly as they were sent, at the cost
of one read and one write each.
"""

import asyncio
import weakref
from collections.abc import Callable

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL


class _End(asyncio.Protocol):
    """One end of a tunnel: what arrives here is written to the peer."""

    def __init__(self, peer: asyncio.Transport, on_close: Callable[[Exception | None], None]) -> None:
        self._peer = peer
        self._on_close = on_close

    def data_received(self, data: bytes) -> None:
        self._peer.write(data)

    # Back-pressure: as long as this end cannot take more, the peer is not read.
    def pause_writing(self) -> None:
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        self._peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer.close()  # It still sends what it was given.
        self._on_close(exc)


class Tunnels:
    """Every tunnel that is open, so that they can be closed together."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    async def join(self, request: web.Request, target: URL) -> web.StreamResponse:
        """Send the request to `target` with its headers unchanged, and hand everything across until either side closes.

        Raises:
            OSError: nothing listens at the target, or the client has gone. It has not been answered then.
        """
        loop = asyncio.get_running_loop()
        client, server_protocol = _transport(request), request.protocol
        part, _ = await loop.create_connection(
            lambda: _End(client, lambda _: None), str(target.host), target.explicit_port or 80
        )
        if client.is_closing():
            part.close()
            raise ConnectionResetError("the client has gone")
        closed = loop.create_future()

        def on_close(exc: Exception | None) -> None:
            # aiohttp learns that its connection has gone, and so sends nothing after this handler.
            server_protocol.connection_lost(exc)
            if not closed.done():
                closed.set_result(None)

        client.set_protocol(_End(part, on_close))
        self._open.add(client)
        part.write(_head(request, target))
        await closed
        return web.Response()

    def close(self) -> None:
        """Close all of them."""
        for client in list(self._open):
            client.close()


def is_upgrade(request: web.BaseRequest) -> bool:
    """Whether the client wants to leave HTTP for WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _transport(request: web.Request) -> asyncio.Transport:
    if not isinstance(request.transport, asyncio.Transport) or request.transport.is_closing():
        raise ConnectionResetError("the client has gone")
    return request.transport


def _head(request: web.Request, target: URL) -> bytes:
    headers = CIMultiDict(request.headers)
    lines = [f"GET {target.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")
