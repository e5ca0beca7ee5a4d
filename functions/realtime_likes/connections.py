"""Kept HTTP/1.1 connections by the standard library's client: httpx' own cost a third of a warm like.

It does for every request what nothing here needs (redirects, cookies, hooks, an event for each piece of a message).
What stays of it is its exceptions and its `Response`, which the postgrest package reads.
"""

from __future__ import annotations

import select
import time
from collections import defaultdict, deque
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx

from realtime_likes import __version__

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

# A like takes a few ms; whoever waits longer than this sees an error and tries again with the same intent.
TIMEOUT: Final = httpx.Timeout(5.0, connect=2.0)
# Longer than the pause between two requests of a function in use, shorter than any gateway keeps an idle connection.
KEPT_SECONDS: Final = 30.0
MOST_KEPT: Final = 32
_PORTS: Final = {"http": 80, "https": 443}
# Some firewalls turn away who does not say these.
_ALWAYS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"realtime-likes/{__version__}",
}
# postgrest looks there for whether it asked for a count, which our calls never do.
_ASKED: Final = httpx.Request("POST", "http://database/")


class Http(Protocol):
    """Sends a request and waits for the answer. Raises `httpx.TransportError`."""

    def request(self, method: str, url: str, *, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """The answer, decompressed, whatever its status."""
        ...


class Server(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


class Connections:
    """To any servers, for any number of threads. What breaks is not tried again here, and proxies are not known."""

    def __init__(self, tls: ssl.SSLContext, timeout: httpx.Timeout = TIMEOUT) -> None:
        tls.set_alpn_protocols(["http/1.1"])
        self.timeout = timeout
        self._tls = tls
        # the one that was used last is at the end
        self._kept: dict[Server, deque[tuple[float, HTTPConnection]]] = defaultdict(deque)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for kept in self._kept.values():
            for _, connection in kept:
                connection.close()

    def request(  # noqa: PLR0913 - as postgrest calls httpx
        self,
        method: str,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str],
        params: httpx.QueryParams | None = None,
        auth: None = None,  # noqa: ARG002 - the headers carry it
    ) -> httpx.Response:
        """The answer, decompressed, whatever its status. Raises `httpx.TransportError` and `httpx.DecodingError`.

        A `httpx.ConnectError` or `httpx.ConnectTimeout` has carried nothing to the server; any other may have.
        """
        server, target = _place(f"{url}?{params}" if params else url)
        connection = self._take(server) or self._connect(server)
        try:
            connection.request(method, target, content, {**_ALWAYS, **headers})
            answer = connection.getresponse()
            body = _read(answer)
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            raise _broken(error) from error
        if answer.will_close or len(self._kept[server]) >= MOST_KEPT:
            connection.close()
        else:
            self._kept[server].append((time.monotonic(), connection))
        received = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.getheaders()]
        return httpx.Response(answer.status, headers=received, content=body, request=_ASKED)

    def _take(self, server: Server) -> HTTPConnection | None:
        kept = self._kept[server]
        while True:
            try:
                since, connection = kept.pop()
            except IndexError:
                return None
            if time.monotonic() - since < KEPT_SECONDS and not _has_ended(connection):
                return connection
            connection.close()

    def _connect(self, server: Server) -> HTTPConnection:
        if server.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(
                server.host, server.port, timeout=self.timeout.connect, context=self._tls
            )
        else:
            connection = HTTPConnection(server.host, server.port, timeout=self.timeout.connect)
        try:
            connection.connect()
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        connection.sock.settimeout(self.timeout.read)
        connection.auto_open = 0  # what the server closed is not opened again behind our back
        return connection


@lru_cache(maxsize=64)
def _place(url: str) -> tuple[Server, str]:
    """The server, and what to ask it for. Raises `httpx.UnsupportedProtocol`."""
    parts = urlsplit(url)
    host, usual = parts.hostname, _PORTS.get(parts.scheme)
    if not host or usual is None:
        raise httpx.UnsupportedProtocol("The URL must begin with http:// or https:// and a host.")
    server = Server(parts.scheme, host, parts.port or usual)
    return server, f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _read(answer: HTTPResponse) -> bytes:
    if answer.status < 200:
        # it would be taken for the last word, and the real answer for that to the next request
        raise HTTPException(f"an interim answer that nobody asked for: {answer.status}")
    return answer.read()


def _broken(error: OSError | HTTPException | ValueError) -> httpx.TransportError:
    if isinstance(error, ValueError):  # a header that holds what would end it
        return httpx.LocalProtocolError(str(error))
    if isinstance(error, HTTPException):
        return httpx.RemoteProtocolError(str(error))
    return httpx.ReadTimeout(str(error)) if isinstance(error, TimeoutError) else httpx.ReadError(str(error))


def _has_ended(connection: HTTPConnection) -> bool:
    """Whether an idle connection has something to say, which can only be that the server closed it."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
