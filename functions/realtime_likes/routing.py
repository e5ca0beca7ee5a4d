"""Which handler answers which method and path of one function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_likes.errors import MethodNotAllowedError, RouteNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_likes.http import Request, Response

    Handler = Callable[[Request], Response]
    Routes = Mapping[str, Mapping[str, Handler]]


class Router:
    """Routes as `{path: {method: handler}}`.

    `HEAD` goes wherever `GET` does, and a slash at the end of a path makes no difference.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods that a path answers, sorted. Raises `RouteNotFoundError`."""
        handlers = self._handlers(path)
        extra = {"HEAD", "OPTIONS"} if "GET" in handlers else {"OPTIONS"}
        return tuple(sorted(extra | handlers.keys()))

    def handler(self, method: str, path: str) -> Handler:
        """The handler of a request. Raises `RouteNotFoundError` and `MethodNotAllowedError`."""
        handler = self._handlers(path).get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowedError(self.methods(path))
        return handler

    def _handlers(self, path: str) -> Mapping[str, Handler]:
        handlers = self._routes.get("/" + path.strip("/"))
        if handlers is None:
            raise RouteNotFoundError
        return handlers
