"""The frame around the handlers of one function: everything that is the same for all requests.

Request id, CORS, routing, the answer to every error, security headers, the log line and the figures.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from realtime_likes.errors import InternalError, LikesError, RateLimitedError
from realtime_likes.observability import request_logged
from realtime_likes.ports import Figure, Figures
from realtime_likes.problems import problem, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.logging import Logger

    from realtime_likes.cors import Cors
    from realtime_likes.http import Request, Response
    from realtime_likes.routing import Router

_SANE_ID = re.compile(r"[A-Za-z0-9_.:-]{8,64}")
# The answers are a user's own and no documents: not to be kept, sniffed, framed or run.
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
}


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Application:
    """One function: give it a request, get its answer. It never raises."""

    router: Router
    cors: Cors
    log: Logger
    figures: Figures
    clock: Callable[[], float] = field(default=time.perf_counter)
    new_id: Callable[[], str] = field(default=_new_id)

    def __call__(self, request: Request) -> Response:
        """The answer, with all headers that every answer has."""
        request_id = self._request_id(request)
        started = self.clock()
        with request_logged(self.log, request_id):
            response, code = self._answer(request, request_id)
            self._note(request, response, code, 1000 * (self.clock() - started))
            self.figures.flush()
        if request.method == "HEAD":
            response = replace(response, body=b"")
        common = {**SECURITY_HEADERS, **self.cors.headers(request), "x-request-id": request_id}
        return response.with_headers(common)

    def _request_id(self, request: Request) -> str:
        offered = request.headers.get("x-request-id", "")
        # it goes to logs and back to the caller, so it may be nothing but an id
        return offered if _SANE_ID.fullmatch(offered) else self.new_id()

    def _answer(self, request: Request, request_id: str) -> tuple[Response, str | None]:
        try:
            if request.method == "OPTIONS":
                return self.cors.preflight(request, self.router.methods(request.path)), None
            return self.router.handler(request.method, request.path)(request), None
        except LikesError as error:
            self._note_error(error)
            return problem(error, request_id), error.code
        except Exception:
            self.log.exception("an unexpected error")
            return problem(InternalError(), request_id), InternalError.code

    def _note_error(self, error: LikesError) -> None:
        if isinstance(error, RateLimitedError):
            self.figures.add(Figure.RATE_LIMITED)
        if isinstance(error, InternalError):
            self.log.error("a broken contract", exc_info=error)
        elif status_of(error) >= 500:
            self.log.warning("not possible now", extra={"code": error.code, "cause": _cause(error)})

    def _note(self, request: Request, response: Response, code: str | None, milliseconds: float) -> None:
        self.figures.add(Figure.REQUEST_MILLISECONDS, milliseconds)
        # 0 or 1 for each request, so that the average is the error rate that an alarm watches
        self.figures.add(Figure.SERVER_ERRORS, int(response.status >= 500))
        if 400 <= response.status < 500:
            self.figures.add(Figure.CLIENT_ERRORS)
        self.log.info(
            "answered",
            extra={
                "method": request.method[:20],
                "path": request.path[:100],
                "status": response.status,
                "code": code,
                "milliseconds": round(milliseconds, 1),
            },
        )


def _cause(error: BaseException) -> str:
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}"[:300]
