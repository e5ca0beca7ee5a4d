"""What the engine should do, as plainly as it can be said: dictionaries and lists, no locks, no slots, no batches."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tests.integration.engine.session import Content


@dataclass
class Notification:
    content: Content
    created_at: datetime
    is_open: bool
    is_read: bool
    title: str = ""
    likers: list[UUID] = field(default_factory=list)
    total: int = 0


@dataclass(frozen=True)
class Sent:
    """An event on the author's channel, with the notification as it was then."""

    event: str
    notification: Notification
    likers: tuple[UUID, ...]
    total: int
    title: str
    is_read: bool


@dataclass
class Like:
    liked: bool
    intent: int
    changed_at: datetime
    notification: Notification | None = None
    notified_at: datetime | None = None


class RefusedError(Exception):
    """What the engine answers with this SQLSTATE."""


class Model:
    """The likes of some contents by some users."""

    def __init__(self) -> None:
        self.likes: dict[tuple[Content, UUID], Like] = {}
        self.unsettled: dict[Content, set[UUID]] = {}
        self.departed: dict[Content, list[tuple[UUID, Notification]]] = {}
        self.announced: dict[Content, int] = {}
        self.notifications: list[Notification] = []
        self.blocks: set[tuple[UUID, UUID]] = set()
        self.muted: set[Content] = set()
        self.silent: set[UUID] = set()
        self.sent: list[Sent] = []

    def total(self, content: Content) -> int:
        return sum(like.liked for (key, _), like in self.likes.items() if key == content)

    def of(self, author: UUID) -> list[Notification]:
        return [n for n in self.notifications if n.content.author == author]

    def unread(self, author: UUID) -> int:
        return sum(not n.is_read for n in self.of(author))

    def like(self, user: UUID, content: Content, liked: bool | None, intent: int | None, now: datetime) -> bool:
        """Returns whether anything changed."""
        now_ms = int(now.timestamp() * 1000)
        if intent is not None and not 0 < intent <= now_ms + 5000:
            raise RefusedError("PT400")
        like = self.likes.get((content, user), Like(liked=False, intent=0, changed_at=now))
        is_late = (content, user) in self.likes and intent is not None and intent <= like.intent
        wish = like.liked if is_late else (not like.liked if liked is None else liked)
        changed = wish != like.liked
        if (content.author, user) in self.blocks and (wish or not changed):
            raise RefusedError("PT403")
        if not is_late:
            like.intent = max(now_ms if intent is None else intent, like.intent + 1)
            self.likes[content, user] = like
        if changed:
            like.liked, like.changed_at = wish, now
            self.unsettled.setdefault(content, set()).add(user)
        return changed

    def settle(self, content: Content, now: datetime) -> None:
        changed = {user: self.likes[content, user] for user in self.unsettled.pop(content, set())}
        gone = self.departed.pop(content, [])
        gone += [(who, like.notification) for who, like in changed.items() if not like.liked and like.notification]
        newest_first = sorted(changed.items(), key=lambda item: (item[1].changed_at, item[0]), reverse=True)
        arrived = [
            (who, like)
            for who, like in newest_first
            if like.liked and like.notification is None and self._is_told(content, who)
        ]
        yesterday = now - timedelta(hours=24)
        news = [(who, like) for who, like in arrived if like.notified_at is None or like.notified_at <= yesterday]
        again = [item for item in arrived if item not in news]
        known = list(self.notifications)
        told = self._open(content, bool(news), now) if arrived else None
        for user, like in arrived:
            like.notification = told
            like.notified_at = now if (user, like) in news else like.notified_at
        changes: dict[int, tuple[Notification, list[UUID], list[UUID]]] = {}
        if told is not None:
            changes[id(told)] = (told, [u for u, _ in news + again], [])
        for user, notification in gone:
            changes.setdefault(id(notification), (notification, [], []))[2].append(user)
            if (content, user) in self.likes:
                self.likes[content, user].notification = None
        for notification, come, left in changes.values():
            notification.likers = [u for u in come + notification.likers if u not in left]
            notification.title = "New Like!" if len(come) >= len(left) else "Like Removed"
            notification.total = self.total(content)
            if left or (news and notification is told):
                is_new = not any(notification is other for other in known)
                self._send("notification:new" if is_new else "notification:updated", notification)
        self.notifications = [n for n in self.notifications if n.likers]
        self.announced[content] = self.total(content)

    def _is_told(self, content: Content, user: UUID) -> bool:
        wants = content not in self.muted and content.author not in self.silent
        return wants and user != content.author and (content.author, user) not in self.blocks

    def _open(self, content: Content, is_news: bool, now: datetime) -> Notification:
        for notification in self.notifications:
            if notification.content == content and notification.is_open:
                if not is_news or notification.created_at > now - timedelta(hours=12):
                    return notification
                notification.is_open = False
        self.notifications.append(Notification(content, now, is_open=is_news, is_read=not is_news))
        return self.notifications[-1]

    def _send(self, event: str, notification: Notification) -> None:
        n = notification
        event = event if n.likers else "notification:removed"
        self.sent.append(Sent(event, n, tuple(n.likers), n.total, n.title, n.is_read))

    def read(self, author: UUID, some: Collection[Notification] | None = None) -> None:
        """All of an author's, or those of the author's that are among some."""
        for notification in self.of(author):
            if some is None or any(notification is one for one in some):
                notification.is_read, notification.is_open = True, False

    def delete_content(self, content: Content) -> None:
        """It, its likes and, once that is settled, its notifications."""
        self.likes = {key: like for key, like in self.likes.items() if key[0] != content}
        for notification in [n for n in self.notifications if n.content == content]:
            notification.likers.clear()
            self._send("notification:removed", notification)
        self.notifications = [n for n in self.notifications if n.content != content]
        self.unsettled.pop(content, None)
        self.departed.pop(content, None)
        self.announced.pop(content, None)

    def delete_user(self, user: UUID) -> None:
        for (content, liker), like in list(self.likes.items()):
            if liker == user:
                del self.likes[content, liker]
                self.unsettled.get(content, set()).discard(user)
                if like.notification is not None:
                    self.departed.setdefault(content, []).append((user, like.notification))
