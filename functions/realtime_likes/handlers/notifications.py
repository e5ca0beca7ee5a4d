"""The routes of the notifications function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime_likes.body import read_json, read_query
from realtime_likes.http import Request, Response, ok
from realtime_likes.models import MuteRequest, NotificationSettings, PageQuery, ReadRequest

if TYPE_CHECKING:
    from realtime_likes.ports import NotificationsStore
    from realtime_likes.routing import Routes
    from realtime_likes.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class NotificationsHandlers:
    """An author's news of likes."""

    tokens: TokenVerifier
    store: NotificationsStore

    @property
    def routes(self) -> Routes:
        """The paths of the function."""
        return {
            "/": {"GET": self.page},
            "/read": {"POST": self.read},
            "/mute": {"POST": self.mute},
            "/settings": {"POST": self.settings},
        }

    def page(self, request: Request) -> Response:
        """A page of notifications, with the number of unread ones."""
        user = self.tokens.user(request)
        return ok(self.store.get_notifications(user, read_query(request, PageQuery)))

    def read(self, request: Request) -> Response:
        """Marks notifications as read, one by one or all."""
        user = self.tokens.user(request)
        return ok(self.store.mark_notifications_read(user, read_json(request, ReadRequest).ids))

    def mute(self, request: Request) -> Response:
        """Turns the notifications of one content off or on."""
        user = self.tokens.user(request)
        return ok(self.store.mute_content(user, read_json(request, MuteRequest)))

    def settings(self, request: Request) -> Response:
        """Turns the notifications of likes off or on."""
        user = self.tokens.user(request)
        wanted = read_json(request, NotificationSettings)
        return ok(self.store.set_like_notifications(user, enabled=wanted.enabled))
