"""Cross-origin rules (the Fetch standard's CORS protocol), answered here and nowhere else: two answers break browsers.

An origin that is not on the list gets no CORS header, which makes its browser refuse; the request itself is served as
any other, since CORS protects users of browsers and is no authentication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime_likes.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

# What supabase-js and our client send. `authorization` must be named: a wildcard does not cover it.
_REQUEST_HEADERS = "apikey, authorization, content-type, x-client-info, x-request-id"
_EXPOSED_HEADERS = "retry-after, x-request-id"
# Two hours is the most that Chromium honours.
_MAX_AGE = "7200"


@dataclass(frozen=True, slots=True)
class Cors:
    """The allowed origins; `*` stands for all."""

    origins: frozenset[str]

    def headers(self, request: Request) -> Mapping[str, str]:
        """What every answer to this request carries, so that the page of an allowed origin may read it."""
        origin = self._allowed(request)
        if origin is None:
            return {"vary": "Origin"}
        return {
            "vary": "Origin",
            "access-control-allow-origin": origin,
            "access-control-expose-headers": _EXPOSED_HEADERS,
        }

    def preflight(self, request: Request, methods: tuple[str, ...]) -> Response:
        """The answer to `OPTIONS`: 204, with permission if the origin has it."""
        if self._allowed(request) is None or "access-control-request-method" not in request.headers:
            return Response(204, {"allow": ", ".join(methods)})
        return Response(
            204,
            {
                "vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
                "access-control-allow-methods": ", ".join(methods),
                "access-control-allow-headers": _REQUEST_HEADERS,
                "access-control-max-age": _MAX_AGE,
            },
        )

    def _allowed(self, request: Request) -> str | None:
        origin = request.headers.get("origin")
        if origin is None:
            return None
        if "*" in self.origins:
            return "*"
        return origin if origin in self.origins else None
