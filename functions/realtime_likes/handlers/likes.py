"""The routes of the likes function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime_likes.body import read_json, read_query
from realtime_likes.errors import ContentNotFoundError
from realtime_likes.http import Request, Response, ok
from realtime_likes.models import Content, Contents, LikedQuery, LikeRequest, LikersQuery, LikeStatuses

if TYPE_CHECKING:
    from realtime_likes.liking import LikeContent
    from realtime_likes.ports import LikesReader
    from realtime_likes.routing import Routes
    from realtime_likes.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class LikesHandlers:
    """Likes, and what one may know of them."""

    tokens: TokenVerifier
    like_content: LikeContent
    reader: LikesReader

    @property
    def routes(self) -> Routes:
        """The paths of the function."""
        return {
            "/": {"POST": self.like},
            "/status": {"GET": self.status, "POST": self.statuses},
            "/liked": {"GET": self.liked},
            "/likers": {"GET": self.likers},
        }

    def like(self, request: Request) -> Response:
        """Likes, unlikes or toggles, as the user of the token."""
        user = self.tokens.user(request)
        like = read_json(request, LikeRequest)
        return ok(self.like_content(str(user.user_id), like))

    def status(self, request: Request) -> Response:
        """The state of one content."""
        caller = self.tokens.caller(request)
        found = self.reader.get_like_status(caller, [read_query(request, Content)])
        if not found:
            raise ContentNotFoundError
        return ok(found[0])

    def statuses(self, request: Request) -> Response:
        """The states of a page of contents."""
        caller = self.tokens.caller(request)
        contents = read_json(request, Contents)
        return ok(LikeStatuses(items=tuple(self.reader.get_like_status(caller, contents.items))))

    def liked(self, request: Request) -> Response:
        """What the user likes."""
        user = self.tokens.user(request)
        return ok(self.reader.get_user_liked_content(user, read_query(request, LikedQuery)))

    def likers(self, request: Request) -> Response:
        """Who likes a content."""
        caller = self.tokens.caller(request)
        return ok(self.reader.get_content_likers(caller, read_query(request, LikersQuery)))
