"""What Realtime carries: the payloads of events, sent by SQL, hence described here and not in the deployed models.

A receiver must expect more keys than these: `realtime.send` adds an `id` of its own to a payload that has none.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from realtime_likes.models import LEFT_OUT, CamelCase, ContentType, Count, Notification, Uuid


class Event(CamelCase):
    """A broadcast's payload."""

    id: Uuid | None = LEFT_OUT


class LikeEvent(Event):
    """`post:liked` and `post:unliked`: one like, or one taken back. Drop it unless its version is the highest yet.

    Liker and event id name nobody where the liker is private and the channel is a content's.
    """

    event_id: Annotated[str, Field(pattern=r"^like_[0-9a-f-]{36}_([0-9a-f-]{36}|anonymous)_[0-9]+$")]
    post_id: Uuid
    content_type: ContentType
    user_id: Uuid | None
    username: str | None
    is_liked: bool
    total_likes: Count
    version: Count
    viewers: Count
    occurred_at: AwareDatetime


class LikesBatchedEvent(Event):
    """`post:likes_batched`: what a window of likes adds up to; names the newest 50 likers at most."""

    content_id: Uuid
    content_type: ContentType
    author_id: Uuid
    final_like_state: bool
    total_likes: Count
    liker_ids: Annotated[tuple[Uuid, ...], Field(max_length=50)]
    liker_count: Count
    version: Count
    viewers: Count
    timestamp: AwareDatetime


class NotificationEvent(Notification):
    """`notification:new` and `notification:updated`: the notification as the list has it."""


class NotificationRemovedEvent(CamelCase):
    """`notification:removed`: the likes it told of were taken back."""

    id: Uuid


EVENTS: dict[str, type[CamelCase]] = {
    "post:liked": LikeEvent,
    "post:unliked": LikeEvent,
    "post:likes_batched": LikesBatchedEvent,
    "notification:new": NotificationEvent,
    "notification:updated": NotificationEvent,
    "notification:removed": NotificationRemovedEvent,
}
