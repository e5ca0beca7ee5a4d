"""Looks up authors, and remembers them for five minutes.

What somebody may see differs from caller to caller, so each has entries of their own; all anonymous callers share
theirs.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cachetools import TTLCache, cached

from realtime_likes.models import Author, ContentAuthor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from realtime_likes.models import Content
    from realtime_likes.ports import AuthorsReader
    from realtime_likes.tokens import Caller

_TTL_SECONDS = 300.0
# An entry is about 1 KB with its keys.
_MAX_ENTRIES = 10_000


def _key(caller: Caller, content: Content) -> Hashable:
    return (caller.user_id, content.content_type, content.content_id)


class AuthorLookup:
    """Authors by content. Only what was found is remembered, so new content appears at once."""

    def __init__(self, reader: AuthorsReader, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._cache: TTLCache[Hashable, Author] = TTLCache(_MAX_ENTRIES, _TTL_SECONDS, timer=clock)
        self._lock = threading.Condition()
        # by its condition, cachetools lets one thread look up and the others wait for what it finds
        self._one = cached(self._cache, key=_key, condition=self._lock)(reader.get_content_author)

    def one(self, caller: Caller, content: Content) -> Author:
        """The author of a content. Raises `ContentNotFoundError`."""
        return self._one(caller, content)

    def many(self, caller: Caller, items: Sequence[Content]) -> tuple[ContentAuthor, ...]:
        """The authors of the visible ones among the items, in their order, with one query at most."""
        wanted = {_key(caller, item): item for item in items}
        with self._lock:
            found = {key: self._cache[key] for key in wanted if key in self._cache}
        missing = [item for key, item in wanted.items() if key not in found]
        if missing:
            found |= self._fetch(caller, missing)
        return tuple(
            ContentAuthor(content_type=item.content_type, content_id=item.content_id, author=found[key])
            for key, item in wanted.items()
            if key in found
        )

    def _fetch(self, caller: Caller, items: Sequence[Content]) -> dict[Hashable, Author]:
        answers = {(a.content_type, a.content_id): a.author for a in self._reader.get_content_authors(caller, items)}
        found = {
            _key(caller, item): answers[item.content_type, item.content_id]
            for item in items
            if (item.content_type, item.content_id) in answers
        }
        with self._lock:
            self._cache.update(found)
        return found
