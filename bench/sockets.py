"""WebSocket clients that cost a benchmark next to nothing: one protocol object each, frames cut from the bytes."""

import asyncio
import json
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import quote

TEXT: Final = b"\x81"


class Client(asyncio.Protocol):
    """One raw connection with version 2 of the protocol. `heard` is told of each frame's payload."""

    def __init__(self, path: str, heard: Callable[[bytes], None]) -> None:
        self.heard = heard
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._path = path
        self._rest = b""
        self._replies: dict[str, asyncio.Future[str]] = {}

    @classmethod
    async def connect(cls, port: int, token: str, heard: Callable[[bytes], None] = lambda _: None) -> Self:
        path = f"/socket/websocket?vsn=2.0.0&apikey={quote(token)}"
        _, client = await asyncio.get_running_loop().create_connection(lambda: cls(path, heard), "127.0.0.1", port)
        await client.opened
        return client

    async def join(self, topic: str, private: bool = False, token: str | None = None) -> None:
        """Joins. Raises RuntimeError with the reply if that is refused."""
        payload = {"config": {"private": private}, "access_token": token}
        reply = await self.ask(f"realtime:{topic}", "phx_join", payload)
        if '"status":"ok"' not in reply:
            raise RuntimeError(reply)

    async def ask(self, topic: str, event: str, payload: object) -> str:
        """Pushes, and returns the reply."""
        ref = str(len(self._replies))
        reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._replies[ref] = reply
        self._send(json.dumps([ref, ref, topic, event, payload]).encode())
        return await reply

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        head = "host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        transport.write(
            f"GET {self._path} HTTP/1.1\r\n{head}sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self.opened.done():
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            if b" 101 " not in head:
                self.opened.set_exception(RuntimeError(head.decode()))
                return
            self.opened.set_result(None)
        self._rest = self._take_frames(data)

    def connection_lost(self, exc: Exception | None) -> None:
        lost = ConnectionResetError(str(exc))
        if not self.opened.done():
            self.opened.set_exception(lost)
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(lost)

    def _take_frames(self, data: bytes) -> bytes:
        """Hands out every whole frame; returns what is left."""
        start = 0
        while len(data) - start >= 2:
            size, body = data[start + 1], start + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size, body = int.from_bytes(data[body : body + width]), body + width
            if len(data) < body + size or body > len(data):
                break
            self._take(data[start : start + 1], data[body : body + size])
            start = body + size
        return data[start:]

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind == TEXT and b'"phx_reply"' in payload:
            reply = self._replies[json.loads(payload)[1]]
            reply.set_result(payload.decode())
        else:
            self.heard(payload)

    def _send(self, payload: bytes) -> None:
        """Sends a masked text frame; the mask is zero."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
        self._transport.write(TEXT + length + bytes(4) + payload)
