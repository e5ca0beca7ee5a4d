"""Somebody at a socket of the real Realtime server, who writes down every broadcast of some private channels."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import jwt
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from local.settings import JWT_SECRET
from tests.integration.engine.world import Message


class Ear:
    """What was heard so far, in order."""

    def __init__(self, socket: Connection, topics: Sequence[str]) -> None:
        self.heard: list[Message] = []
        self._socket = socket
        self._topics = topics

    def join(self, token: str) -> None:
        """Take part in all channels; the server's reply is awaited."""
        for topic in self._topics:
            payload = {"config": {"private": True}, "access_token": token}
            frame = {"topic": f"realtime:{topic}", "event": "phx_join", "payload": payload, "ref": topic}
            self._socket.send(json.dumps(frame))
            reply = json.loads(self._socket.recv(timeout=20))
            assert reply["payload"]["status"] == "ok", reply

    def listen(self) -> None:
        """Until the socket is closed."""
        try:
            for frame in self._socket:
                message = json.loads(frame)
                if message["event"] == "broadcast":
                    self._write_down(message["topic"].removeprefix("realtime:"), message["payload"])
        except ConnectionClosed:
            return

    def _write_down(self, topic: str, told: dict[str, Any]) -> None:
        self.heard.append(Message(topic, told["event"], told["payload"]))

    def has_heard(self, topic: str, count: int) -> bool:
        """Whether so many came on a channel."""
        return len(self.events(topic)) >= count

    def events(self, topic: str) -> list[Message]:
        """What was heard on one channel."""
        return [message for message in self.heard if message.topic == topic]


@contextmanager
def listening(url: str, user: UUID, topics: Sequence[str]) -> Iterator[Ear]:
    """An ear of this user for the length of the block."""
    token = token_of(user)
    with connect(f"{url}/socket/websocket?vsn=1.0.0&apikey={token}") as socket:
        ear = Ear(socket, topics)
        ear.join(token)
        thread = threading.Thread(target=ear.listen)
        thread.start()
        try:
            yield ear
        finally:
            socket.close()
            thread.join()


def token_of(user: UUID, **claims: Any) -> str:
    """What a signed-in user carries."""
    given = {"sub": str(user), "aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 3600}
    return jwt.encode({**given, **claims}, JWT_SECRET, algorithm="HS256")
