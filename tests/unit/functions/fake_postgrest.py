"""A real HTTP server that answers as PostgREST and Auth's JWKS do, over the in-memory database; it fails when told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

from tests.unit.functions.fake_likes import FakeLikes, RefusalError

SECRET_KEY = "sb_secret_for_tests_only"
PUBLISHABLE_KEY = "sb_publishable_for_tests_only"
JWT_SECRET = "a-secret-of-tests-that-is-at-least-32-bytes-long"
SERVICE_ONLY = {
    "toggle_like",
    "settle_likes",
    "unsettled_likes",
    "reconcile_like_counts",
    "prune_likes",
    "like_metrics",
}

Reply = tuple[int, bytes, dict[str, str]]
Fault = Callable[["_Handler"], Reply | None]


class FakePostgrest:
    """Runs on a free port; `faults` are used up first, one per request."""

    def __init__(self, likes: FakeLikes) -> None:
        self.likes = likes
        self.faults: list[Fault] = []
        self.jwks: list[dict[str, Any]] = []
        self.jwks_status = 200
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail_next(self, status: int, body: Any, headers: dict[str, str] | None = None, *, times: int = 1) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, bytes) else "application/json"
        self.faults += [lambda _: (status, raw, {"content-type": kind, **(headers or {})})] * times

    def drop_next(self, *, after_doing: bool = False) -> None:
        """Closes the connection instead of answering, before or after the work is done."""

        def fault(handler: _Handler) -> None:
            if after_doing:
                handler.work()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)

        self.faults.append(fault)

    def hang_next(self) -> None:
        """Says nothing until the server stops."""

        def fault(handler: _Handler) -> None:
            self.stopped.wait(30)
            handler.close_connection = True

        self.faults.append(fault)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: FakePostgrest

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self.owner.lock:
            self.owner.connections += 1
        return connection, address

    def handle_error(self, *_: Any) -> None:
        """A connection that a test cut is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        owner = self.server.owner
        body = json.dumps({"keys": owner.jwks}).encode()
        self._reply((owner.jwks_status, body, {"content-type": "application/json"}))

    def do_POST(self) -> None:
        owner = self.server.owner
        self.raw = self.rfile.read(int(self.headers["content-length"]))
        with owner.lock:
            owner.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            fault = owner.faults.pop(0) if owner.faults else None
        reply = fault(self) if fault else self.work()
        if reply is not None:
            self._reply(reply)

    def work(self) -> Reply:
        name = self.path.rpartition("/")[2]
        with self.server.owner.lock:
            self.server.owner.likes.calls[name] += 1
            try:
                return 200, json.dumps(self._call(name)).encode(), {"content-type": "application/json"}
            except RefusalError as refusal:
                return _refuse(refusal)
            except jwt.PyJWTError:
                return 401, b'{"code":"PGRST301","message":"JWT expired","details":null,"hint":null}', {}

    def _call(self, name: str) -> Any:
        function, params, token = getattr(self.server.owner.likes, name), json.loads(self.raw), self._token()
        if name in SERVICE_ONLY:
            assert token == SECRET_KEY
            return function(**params)
        if token == PUBLISHABLE_KEY:
            return function(None, **params)
        # which signatures are good is tested at the function's own door; PostgREST's leeway is 30 s
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": True}, leeway=30)
        return function(claims["sub"], **params)

    def _token(self) -> str:
        assert self.headers["apikey"] in (SECRET_KEY, PUBLISHABLE_KEY)
        return str(self.headers["authorization"]).removeprefix("Bearer ")

    def _reply(self, reply: Reply) -> None:
        status, body, headers = reply
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _refuse(refusal: RefusalError) -> Reply:
    details = None if refusal.retry_after is None else json.dumps({"retry_after": refusal.retry_after})
    body = {"code": f"PT{refusal.status}", "message": refusal.word, "details": details, "hint": None}
    headers = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    return refusal.status, json.dumps(body).encode(), {"content-type": "application/json", **headers}
