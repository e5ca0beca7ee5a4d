"""What comes in and goes out over HTTP, and what the database answers: the shapes of docs/contracts.md.

`docs/openapi.json`, the JSON Schemas and the TypeScript types are generated from these classes.

All of them are imported by every function, of which each uses a few: their validators are built with the first use
(`defer_build`), and their annotations are no strings, which pydantic would have to evaluate. Both shorten a cold start.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

MAX_ITEMS = 100
MAX_PAGE = 100
# The largest integer that JavaScript holds exactly.
MAX_SAFE_INTEGER = 2**53 - 1

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

ContentType = Literal["post", "video"]
Uuid = Annotated[
    str, StringConstraints(strict=True, pattern=_UUID, to_lower=True), Field(json_schema_extra={"format": "uuid"})
]
Count = Annotated[int, Field(strict=True, ge=0, le=MAX_SAFE_INTEGER)]


def _without_null(schema: dict[str, Any]) -> None:
    for kind in schema.pop("anyOf"):
        if kind != {"type": "null"}:
            schema.update(kind)
    schema.pop("default")


# A field that may be left out, but not be null.
LEFT_OUT: Any = Field(default=None, json_schema_extra=_without_null)


class Input(BaseModel):
    """What a caller sends: nothing unknown, nothing converted, so that a slip is an error and not a surprise."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _left_out_or_said(cls, value: object) -> object:
        # null could be taken for false by one reader and for "left out" by another
        if value is None:
            raise ValueError("leave it out or give a value, null is neither")
        return value


class Answer(BaseModel):
    """What the database answers and we pass on. New keys of a newer database are dropped, missing ones are an error."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Content(Input):
    """A post or a video. Also the message in the queue."""

    content_type: ContentType
    content_id: Uuid


class LikeRequest(Content):
    """A wish of a user.

    `liked` says which state is wanted (left out: the other one), `intent` orders the wishes of one user.
    """

    liked: bool | None = LEFT_OUT
    intent: Count | None = LEFT_OUT


class Contents(Input):
    """Many contents in one request."""

    items: Annotated[tuple[Content, ...], Field(max_length=MAX_ITEMS, strict=False)]


def _digits(value: object) -> object:
    # pydantic's own lax mode would also take " 20", "2_0" and "20.0"
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else value


class PageQuery(Input):
    """Which part of a list: after `cursor`, at most `max` items.

    It comes from a query string, where numbers are digits.
    """

    # whatever it is, it is visible ASCII: Postgres refuses to even read some other characters
    cursor: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")] | None = LEFT_OUT
    max: Annotated[int, BeforeValidator(_digits), Field(ge=1, le=MAX_PAGE)] = 20


class LikedQuery(PageQuery):
    """Which of the contents that the caller likes."""

    content_type: ContentType | None = LEFT_OUT


class LikersQuery(PageQuery, Content):
    """Whose likes."""


class Author(Answer):
    """Who made a content, or liked it."""

    id: Uuid
    username: str
    display_name: str | None


class Toggled(Answer):
    """What `toggle_like` did; `wake_after_ms` says when settling is due, null that it is already asked for."""

    liked: bool
    total_likes: Count
    changed: bool
    version: Count
    intent: Count
    viewers: Count
    author: Author
    wake_after_ms: Annotated[int, Field(ge=0)] | None


class LikeAnswer(Answer):
    """The state after a like: the caller's own and the count, with the version that orders it among events."""

    content_type: ContentType
    content_id: Uuid
    liked: bool
    total_likes: Count
    changed: bool
    version: Count
    intent: Count
    viewers: Count
    author: Author


class LikeStatus(Answer):
    """The state of one content as the caller sees it; `intent` is null where the caller never liked it."""

    content_type: ContentType
    content_id: Uuid
    liked: bool
    intent: Count | None
    total_likes: Count
    version: Count
    viewers: Count


class LikeStatuses(Answer):
    """The states of many contents; those that the caller may not see are left out."""

    items: tuple[LikeStatus, ...]


class LikedContent(Answer):
    """A content that the caller likes."""

    content_type: ContentType
    content_id: Uuid
    liked_at: AwareDatetime
    total_likes: Count
    author: Author


class LikedContents(Answer):
    """A page of what the caller likes, newest first."""

    items: tuple[LikedContent, ...]
    next_cursor: str | None


class Liker(Author):
    """Somebody who likes a content."""

    liked_at: AwareDatetime


class Likers(Answer):
    """A page of those who like a content, newest first; private likers are counted but not named."""

    likers: tuple[Liker, ...]
    total_likes: Count
    next_cursor: str | None


class ContentAuthor(Answer):
    """A content and its author."""

    content_type: ContentType
    content_id: Uuid
    author: Author


class ContentAuthors(Answer):
    """Many contents and their authors; contents that are not there or not visible are left out."""

    items: tuple[ContentAuthor, ...]


class ReadRequest(Input):
    """Which notifications are read; all of them where `ids` is left out."""

    ids: Annotated[tuple[Uuid, ...], Field(max_length=MAX_ITEMS, strict=False)] | None = LEFT_OUT


class MuteRequest(Content):
    """A content of which the caller wants no notifications, or wants them again."""

    muted: bool = True


class NotificationSettings(Input):
    """Whether the caller wants notifications of likes at all."""

    enabled: bool


class CamelCase(Answer):
    """What events carry too, hence named as they are."""

    model_config = ConfigDict(alias_generator=to_camel, serialize_by_alias=True, validate_by_name=True)


class NotificationData(CamelCase):
    """What a notification of likes tells of; the names are the newest likers'."""

    content_type: ContentType
    content_id: Uuid
    liker_id: Uuid | None
    liker_username: str | None
    liker_ids: tuple[Uuid, ...]
    liker_count: Count
    total_likes: Count


class Notification(CamelCase):
    """Tells an author of likes. It grows while it is unread."""

    id: Uuid
    type: Literal["like"]
    title: str
    message: str
    data: NotificationData
    created_at: AwareDatetime
    is_read: bool


class Notifications(Answer):
    """A page of the caller's notifications, newest first, and how many are unread in all."""

    notifications: tuple[Notification, ...]
    unread_count: Count
    next_cursor: str | None


class Marked(Answer):
    """How many notifications became read, and how many are still unread."""

    marked: Count
    unread_count: Count


class Muted(Answer):
    """Whether the content is muted now."""

    muted: bool


class NotificationsEnabled(Answer):
    """Whether notifications are on now."""

    enabled: bool


class Settled(Answer):
    """What settling did with one content.

    `settled`, `waiting` (not due, or no budget: wake again) or `failed` (the database backs off); `wake_after_ms` asks
    for another wake-up.
    """

    content_type: ContentType
    content_id: Uuid
    outcome: Literal["settled", "waiting", "failed"]
    wake_after_ms: Annotated[int, Field(ge=0)] | None = None
    likes: int = 0
    events: int = 0
    notifications: int = 0
    error: str | None = None


class Reconciled(Answer):
    """How many counts were compared with the likes, how many were wrong and by how much in all."""

    checked: int
    repaired: int
    drift: int


class Health(Answer):
    """The function is ready: its version, and how long the database took to answer."""

    status: Literal["ok"]
    version: str
    python: str
    database_ms: float


class FieldProblem(Answer):
    """What is wrong with one field of the request."""

    field: str
    message: str


class Problem(Answer):
    """An error (RFC 9457). Branch on `code`."""

    type: Literal["about:blank"]
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: tuple[FieldProblem, ...] | None = LEFT_OUT
