"""Everything that can be refused or fail, in one tree.

Each class has a stable `code`, the same word in SQL, on the wire and in TypeScript: callers branch on it. Which HTTP
status a class becomes is said in one place, `problems`. The text of an exception is for the one who called; nothing
internal belongs in it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: its path (`items.3.content_id`, empty for the whole) and a sentence."""

    field: str
    message: str


class LikesError(Exception):
    """The root of all errors that this service raises on purpose."""

    code = "internal"
    detail = "Something went wrong on our side."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.detail)


class InternalError(LikesError):
    """Our fault: a broken contract with the database, a missing grant. The caller learns nothing but that."""


class InvalidRequestError(LikesError):
    """The request says something that it may not; `errors` names the fields."""

    code = "invalid_request"
    detail = "The request is not valid."

    def __init__(self, detail: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class IntentInFutureError(InvalidRequestError):
    """The intent is further ahead of the database's clock than clocks may differ."""

    code = "intent_in_future"
    detail = "The intent lies in the future: the clock of the client is wrong."


class TooManyItemsError(InvalidRequestError):
    """More items than one call may name."""

    code = "too_many_items"
    detail = "Too many items in one request."


class InvalidCursorError(InvalidRequestError):
    """A cursor that this service did not give out."""

    code = "invalid_cursor"
    detail = "The cursor is not one that a former answer gave."


class UnauthenticatedError(LikesError):
    """Who is calling is not known."""

    code = "token_invalid"


class TokenMissingError(UnauthenticatedError):
    """No token of a user came with the request."""

    code = "token_missing"
    detail = "Sign in first: this needs a user's token in the Authorization header."


class TokenExpiredError(UnauthenticatedError):
    """The token was good once."""

    code = "token_expired"
    detail = "The token has expired: refresh it and try again."


class TokenInvalidError(UnauthenticatedError):
    """The token is none of ours. Why is not told: it would help forgers only."""

    code = "token_invalid"
    detail = "The token is not valid here."


class BlockedError(LikesError):
    """The author has blocked the caller."""

    code = "blocked"
    detail = "The author of this content does not want likes from this account."


class ContentNotFoundError(LikesError):
    """There is no such content, or the caller may not see it: the answer is the same."""

    code = "content_not_found"
    detail = "There is no such content."


class UserNotFoundError(LikesError):
    """A good token of somebody without a profile."""

    code = "user_not_found"
    detail = "There is no such user."


class RouteNotFoundError(LikesError):
    """There is no such path."""

    code = "not_found"
    detail = "There is nothing at this path."


class MethodNotAllowedError(LikesError):
    """The path is there, but not for this method; `allow` lists those it has."""

    code = "method_not_allowed"

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__(f"This path answers {', '.join(allow)}.")
        self.allow = allow


class BodyTooLargeError(LikesError):
    """The body is larger than any honest one."""

    code = "body_too_large"
    detail = "The body is too large."


class UnsupportedMediaTypeError(LikesError):
    """The body is not declared to be JSON."""

    code = "unsupported_media_type"
    detail = "The body must be sent as application/json, in UTF-8 and not compressed."


class RetryableError(LikesError):
    """The same request may succeed `retry_after` seconds later."""

    retry_after = 1

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        if retry_after is not None:
            self.retry_after = retry_after


class RateLimitedError(RetryableError):
    """The caller likes faster than people do."""

    code = "rate_limited"
    detail = "Too many likes in a short time."


class DatabaseUnavailableError(RetryableError):
    """The database does not answer, or not with sense.

    Whether a write was done is unknown: repeat it with the same intent.
    """

    code = "database_unavailable"
    detail = "The database cannot be reached at the moment."
    retry_after = 2


class AuthUnavailableError(RetryableError):
    """The keys that tokens are verified with cannot be fetched."""

    code = "auth_unavailable"
    detail = "Tokens cannot be verified at the moment."
    retry_after = 2


class QueueUnavailableError(LikesError):
    """The queue does not take or give messages. Never shown to a caller: the sweep does what the queue did not."""

    code = "queue_unavailable"
    detail = "The queue cannot be reached."
