"""Entry point for AWS Lambda: handlers of function URLs (payload format 2.0) and of the drain's schedule."""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING, Any

from realtime_likes import compose
from realtime_likes.errors import InvalidRequestError
from realtime_likes.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    Event = dict[str, Any]

# What the last poll, the last call and the metrics may take after the drain's time is up.
_DRAIN_MARGIN_SECONDS = 5.0


def likes(event: Event, _context: LambdaContext) -> Event:
    """Likes, and what one may know of them."""
    return _serve("likes", event)


def authors(event: Event, _context: LambdaContext) -> Event:
    """Who made what."""
    return _serve("authors", event)


def notifications(event: Event, _context: LambdaContext) -> Event:
    """An author's news of likes."""
    return _serve("notifications", event)


def health(event: Event, _context: LambdaContext) -> Event:
    """Is it ready?"""
    return _serve("health", event)


def drain(_event: Event, context: LambdaContext) -> dict[str, float]:
    """Drains the queue until shortly before the time limit; the schedule's event says nothing."""
    limit = context.get_remaining_time_in_millis() / 1000 - _DRAIN_MARGIN_SECONDS
    return dict(compose.drain().run(min(limit, compose.settings_of("drain").drain_seconds)))


def _serve(function: str, event: Event) -> Event:
    return _to_event(compose.application(function)(_from_event(event)))


def _from_event(event: Event) -> Request:
    return Request(
        method=event["requestContext"]["http"]["method"],
        path=event["rawPath"],
        query=event.get("rawQueryString", ""),
        headers={name.lower(): value for name, value in event.get("headers", {}).items()},
        read=_reader(event.get("body") or "", is_base64=event.get("isBase64Encoded", False)),
    )


def _reader(body: str, *, is_base64: bool) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        if not is_base64:
            return body.encode(errors="surrogatepass")[:limit]  # what is no text is judged with the rest
        try:
            return base64.b64decode(body, validate=True)[:limit]
        except binascii.Error:
            raise InvalidRequestError("The body is no valid base64.") from None

    return read


def _to_event(response: Response) -> Event:
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }


# Lambda names the handler (`aws.likes`): build it while the start-up has the full processor, and fail there if a
# setting is wrong.
if os.environ.get("AWS_LAMBDA_FUNCTION_NAME") and "." in os.environ.get("_HANDLER", ""):
    compose.build(os.environ["_HANDLER"].rpartition(".")[2])
