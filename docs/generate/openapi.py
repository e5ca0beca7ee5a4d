"""docs/openapi.json (OpenAPI 3.1): every route with what it takes and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docs.generate.definitions import definitions, query_parameters
from realtime_likes import __version__, models
from realtime_likes.problems import PROBLEM_JSON

if TYPE_CHECKING:
    from pydantic import BaseModel

    Json = dict[str, Any]

REF = "#/components/schemas/{model}"

PROBLEMS = {
    "400": "`invalid_request`, with `errors` naming the fields; `intent_in_future`, `too_many_items`, `invalid_cursor`",
    "401": "`token_missing`, `token_expired` (refresh it), `token_invalid`",
    "403": "`blocked`: the author does not want likes from this user",
    "404": "`content_not_found`: it is not there, not ready, or not visible to the caller; `user_not_found`",
    "405": "`method_not_allowed`, with `Allow`",
    "413": "`body_too_large`: over 16 KB",
    "415": "`unsupported_media_type`: not application/json in UTF-8",
    "429": "`rate_limited`, with `Retry-After`",
    "500": "`internal`",
    "503": "`database_unavailable` or `auth_unavailable`, with `Retry-After`",
}
ALWAYS = ("405", "500", "503")


@dataclass(frozen=True)
class Operation:
    """One route; `auth` is `user` where a user's token is needed, `anyone` where it is welcome, else None."""

    path: str
    method: str
    name: str
    summary: str
    answer: type[BaseModel]
    auth: str | None
    problems: tuple[str, ...] = ()
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None


OPERATIONS = (
    Operation(
        "/likes", "post", "like", "Like, unlike or toggle, as the user of the token.",
        models.LikeAnswer, "user", ("403", "404", "429"), body=models.LikeRequest,
    ),
    Operation(
        "/likes/status", "get", "getStatus", "The like state and count of one content.",
        models.LikeStatus, "anyone", ("404",), query=models.Content,
    ),
    Operation(
        "/likes/status", "post", "getStatuses", "The same of up to 100 contents; those not visible are left out.",
        models.LikeStatuses, "anyone", body=models.Contents,
    ),
    Operation(
        "/likes/liked", "get", "getLiked", "What the user likes, newest first.",
        models.LikedContents, "user", query=models.LikedQuery,
    ),
    Operation(
        "/likes/likers", "get", "getLikers", "Who likes a content, newest first.",
        models.Likers, "anyone", ("404",), query=models.LikersQuery,
    ),
    Operation(
        "/authors", "get", "getAuthor", "The author of one content; may be five minutes old.",
        models.Author, "anyone", ("404",), query=models.Content,
    ),
    Operation(
        "/authors", "post", "getAuthors", "The authors of up to 100 contents; those not visible are left out.",
        models.ContentAuthors, "anyone", body=models.Contents,
    ),
    Operation(
        "/notifications", "get", "getNotifications", "The user's notifications, newest first, and how many are unread.",
        models.Notifications, "user", query=models.PageQuery,
    ),
    Operation(
        "/notifications/read", "post", "readNotifications", "Mark notifications as read: those named, or all.",
        models.Marked, "user", body=models.ReadRequest,
    ),
    Operation(
        "/notifications/mute", "post", "muteContent", "Turn the notifications of one content off or on.",
        models.Muted, "user", ("404",), body=models.MuteRequest,
    ),
    Operation(
        "/notifications/settings", "post", "setNotifications", "Turn the notifications of likes off or on.",
        models.NotificationsEnabled, "user", body=models.NotificationSettings,
    ),
    Operation("/health", "get", "getHealth", "Is the service ready?", models.Health, None),
)  # fmt: skip


def document() -> Json:
    """The whole OpenAPI document."""
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "realtime-likes",
            "version": __version__,
            "description": (
                "Likes for posts and videos. Behind one gateway the first segment of a path names the function; "
                "on AWS each function has a URL of its own and that segment falls away."
            ),
        },
        "servers": [{"url": "http://127.0.0.1:54321/functions/v1", "description": "the local stack"}],
        "paths": paths,
        "components": {
            "schemas": definitions(REF),
            "responses": {status: _problem(status, text) for status, text in PROBLEMS.items()},
            "securitySchemes": {"user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(operation: Operation) -> Json:
    statuses = sorted({*_implied(operation), *operation.problems, *ALWAYS})
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.path.split("/")[1]],
        "summary": operation.summary,
        "security": {"user": [{"user": []}], "anyone": [{}, {"user": []}], None: []}[operation.auth],
        "responses": {
            "200": {
                "description": "Done.",
                "headers": _headers(),
                "content": {"application/json": _ref(operation.answer)},
            },
            **{status: {"$ref": f"#/components/responses/{status}"} for status in statuses},
        },
    }
    if operation.query is not None:
        described["parameters"] = query_parameters(operation.query)
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": _ref(operation.body)}}
    return described


def _implied(operation: Operation) -> set[str]:
    taken_in = {"400", "413", "415"} if operation.body else {"400"} if operation.query else set()
    return taken_in | ({"401"} if operation.auth else set())


def _problem(status: str, text: str) -> Json:
    headers = _headers()
    if status in {"429", "503"}:
        headers["retry-after"] = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
    if status == "405":
        headers["allow"] = {"schema": {"type": "string"}}
    return {"description": text, "headers": headers, "content": {PROBLEM_JSON: _ref(models.Problem)}}


def _headers() -> Json:
    return {"x-request-id": {"description": "Names the request in the logs.", "schema": {"type": "string"}}}


def _ref(model: type[BaseModel]) -> Json:
    return {"schema": {"$ref": REF.format(model=model.__name__)}}
