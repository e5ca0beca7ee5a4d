"""The deployed functions in one process: functions-framework serves each target of functions/main.py under its name.

On Google Cloud it runs one target per process; here one process saves the memory of the others. gunicorn runs it as
`local.functions:build()`; `GET /` lists the names.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from functions_framework import create_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from local.settings import FUNCTIONS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SOURCE: Final = Path(__file__).parent.parent / "functions" / "main.py"


def build(source: Path = _SOURCE, targets: Sequence[str] = FUNCTIONS) -> "WSGIApplication":
    """One application with each target of `source` under `/<name>`."""

    def index(environment: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        found = environment["PATH_INFO"] in ("", "/")
        start("200 OK" if found else "404 Not Found", [("Content-Type", "application/json")])
        return [
            json.dumps(targets if found else {"code": "not_found", "message": "There is no such function."}).encode()
        ]

    return DispatcherMiddleware(index, {f"/{name}": _application(source, name) for name in targets})


def _application(source: Path, target: str) -> "WSGIApplication":
    create: Callable[..., WSGIApplication] = create_app  # The package has no types.
    application = create(target=target, source=str(source))

    def serve(environment: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        # `/likes` itself is the function's root; Flask would redirect it to `/likes/`.
        environment["PATH_INFO"] = environment["PATH_INFO"] or "/"
        return application(environment, start)

    return serve
