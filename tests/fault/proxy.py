"""A door between a function and what it calls, where a test decides what becomes of each request."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import httpx

# How long a test waits for a request that must come, in seconds.
_PATIENCE: Final = 30.0
# What a proxy does not hand on: these speak of one connection, not of the request.
_HOP_BY_HOP: Final = {"connection", "host", "content-length", "transfer-encoding", "keep-alive", "content-encoding"}


@dataclass(frozen=True)
class Request:
    """What a function asks; `name` is the SQS action or the SQL function, or the path's last segment."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def name(self) -> str:
        action = self.headers.get("x-amz-target", "").rpartition(".")[2]
        return action or self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Forward = Callable[[Request], Answer]
# What becomes of a request; None: the connection breaks without an answer.
Rule = Callable[[Request, Forward], Answer | None]


def pass_on(request: Request, forward: Forward) -> Answer | None:
    """As if there were no proxy."""
    return forward(request)


def hang_up(_request: Request, _forward: Forward) -> Answer | None:
    """As if nobody were there."""
    return None


class Hold:
    """A rule that stops the requests of one name before they are passed on, or after, with their answers in hand."""

    def __init__(self, name: str, *, after: bool = False, count: int = 1) -> None:
        self._name = name
        self._after = after
        self._missing = count
        self._changed = threading.Condition()
        self._fate: str | None = None

    def __call__(self, request: Request, forward: Forward) -> Answer | None:
        if request.name != self._name or self._fate is not None:
            return forward(request)
        answer = forward(request) if self._after else None
        with self._changed:
            self._missing -= 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._fate is not None, _PATIENCE)
        if self._fate != "go":
            return None
        return answer or forward(request)

    def wait(self) -> None:
        """Return when as many as wanted are here."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._missing <= 0, _PATIENCE), f"no {self._name} came"

    def release(self) -> None:
        """Let them go on, all at once."""
        self._decide("go")

    def lose(self) -> None:
        """Those that were not passed on never are; no answer arrives."""
        self._decide("lost")

    def _decide(self, fate: str) -> None:
        with self._changed:
            self._fate = fate
            self._changed.notify_all()


class Proxy:
    """A running door; `rule` may be changed at any time, and counts for requests that come from then on."""

    def __init__(self, upstream: str) -> None:
        self.rule: Rule = pass_on
        self._upstream = upstream
        self._http = httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=None))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def forward(self, request: Request) -> Answer:
        answer = self._http.request(
            request.method, self._upstream + request.path, content=request.body, headers=dict(request.headers)
        )
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
            self._http.close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            kept = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
            try:
                answer = proxy.rule(Request(self.command, self.path, kept, body), proxy.forward)
            except httpx.TransportError:
                answer = None  # the server behind has gone: so has the connection
            if answer is None:
                self.close_connection = True
                return
            self._reply(answer)

        def _reply(self, answer: Answer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            try:
                self.wfile.write(answer.body)
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the function was killed meanwhile

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
