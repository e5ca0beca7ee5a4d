"""Passes an HTTP request on to the part that serves it, and streams the answer back."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

# RFC 9110 section 7.6.1: these speak of one connection only. Host and the rest are made anew.
_HOP_BY_HOP: Final = (
    *("Host", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection"),
    *("TE", "Trailer", "Transfer-Encoding", "Upgrade"),
)
# Request bodies up to here are sent in one piece, which saves a system call each; larger ones are streamed.
_SMALL: Final = 65536

_TIME: Final = re.compile(rb'("\w+_at":\s*"\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00"')


def new_session() -> aiohttp.ClientSession:
    """A session that changes nothing: follows no redirect, unpacks nothing, keeps no cookies, adds no headers."""
    return aiohttp.ClientSession(
        # The parts keep idle connections for longer than this, so none is closed under a request that is on its way.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    )


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers that are meant for the other end."""
    kept = CIMultiDict(headers)
    for name in _HOP_BY_HOP:
        kept.popall(name, None)
    return kept


@dataclass(frozen=True)
class Forward:
    """What is asked of a part, and what is changed in its answer: the headers by `adjust`, the body by `rewrite`."""

    target: URL
    headers: CIMultiDict[str]
    adjust: Callable[[CIMultiDict[str]], None] = lambda _: None
    rewrite: Callable[[bytes], bytes] | None = None


async def forward(session: aiohttp.ClientSession, request: web.Request, what: Forward) -> web.StreamResponse:
    """The part's answer to the request. A part that is down becomes 503, one that breaks off 502, with a sentence."""
    body = await _body(request)
    try:
        answer = await session.request(
            request.method, what.target, headers=what.headers, data=body, allow_redirects=False
        )
    except aiohttp.ClientConnectorError:
        return failure(request, 503, "is not running")
    except (aiohttp.ClientError, OSError):
        return failure(request, 502, "broke off before it answered")
    async with answer:
        try:
            return await _pass_back(request, answer, what)
        except ConnectionResetError:  # The client has gone: nobody is left to be answered.
            return web.Response()


def iso_times(body: bytes) -> bytes:
    """lite's times (`2026-11-22 19:38:10+00`) as GoTrue writes them: supabase-py insists on ISO 8601."""
    return _TIME.sub(rb'\1T\2Z"', body)


async def _body(request: web.Request) -> aiohttp.StreamReader | bytes | None:
    if not request.body_exists:
        return None
    if request.content_length is not None and request.content_length <= _SMALL:
        return await request.read()
    return request.content


async def _pass_back(request: web.Request, answer: aiohttp.ClientResponse, what: Forward) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers))
    what.adjust(response.headers)
    if what.rewrite is not None:
        return await _pass_back_rewritten(request, response, what.rewrite(await answer.read()))
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


async def _pass_back_rewritten(request: web.Request, response: web.StreamResponse, body: bytes) -> web.StreamResponse:
    if request.method != "HEAD":
        response.content_length = len(body)
    await response.prepare(request)
    await response.write_eof(body)
    return response


def failure(request: web.Request, status: int, what_happened: str) -> web.Response:
    """The answer of a part that cannot answer itself, readable for any page."""
    part = "/".join(request.path.split("/")[1:3])
    message = f"The part of the local stack behind /{part} {what_happened}: see its log in .local/logs."
    headers = {"Access-Control-Allow-Origin": "*"}
    return web.json_response({"code": "upstream_unavailable", "message": message}, status=status, headers=headers)
