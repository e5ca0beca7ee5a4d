"""The route of the health function: is the way to the database open, and what runs here."""

from __future__ import annotations

import platform
import threading
import time
from typing import TYPE_CHECKING

from cachetools import TTLCache, cached

from realtime_likes import __version__
from realtime_likes.http import Request, Response, ok
from realtime_likes.models import Health
from realtime_likes.tokens import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_likes.ports import LikesReader
    from realtime_likes.routing import Routes

# Anyone may ask, so the database is asked for all of them together.
_REMEMBER_SECONDS = 2.0


class HealthHandlers:
    """Readiness. It holds no secret: it asks for the status of no content, as anonymous."""

    def __init__(
        self, reader: LikesReader, publishable_key: str, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._reader = reader
        self._anonymous = Caller(None, publishable_key)
        self._clock = clock
        cache: TTLCache[tuple[()], Health] = TTLCache(1, _REMEMBER_SECONDS, timer=clock)
        self._remembered = cached(cache, condition=threading.Condition())(self._check)

    @property
    def routes(self) -> Routes:
        """The paths of the function."""
        return {"/": {"GET": self.health}}

    def health(self, _request: Request) -> Response:
        """200 with versions, or the problem `database_unavailable`."""
        return ok(self._remembered())

    def _check(self) -> Health:
        started = self._clock()
        self._reader.get_like_status(self._anonymous, [])
        return Health(
            status="ok",
            version=__version__,
            python=platform.python_version(),
            database_ms=round(1000 * (self._clock() - started), 1),
        )
