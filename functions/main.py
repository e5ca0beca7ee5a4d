"""Entry point for functions-framework (the local stack, Cloud Run functions): one target per function.

    functions-framework --target likes --source functions/main.py --host 127.0.0.1 --port 8081

`drain` answers when it is done, after DRAIN_SECONDS; call it by a scheduler, and let nobody else reach it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import flask

from realtime_likes import compose
from realtime_likes.http import Request, Response
from realtime_likes.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


def likes(request: flask.Request) -> flask.Response:
    """Likes, and what one may know of them."""
    return _to_flask(compose.application("likes")(_from_flask(request)))


def authors(request: flask.Request) -> flask.Response:
    """Who made what."""
    return _to_flask(compose.application("authors")(_from_flask(request)))


def notifications(request: flask.Request) -> flask.Response:
    """An author's news of likes."""
    return _to_flask(compose.application("notifications")(_from_flask(request)))


def health(request: flask.Request) -> flask.Response:
    """Is it ready?"""
    return _to_flask(compose.application("health")(_from_flask(request)))


def drain(_request: flask.Request) -> Mapping[str, float]:
    """Drains the queue for DRAIN_SECONDS and answers with what it counted."""
    return compose.drain().run(compose.settings_of("drain").drain_seconds)


def _from_flask(request: flask.Request) -> Request:
    return Request(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("latin-1"),
        headers={name.lower(): value for name, value in request.headers.items()},
        read=request.stream.read,
    )


def _to_flask(response: Response) -> flask.Response:
    answer = flask.Response(response.body, response.status, dict(response.headers))
    if "content-type" not in response.headers:
        del answer.headers["Content-Type"]  # Flask's own guess, also for an answer without a body
    return answer


# The framework says which of the functions this process is: a wrong setting ends it here and not with the first
# request.
if os.environ.get("FUNCTION_TARGET"):
    try:
        compose.build(os.environ["FUNCTION_TARGET"])
    except SettingsError as error:
        sys.exit(f"The function cannot start. {error}")
