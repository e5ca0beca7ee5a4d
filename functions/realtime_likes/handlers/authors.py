"""The routes of the authors function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime_likes.body import read_json, read_query
from realtime_likes.http import Request, Response, ok
from realtime_likes.models import Content, ContentAuthors, Contents

if TYPE_CHECKING:
    from realtime_likes.authors import AuthorLookup
    from realtime_likes.routing import Routes
    from realtime_likes.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class AuthorsHandlers:
    """Who made what."""

    tokens: TokenVerifier
    authors: AuthorLookup

    @property
    def routes(self) -> Routes:
        """The paths of the function."""
        return {"/": {"GET": self.author, "POST": self.many}}

    def author(self, request: Request) -> Response:
        """The author of one content."""
        caller = self.tokens.caller(request)
        return ok(self.authors.one(caller, read_query(request, Content)))

    def many(self, request: Request) -> Response:
        """The authors of a page of contents."""
        caller = self.tokens.caller(request)
        contents = read_json(request, Contents)
        return ok(ContentAuthors(items=self.authors.many(caller, contents.items)))
