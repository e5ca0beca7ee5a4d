"""A raw WebSocket: sends and compares frames literally, knows no protocol beyond writing down a push."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import jwt

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"
PATIENCE = 20.0  # seconds; only a failing test ever waits so long


def mint(**claims: Any) -> str:
    """A token of a signed-in user, unless claims say otherwise."""
    given = {"role": "authenticated", "exp": int(time.time()) + 3600, **claims}
    return jwt.encode(given, SECRET, algorithm="HS256")


@dataclass
class Wire:
    """One connection. What is received is text, or bytes, or the close code of the server."""

    version: str
    session: aiohttp.ClientSession
    socket: aiohttp.ClientWebSocketResponse

    @classmethod
    async def open(
        cls, url: str, version: str, token: str | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> Self:
        session = aiohttp.ClientSession()
        query = {"apikey": token or mint(), "vsn": version}
        path = more.pop("path", "/socket/websocket")
        try:
            socket = await session.ws_connect(url + path, params=query, headers=headers, max_msg_size=0, **more)
        except BaseException:
            await session.close()
            raise
        return cls(version, session, socket)

    async def close(self) -> None:
        await self.socket.close()
        await self.session.close()

    async def push(
        self, topic: str, event: str, payload: Any, ref: str | None = "1", join_ref: str | None = None
    ) -> None:
        if self.version.startswith("1"):
            message: Any = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref}
        else:
            message = [join_ref, ref, topic, event, payload]
        await self.socket.send_str(json.dumps(message))

    async def join(self, topic: str, token: str | None = None, ref: str = "1", **config: Any) -> Any:
        """Joins; returns the payload of the reply."""
        access = {"access_token": token} if token else {}
        await self.push(f"realtime:{topic}", "phx_join", {"config": config, **access}, ref, ref)
        reply = await self.message()
        assert reply[3] == "phx_reply"
        return reply[4]

    async def frame(self, seconds: float = PATIENCE) -> Any:
        """The next frame: str, bytes, the code of a close, or None when the line was cut."""
        message = await asyncio.wait_for(self.socket.receive(), seconds)
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            return message.data
        return message.data if message.type is aiohttp.WSMsgType.CLOSE else None

    async def message(self) -> list[Any]:
        """The next text frame as [join_ref, ref, topic, event, payload]; version 1 has no join_ref."""
        value = json.loads(await self.frame())
        if self.version.startswith("2"):
            return list(value)
        assert set(value) == {"ref", "topic", "event", "payload"}
        return [None, value["ref"], value["topic"], value["event"], value["payload"]]

    async def silence(self) -> None:
        """Nothing was sent before the answer to a heartbeat that comes now."""
        await self.push("phoenix", "heartbeat", {}, "silence")
        message = await self.message()
        assert message[1] == "silence", message
