"""The database as the use cases see it, over PostgREST: one call, one HTTP request, on a connection that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.request import getproxies

import httpx
from postgrest import APIError, SyncPostgrestClient
from pydantic import TypeAdapter, ValidationError

from realtime_likes.connections import KEPT_SECONDS, MOST_KEPT, TIMEOUT, Connections, Http
from realtime_likes.errors import DatabaseUnavailableError, InternalError
from realtime_likes.models import (
    Author,
    Content,
    ContentAuthor,
    LikedContents,
    Likers,
    LikeStatus,
    Marked,
    Muted,
    Notifications,
    NotificationsEnabled,
    Reconciled,
    Settled,
    Toggled,
)
from realtime_likes.postgrest_errors import translate

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from realtime_likes.models import LikedQuery, LikeRequest, LikersQuery, MuteRequest, PageQuery
    from realtime_likes.tokens import Caller

T = TypeVar("T")

# The shapes of the answers.
_TOGGLED = TypeAdapter(Toggled)
_SETTLED = TypeAdapter(list[Settled])
_CONTENTS = TypeAdapter(list[Content])
_RECONCILED = TypeAdapter(Reconciled)
_NUMBERS = TypeAdapter(dict[str, int])
_OBJECT = TypeAdapter(dict[str, Any])
_STATUSES = TypeAdapter(list[LikeStatus])
_LIKED = TypeAdapter(LikedContents)
_LIKERS = TypeAdapter(Likers)
_AUTHOR = TypeAdapter(Author)
_AUTHORS = TypeAdapter(list[ContentAuthor])
_NOTIFICATIONS = TypeAdapter(Notifications)
_MARKED = TypeAdapter(Marked)
_MUTED = TypeAdapter(Muted)
_ENABLED = TypeAdapter(NotificationsEnabled)


def open_http(tls: ssl.SSLContext) -> httpx.Client | Connections:
    """The connections to PostgREST, kept for the life of the process."""
    if getproxies():  # httpx knows the way through these
        limits = httpx.Limits(max_keepalive_connections=MOST_KEPT, keepalive_expiry=KEPT_SECONDS)
        return httpx.Client(verify=tls, timeout=TIMEOUT, limits=limits)
    return Connections(tls)


class Rpc:
    """Calls SQL functions with one key or token."""

    def __init__(self, http: Http, rest_url: str, *, apikey: str, token: str | None = None) -> None:
        headers = {"apikey": apikey, "Authorization": f"Bearer {token or apikey}"}
        # The library's own retries would sleep in the request. Of its HTTP client it wants `request` and nothing else.
        client = cast("httpx.Client", http)
        self._client = SyncPostgrestClient(rest_url, headers=headers, http_client=client, retry_enabled=False)
        self._as_user = token is not None

    def call(self, name: str, params: dict[str, Any], shape: TypeAdapter[T], *, repeatable: bool) -> T:
        """The answer of a function as `shape`. Raises the errors of `postgrest_errors`.

        `repeatable`: doing it twice does no harm, so a connection that broke is tried once more.
        """
        try:
            answer = self._send(name, params)
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            # a connection that was never made has carried nothing; any other may have
            if not repeatable and not isinstance(error, httpx.ConnectError):
                raise DatabaseUnavailableError from error
            answer = self._send_again(name, params)
        return _parse(shape, answer)

    def _send_again(self, name: str, params: dict[str, Any]) -> object:
        try:
            return self._send(name, params)
        except httpx.TransportError as error:
            raise DatabaseUnavailableError from error

    def _send(self, name: str, params: dict[str, Any]) -> object:
        try:
            return self._client.rpc(name, params).execute().data
        except APIError as error:
            raise translate(error, as_user=self._as_user) from error
        except (httpx.TimeoutException, httpx.TooManyRedirects, httpx.DecodingError, httpx.ProxyError) as error:
            raise DatabaseUnavailableError from error
        except UnicodeDecodeError as error:
            raise DatabaseUnavailableError("The database answered with something that is no answer.") from error


def _parse(shape: TypeAdapter[T], answer: object) -> T:
    if isinstance(answer, str):  # how the library hands over what was no JSON: the page of some proxy
        raise DatabaseUnavailableError("The database answered with something that is no answer.")
    try:
        parsed: T = shape.validate_python(answer)
    except ValidationError as error:
        fields = [".".join(map(str, e["loc"])) for e in error.errors(include_input=False)]
        raise InternalError from TypeError(f"unexpected answer of the database, at: {fields[:5]}")
    return parsed


def _items(items: Sequence[Content]) -> dict[str, Any]:
    return {"items": [item.model_dump() for item in items]}


class ServiceDatabase:
    """Writes and settles with the secret key; the functions have verified for whom."""

    def __init__(self, http: Http, rest_url: str, secret_key: str) -> None:
        self._rpc = Rpc(http, rest_url, apikey=secret_key)

    def toggle_like(self, user_id: str, like: LikeRequest) -> Toggled:
        """Only an intent makes a like repeatable: the database knows the second copy by it."""
        params = {"user_id": user_id, **like.model_dump()}
        return self._rpc.call("toggle_like", params, _TOGGLED, repeatable=like.intent is not None)

    def settle_likes(self, items: Sequence[Content]) -> Sequence[Settled]:
        """Repeatable, since settling compares with what was announced last."""
        return self._rpc.call("settle_likes", _items(items), _SETTLED, repeatable=True)

    def unsettled_likes(self, limit: int) -> Sequence[Content]:
        """What is due and was announced by no message."""
        return self._rpc.call("unsettled_likes", {"max": limit}, _CONTENTS, repeatable=True)

    def reconcile_like_counts(self, limit: int) -> Reconciled:
        """Compares counts with likes and repairs them."""
        return self._rpc.call("reconcile_like_counts", {"max": limit}, _RECONCILED, repeatable=True)

    def prune_likes(self) -> Mapping[str, int]:
        """Rows deleted, by kind."""
        return self._rpc.call("prune_likes", {}, _NUMBERS, repeatable=True)

    def like_metrics(self) -> Mapping[str, float]:
        """Only the numbers: a newer database may add texts."""
        found = self._rpc.call("like_metrics", {}, _OBJECT, repeatable=True)
        return {name: value for name, value in found.items() if isinstance(value, int | float)}


class CallerDatabase:
    """Acts with the caller's own token, so that row level security and `auth.uid()` decide. All of it is repeatable."""

    def __init__(self, http: Http, rest_url: str, publishable_key: str) -> None:
        self._http, self._rest_url, self._publishable_key = http, rest_url, publishable_key

    def get_like_status(self, caller: Caller, items: Sequence[Content]) -> Sequence[LikeStatus]:
        """The states of the visible ones among the items."""
        return self._call(caller, "get_like_status", _items(items), _STATUSES)

    def get_user_liked_content(self, caller: Caller, query: LikedQuery) -> LikedContents:
        """What the caller likes, newest first."""
        return self._call(caller, "get_user_liked_content", query.model_dump(), _LIKED)

    def get_content_likers(self, caller: Caller, query: LikersQuery) -> Likers:
        """Who likes a content, newest first."""
        return self._call(caller, "get_content_likers", query.model_dump(), _LIKERS)

    def get_content_author(self, caller: Caller, content: Content) -> Author:
        """The author. Raises `ContentNotFoundError`."""
        return self._call(caller, "get_content_author", content.model_dump(), _AUTHOR)

    def get_content_authors(self, caller: Caller, items: Sequence[Content]) -> Sequence[ContentAuthor]:
        """The authors of the visible ones among the items."""
        return self._call(caller, "get_content_authors", _items(items), _AUTHORS)

    def get_notifications(self, caller: Caller, page: PageQuery) -> Notifications:
        """A page of the caller's notifications, newest first."""
        return self._call(caller, "get_notifications", page.model_dump(), _NOTIFICATIONS)

    def mark_notifications_read(self, caller: Caller, ids: Sequence[str] | None) -> Marked:
        """Marks some of them as read, or all."""
        return self._call(caller, "mark_notifications_read", {"ids": ids}, _MARKED)

    def mute_content(self, caller: Caller, mute: MuteRequest) -> Muted:
        """Turns the notifications of one content off or on."""
        return self._call(caller, "mute_content", mute.model_dump(), _MUTED)

    def set_like_notifications(self, caller: Caller, *, enabled: bool) -> NotificationsEnabled:
        """Turns the notifications of likes off or on."""
        return self._call(caller, "set_like_notifications", {"enabled": enabled}, _ENABLED)

    def _call(self, caller: Caller, name: str, params: dict[str, Any], shape: TypeAdapter[T]) -> T:
        token = caller.token if caller.user_id is not None else None
        rpc = Rpc(self._http, self._rest_url, apikey=self._publishable_key, token=token)
        return rpc.call(name, params, shape, repeatable=True)
