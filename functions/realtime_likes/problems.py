"""The one table from an exception to its answer, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from realtime_likes import errors
from realtime_likes.http import Response

PROBLEM_JSON = "application/problem+json"

STATUS: dict[type[errors.LikesError], HTTPStatus] = {
    errors.InvalidRequestError: HTTPStatus.BAD_REQUEST,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.BlockedError: HTTPStatus.FORBIDDEN,
    errors.ContentNotFoundError: HTTPStatus.NOT_FOUND,
    errors.UserNotFoundError: HTTPStatus.NOT_FOUND,
    errors.RouteNotFoundError: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowedError: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AuthUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.LikesError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: errors.LikesError) -> HTTPStatus:
    """The status of an error: that of its nearest ancestor in the table."""
    return next(STATUS[ancestor] for ancestor in type(error).__mro__ if ancestor in STATUS)


def problem(error: errors.LikesError, request_id: str) -> Response:
    """An error as the answer that its caller gets.

    `type` is `about:blank`, so `title` is the status' own phrase (RFC 9457, 4.2.1); `code` tells the cases apart.
    """
    status = status_of(error)
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": error.code,
        "detail": str(error),
        "request_id": request_id,
    }
    if isinstance(error, errors.InvalidRequestError) and error.errors:
        document["errors"] = [{"field": e.field, "message": e.message} for e in error.errors]
    return Response(status.value, {"content-type": PROBLEM_JSON, **_headers(error)}, json.dumps(document).encode())


def _headers(error: errors.LikesError) -> dict[str, str]:
    match error:
        case errors.RetryableError():
            return {"retry-after": str(error.retry_after)}
        case errors.MethodNotAllowedError():
            return {"allow": ", ".join(error.allow)}
        case errors.TokenMissingError():
            return {"www-authenticate": "Bearer"}
        case errors.UnauthenticatedError():
            return {"www-authenticate": 'Bearer error="invalid_token"'}
        case _:
            return {}
