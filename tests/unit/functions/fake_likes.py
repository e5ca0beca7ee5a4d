"""The database's side of docs/contracts.md in memory: a stateful double that speaks JSON as the SQL functions do.

It keeps the rules that the functions build on (intents, windows, who may see what) and none of the engine's machinery.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str]
Json = Any

WINDOW_SECONDS = 1.0
GRACE_SECONDS = 5.0


class RefusalError(Exception):
    """What SQL raises: a status, the word for it, and sometimes the seconds to wait."""

    def __init__(self, status: int, word: str, *, retry_after: int | None = None) -> None:
        super().__init__(word)
        self.status, self.word, self.retry_after = status, word, retry_after


@dataclass
class Post:
    author_id: str
    is_private: bool = False


@dataclass
class Like:
    liked: bool
    intent: int


@dataclass
class FakeLikes:
    """Contents, likes and what is not settled yet. `clock` is in seconds since the epoch."""

    clock: Callable[[], float] = time.time
    contents: dict[Key, Post] = field(default_factory=dict)
    likes: dict[tuple[Key, str], Like] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    limited: dict[str, int] = field(default_factory=dict)
    dirty: set[Key] = field(default_factory=set)
    due: dict[Key, float] = field(default_factory=dict)
    announced: dict[Key, tuple[int, int]] = field(default_factory=dict)
    failing: set[Key] = field(default_factory=set)
    events: list[tuple[Key, int]] = field(default_factory=list)
    notifications: dict[str, list[Json]] = field(default_factory=dict)
    muted: set[tuple[str, Key]] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    version: int = 0
    drift: int = 0

    def add_content(self, content_type: str = "post", *, author: str = "ada", private: bool = False) -> Key:
        key = (content_type, str(uuid.uuid4()))
        self.contents[key] = Post(self.add_user(author), private)
        return key

    def add_user(self, name: str) -> str:
        user_id = next((i for i, known in self.names.items() if known == name), str(uuid.uuid4()))
        self.names[user_id] = name
        return user_id

    def total(self, key: Key) -> int:
        return sum(like.liked for (liked_key, _), like in self.likes.items() if liked_key == key)

    # service_role

    def toggle_like(
        self, user_id: str, content_type: str, content_id: str, liked: bool | None = None, intent: int | None = None
    ) -> Json:
        key = (content_type, content_id)
        if user_id in self.limited:
            raise RefusalError(429, "rate_limited", retry_after=self.limited[user_id])
        content = self._visible(user_id, key)
        if user_id in self.blocked:
            raise RefusalError(403, "blocked")
        now_ms = int(self.clock() * 1000)
        if intent is not None and intent > now_ms + 5000:
            raise RefusalError(400, "intent_in_future")
        stored = self.likes.get((key, user_id), Like(liked=False, intent=0))
        wanted = (not stored.liked) if liked is None else liked
        intent = now_ms if intent is None else intent
        changed = intent > stored.intent and wanted != stored.liked
        if intent > stored.intent:
            stored = self.likes[key, user_id] = Like(wanted, intent)
        wake_after_ms = self._open_window(key) if changed else None
        self.version += 1
        return {
            "liked": stored.liked,
            "total_likes": self.total(key),
            "changed": changed,
            "version": self.version,
            "intent": stored.intent,
            "viewers": 0,
            "author": self._person(content.author_id),
            "wake_after_ms": wake_after_ms,
        }

    def settle_likes(self, items: list[Json]) -> Json:
        keys = sorted({(item["content_type"], item["content_id"]) for item in items})
        assert len(keys) <= 100
        return [self._settle(key) for key in keys]

    def unsettled_likes(self, max: int = 100) -> Json:  # noqa: A002 - the name of the SQL parameter
        late = self.clock() - GRACE_SECONDS
        found = sorted(key for key in self.dirty - self.failing if key not in self.due or self.due[key] < late)
        return [{"content_type": t, "content_id": i} for t, i in found[:max]]

    def reconcile_like_counts(self, max: int = 100) -> Json:  # noqa: A002
        checked, found, self.drift = min(len(self.contents), max), self.drift, 0
        return {"checked": checked, "repaired": int(found != 0), "drift": found}

    def prune_likes(self) -> Json:
        gone = [key for key, like in self.likes.items() if not like.liked]
        for key in gone:
            del self.likes[key]
        return {"likes": len(gone), "viewers": 0}

    def like_metrics(self) -> Json:
        return {"unsettled_contents": len(self.dirty), "budget_used": 0.5, "note": "not a number"}

    # callers; `caller` is None for the anonymous

    def get_like_status(self, caller: str | None, items: list[Json]) -> Json:
        keys = [(i["content_type"], i["content_id"]) for i in items]
        return [self._status(caller, key) for key in keys if self._sees(caller, key)]

    def get_user_liked_content(
        self,
        caller: str | None,
        content_type: str | None = None,
        cursor: str | None = None,
        max: int = 20,  # noqa: A002
    ) -> Json:
        mine = [
            {
                "content_type": key[0],
                "content_id": key[1],
                "liked_at": "2026-11-22T20:58:10.123456+00:00",
                "total_likes": self.total(key),
                "author": self._person(self.contents[key].author_id),
            }
            for (key, user), like in self.likes.items()
            if user == caller and like.liked and content_type in (None, key[0])
        ]
        return self._page("items", mine, cursor, max)

    def get_content_likers(
        self,
        caller: str | None,
        content_type: str,
        content_id: str,
        cursor: str | None = None,
        max: int = 20,  # noqa: A002
    ) -> Json:
        key = (content_type, content_id)
        self._visible(caller, key)
        likers = [
            {**self._person(user), "liked_at": "2026-11-22T20:58:10.123456+00:00"}
            for (liked_key, user), like in self.likes.items()
            if liked_key == key and like.liked
        ]
        return {**self._page("likers", likers, cursor, max), "total_likes": self.total(key)}

    def get_content_author(self, caller: str | None, content_type: str, content_id: str) -> Json:
        return self._person(self._visible(caller, (content_type, content_id)).author_id)

    def get_content_authors(self, caller: str | None, items: list[Json]) -> Json:
        keys = [(i["content_type"], i["content_id"]) for i in items]
        return [
            {"content_type": t, "content_id": i, "author": self._person(self.contents[t, i].author_id)}
            for t, i in keys
            if self._sees(caller, (t, i))
        ]

    def get_notifications(self, caller: str | None, cursor: str | None = None, max: int = 20) -> Json:  # noqa: A002
        mine = self.notifications.get(str(caller), [])
        unread = sum(not n["isRead"] for n in mine)
        return {**self._page("notifications", mine, cursor, max), "unread_count": unread}

    def mark_notifications_read(self, caller: str | None, ids: list[str] | None = None) -> Json:
        mine = self.notifications.get(str(caller), [])
        marked = [n for n in mine if not n["isRead"] and (ids is None or n["id"] in ids)]
        for notification in marked:
            notification["isRead"] = True
        return {"marked": len(marked), "unread_count": sum(not n["isRead"] for n in mine)}

    def mute_content(self, caller: str | None, content_type: str, content_id: str, muted: bool = True) -> Json:
        key = (content_type, content_id)
        self._visible(caller, key)
        (self.muted.add if muted else self.muted.discard)((str(caller), key))
        return {"muted": muted}

    def set_like_notifications(self, caller: str | None, enabled: bool) -> Json:
        (self.disabled.discard if enabled else self.disabled.add)(str(caller))
        return {"enabled": enabled}

    # rules

    def _sees(self, caller: str | None, key: Key) -> bool:
        content = self.contents.get(key)
        return content is not None and (not content.is_private or caller == content.author_id)

    def _visible(self, caller: str | None, key: Key) -> Post:
        if not self._sees(caller, key):
            raise RefusalError(404, "content_not_found")
        return self.contents[key]

    def _open_window(self, key: Key) -> int | None:
        if key in self.due:
            self.dirty.add(key)
            return None
        self.dirty.add(key)
        self.due[key] = self.clock() + WINDOW_SECONDS
        return int(WINDOW_SECONDS * 1000)

    def _settle(self, key: Key) -> Json:
        answer = {"content_type": key[0], "content_id": key[1], "likes": 0, "events": 0, "notifications": 0}
        if key in self.failing:
            return {**answer, "outcome": "failed", "wake_after_ms": None, "error": "XX000 broken"}
        if self.due.get(key, 0) > self.clock():
            left = round((self.due[key] - self.clock()) * 1000)
            return {**answer, "outcome": "waiting", "wake_after_ms": left, "error": None}
        self.dirty.discard(key)
        self.due.pop(key, None)
        wake_after_ms = None
        total, version = self.announced.get(key, (0, 0))
        if self.total(key) != total:
            self.events.append((key, self.total(key)))
            self.announced[key] = (self.total(key), version + 1)
            self.due[key] = self.clock() + WINDOW_SECONDS
            answer |= {"likes": abs(self.total(key) - total), "events": 1, "notifications": 1}
            wake_after_ms = int(WINDOW_SECONDS * 1000)
        return {**answer, "outcome": "settled", "wake_after_ms": wake_after_ms, "error": None}

    def _status(self, caller: str | None, key: Key) -> Json:
        like = self.likes.get((key, str(caller)), Like(liked=False, intent=0))
        total, version = self.announced.get(key, (0, 0))
        return {
            "content_type": key[0],
            "content_id": key[1],
            "liked": like.liked,
            "intent": like.intent,
            "total_likes": total,
            "version": version,
            "viewers": 0,
        }

    def _person(self, user_id: str) -> Json:
        name = self.names.get(user_id, "somebody")
        return {"id": user_id, "username": name, "display_name": name.title()}

    def _page(self, name: str, things: list[Json], cursor: str | None, size: int) -> Json:
        if cursor is not None and not cursor.isdecimal():
            raise RefusalError(400, "invalid_cursor")
        start = int(cursor or 0)
        more = len(things) > start + size
        return {name: things[start : start + size], "next_cursor": str(start + size) if more else None}
