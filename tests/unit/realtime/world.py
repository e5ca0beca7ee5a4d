"""A server core without sockets: tests push frames, move the clock, say what policies say, read what comes out."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import jwt

from local.realtime.core.effects import Ask, Close, Deliver, Effect
from local.realtime.core.frames import V1, Frame
from local.realtime.core.hub import Hub, Refused
from local.realtime.core.project import Database
from local.realtime.core.questions import Answer, Fault, Grant, Question, ReadPolicies, Replay, Steps, Stored
from local.realtime.core.rest import Response
from local.realtime.core.settings import Settings
from local.realtime.core.socket import Socket
from local.realtime.core.tokens import Verifier

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"
START = 1_800_000_000.0
VERSIONS = ("1.0.0", "2.0.0")


def mint(secret: str = SECRET, headers: dict[str, Any] | None = None, algorithm: str = "HS256", **claims: Any) -> str:
    """A token that is good for an hour, unless claims say otherwise; a claim of None is left out."""
    claims = {"role": "authenticated", "exp": int(START) + 3600, **claims}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm, headers=headers)


@dataclass
class Message:
    """A text frame, whatever its version; V1 has no join_ref."""

    event: str
    payload: Any
    ref: Any
    join_ref: Any
    topic: str


@dataclass
class Binary:
    """A frame of kind 4."""

    topic: str
    event: str
    meta: Any
    is_json: bool
    body: bytes


class Ids:
    """Presence refs and keys in a row, so that tests can foretell them."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def presence_ref(self) -> str:
        return f"ref{next(self._numbers)}"

    def presence_key(self) -> str:
        return f"key{next(self._numbers)}"


