"""The HTTP connections of the functions: urllib3's pool, behind what postgrest asks of an httpx client.

httpx' own client, which does for every request what nothing here needs, cost a third of a warm like. What stays of
httpx is its exceptions and its `Response`, which the postgrest package reads.
"""

from __future__ import annotations

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
    URLSchemeUnknown,
)

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
# Some firewalls turn away who does not say these.
_ALWAYS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"realtime-likes/{__version__}",
}
# postgrest looks there for whether it asked for a count, which our calls never do.
_ASKED: Final = httpx.Request("POST", "http://database/")
_FIRST_FINAL_STATUS: Final = 200
# The first that fits: urllib3 counts a refused connection among those that took too long.
_ERRORS: Final = (
    ((NewConnectionError, ProxyError, SSLError), httpx.ConnectError),
    (ConnectTimeoutError, httpx.ConnectTimeout),
    (ReadTimeoutError, httpx.ReadTimeout),
    (DecodeError, httpx.DecodingError),
    ((LocationValueError, URLSchemeUnknown), httpx.UnsupportedProtocol),
    (ValueError, httpx.LocalProtocolError),
)


class Http(Protocol):
    """Sends a request and waits for the answer. Raises `httpx.TransportError`."""

    def request(self, method: str, url: str, *, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """The answer, decompressed, whatever its status."""
        ...


class Connections:
    """To any servers, for any number of threads, by the environment's proxies. What breaks is not tried again here."""

    # postgrest asks for it where a request has no Authorization
    auth: None = None

    def __init__(self, tls: ssl.SSLContext, timeout: httpx.Timeout = TIMEOUT) -> None:
        self.timeout = timeout
        self._tls = tls
        self._used_at = time.monotonic()
        # by proxy
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._let_go()

    def request(  # noqa: PLR0913 - as postgrest calls httpx
        self,
        method: str,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str],
        params: httpx.QueryParams | None = None,
        auth: None = None,  # noqa: ARG002
    ) -> httpx.Response:
        """The answer, decompressed, whatever its status. Raises `httpx.TransportError` and `httpx.DecodingError`.

        A `httpx.ConnectError` or `httpx.ConnectTimeout` has carried nothing to the server; any other may have.
        """
        if params:
            url = f"{url}?{params}"
        try:
            answer = self._pool(url).urlopen(method, url, redirect=False, body=content, headers={**_ALWAYS, **headers})
            if answer.status < _FIRST_FINAL_STATUS:
                # it would be taken for the last word, and the real answer for that to the next request
                self._let_go()
                raise urllib3.exceptions.ProtocolError(f"an interim answer that nobody asked for: {answer.status}")
        except (HTTPError, ValueError) as error:  # a ValueError: a header that holds a line break
            raise _broken(error) from error
        return httpx.Response(answer.status, headers=_received(answer), content=answer.data, request=_ASKED)

    def _pool(self, url: str) -> urllib3.PoolManager:
        now = time.monotonic()
        if now - self._used_at > KEPT_SECONDS:
            self._let_go()  # a gateway may have forgotten them without a word
        self._used_at = now
        pools, proxy = self._pools, _proxy(url)
        if proxy not in pools:
            make = urllib3.PoolManager if proxy is None else partial(urllib3.ProxyManager, proxy)
            pools[proxy] = make(
                ssl_context=self._tls,
                maxsize=MOST_KEPT,
                retries=False,
                timeout=urllib3.Timeout(connect=self.timeout.connect, read=self.timeout.read),
            )
        return pools[proxy]

    def _let_go(self) -> None:
        # not closed, since another thread may be about to use one: the last one to do so closes them
        self._pools = {}


@lru_cache(maxsize=64)
def _proxy(url: str) -> str | None:
    """The environment's proxy for a URL."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _received(answer: urllib3.BaseHTTPResponse) -> list[tuple[bytes, bytes]]:
    # decompressed already; in the encoding in which they came
    return [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers.items()
        if name.lower() != "content-encoding"
    ]


def _broken(error: HTTPError | ValueError) -> httpx.TransportError | httpx.DecodingError:
    for kinds, ours in _ERRORS:
        if isinstance(error, kinds):
            return ours(str(error))
    return httpx.RemoteProtocolError(str(error))