class Client:
    """One connection; `received` collects what came and was not taken yet."""

    def __init__(self, world: "World", socket: Socket) -> None:
        self.world = world
        self.socket = socket
        self.v1 = isinstance(socket.codec, V1)
        self.received: deque[Message | Binary] = deque()
        self.closed: list[int | None] = []
        self._refs = count(1)

    def send(self, data: str | bytes) -> None:
        self.world.do(self.world.hub.receive(self.socket, data, self.world.now))

    def push(self, topic: str, event: str, payload: Any, ref: Any = "r", join_ref: Any = None) -> None:
        if self.v1:
            self.send(
                json.dumps({"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref})
            )
        else:
            self.send(json.dumps([join_ref, ref, topic, event, payload]))

    def join(self, topic: str = "room", payload: Any = None, **config: Any) -> list[Any]:
        """Joins, and returns what came back. The join_ref is `j`, `j2`, …"""
        number = next(self._refs)
        ref = "j" if number == 1 else f"j{number}"
        payload = {"config": config} if payload is None else payload
        self.push(f"realtime:{topic}", "phx_join", payload, ref, ref)
        return self.take()

    def track(self, payload: Any, topic: str = "room", event: str = "track") -> None:
        self.push(f"realtime:{topic}", "presence", {"type": "presence", "event": event, "payload": payload}, "t")

    def cast(self, payload: Any, topic: str = "room", ref: Any = "b") -> None:
        """A text broadcast with this payload under event `e`."""
        self.push(f"realtime:{topic}", "broadcast", {"type": "broadcast", "event": "e", "payload": payload}, ref)

    def take(self) -> list[Any]:
        taken, self.received = list(self.received), deque()
        return taken

    def take_events(self) -> list[str]:
        return [message.event for message in self.take()]

    def take_payloads(self) -> list[Any]:
        return [message.payload for message in self.take() if isinstance(message, Message)]

    def accept(self, frame: Frame) -> None:
        self.received.append(_binary(frame.data) if frame.binary else self._text(frame.data))

    def _text(self, data: bytes) -> Message:
        value = json.loads(data)
        if self.v1:
            assert set(value) == {"ref", "topic", "event", "payload"}
            return Message(value["event"], value["payload"], value["ref"], None, value["topic"])
        join_ref, ref, topic, event, payload = value
        return Message(event, payload, ref, join_ref, topic)


class World:
    """A server, its clock and its database."""

    def __init__(self, database: Database = Database.UP, jwks: Sequence[dict[str, Any]] = (), **settings: Any) -> None:
        self.now = START
        self.hub = Hub(Settings(**settings), Verifier(SECRET, jwks), Ids(), START)
        self.clients: dict[Socket, Client] = {}
        self.asked: list[Question] = []
        self.pending: list[Ask] = []  # questions that wait for `answer`, while not `prompt`
        self.prompt = True
        self.policies: Callable[[Question], Grant | Fault] = lambda _: Grant(True, True)
        self.stored: Sequence[Stored] | Fault = []
        self.do(self.hub.database_is(database, self.now))

    def client(self, version: str = "2.0.0", token: str | None = None, **headers: str) -> Client:
        socket = self.hub.connect({"vsn": version, "apikey": token or mint()}, headers, self.now)
        assert isinstance(socket, Socket), socket
        self.clients[socket] = Client(self, socket)
        return self.clients[socket]

    def refusal(self, **parameters: str) -> Refused | Socket:
        return self.hub.connect({"vsn": "1.0.0", **parameters}, {}, self.now)

    def leave(self, client: Client) -> None:
        self.do(self.hub.disconnect(client.socket, self.now))

    def wait(self, seconds: float) -> None:
        """Lets time pass, timer by timer."""
        end = self.now + seconds
        while self.hub.next_tick <= end:
            self.now = max(self.now, self.hub.next_tick)
            self.do(self.hub.tick(self.now))
        self.now = end

    def commit(self, payload: str | bytes | None = '{"a":1}', **columns: Any) -> None:
        row = {"id": "id-1", "topic": "room", "private": False, "event": "e", **columns}
        self.do(self.hub.committed(Stored(payload=payload, **row), self.now))

    def rest(self, handler: Callable[..., Steps[Response]], *arguments: Any) -> Response:
        results: list[Response] = []

        def steps() -> Steps[None]:
            results.append((yield from handler(self.hub.project, *arguments)))

        self.do(self.hub.perform(steps(), self.now))
        return results[0]

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Deliver(frame, sockets):
                    for socket in sockets:
                        assert not self.clients[socket].closed, "sent after the end"
                        self.clients[socket].accept(frame)
                case Close(socket, code):
                    self.clients[socket].closed.append(code)
                case Ask() if self.prompt:
                    self.answer(effect)
                case Ask():
                    self.pending.append(effect)

    def answer(self, ask: Ask) -> None:
        self.asked.append(ask.question)
        self.do(self.hub.answer(ask.answered, self._answer(ask.question), self.now))

    def _answer(self, question: Question) -> Answer:
        if isinstance(question, Replay):
            return self.stored
        answer = self.policies(question)
        asked = not isinstance(question, ReadPolicies) or question.presence
        return answer if isinstance(answer, Fault) or asked else Grant(answer.broadcast, None)


def reason(message: Any) -> str:
    """Why a join was refused."""
    assert isinstance(message, Message)
    assert message.payload["status"] == "error"
    return str(message.payload["response"]["reason"])


def user_push(
    event: str, body: bytes, *, is_json: bool, topic: str = "room", ref: str = "b", meta: bytes = b""
) -> bytes:
    """A frame of kind 3."""
    fields = [b"", ref.encode(), f"realtime:{topic}".encode(), event.encode(), meta]
    return bytes([3, *map(len, fields), int(is_json)]) + b"".join(fields) + body


def _binary(data: bytes) -> Binary:
    assert data[0] == 4
    sizes, start, fields = data[1:4], 5, []
    for size in sizes:
        fields.append(data[start : start + size].decode())
        start += size
    return Binary(fields[0], fields[1], json.loads(fields[2] or "null"), data[4] == 1, data[start:])
