"""What the use cases need from outside, as protocols: the database, the queue, the figures.

Adapters and test doubles implement them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realtime_likes.models import (
        Author,
        Content,
        ContentAuthor,
        LikedContents,
        LikedQuery,
        LikeRequest,
        Likers,
        LikersQuery,
        LikeStatus,
        Marked,
        Muted,
        MuteRequest,
        Notifications,
        NotificationsEnabled,
        PageQuery,
        Reconciled,
        Settled,
        Toggled,
    )
    from realtime_likes.tokens import Caller


class LikesWriter(Protocol):
    """Writes on behalf of a user whom the function has verified."""

    def toggle_like(self, user_id: str, like: LikeRequest) -> Toggled:
        """Likes or unlikes, counts and announces, in one transaction."""
        ...


class LikesReader(Protocol):
    """Reads as the caller: the database decides what this one may see."""

    def get_like_status(self, caller: Caller, items: Sequence[Content]) -> Sequence[LikeStatus]:
        """The states of the visible ones among the items."""
        ...

    def get_user_liked_content(self, caller: Caller, query: LikedQuery) -> LikedContents:
        """What the caller likes, newest first."""
        ...

    def get_content_likers(self, caller: Caller, query: LikersQuery) -> Likers:
        """Who likes a content, newest first."""
        ...


class AuthorsReader(Protocol):
    """Looks up authors as the caller."""

    def get_content_author(self, caller: Caller, content: Content) -> Author:
        """The author. Raises `ContentNotFoundError`."""
        ...

    def get_content_authors(self, caller: Caller, items: Sequence[Content]) -> Sequence[ContentAuthor]:
        """The authors of the visible ones among the items."""
        ...


class NotificationsStore(Protocol):
    """The caller's own notifications."""

    def get_notifications(self, caller: Caller, page: PageQuery) -> Notifications:
        """A page of them, newest first."""
        ...

    def mark_notifications_read(self, caller: Caller, ids: Sequence[str] | None) -> Marked:
        """Marks some as read, or all."""
        ...

    def mute_content(self, caller: Caller, mute: MuteRequest) -> Muted:
        """Turns the notifications of one content off or on."""
        ...

    def set_like_notifications(self, caller: Caller, *, enabled: bool) -> NotificationsEnabled:
        """Turns the notifications of likes off or on."""
        ...


class LikesSettler(Protocol):
    """What the drain does to the database."""

    def settle_likes(self, items: Sequence[Content]) -> Sequence[Settled]:
        """Announces, notifies and copies counts. Fails per item."""
        ...

    def unsettled_likes(self, limit: int) -> Sequence[Content]:
        """What is due and was announced by no message."""
        ...

    def reconcile_like_counts(self, limit: int) -> Reconciled:
        """Compares counts with likes and repairs them."""
        ...

    def prune_likes(self) -> Mapping[str, int]:
        """Deletes what is past its time; rows deleted by kind."""
        ...

    def like_metrics(self) -> Mapping[str, float]:
        """The figures that the database keeps."""
        ...


@dataclass(frozen=True, slots=True)
class WakeUp:
    """A content that wants to be settled in `delay_ms`."""

    content: Content
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the queue gave it; `sent_at` in seconds since the epoch."""

    receipt: str
    body: str
    sent_at: float


class WakeUpSender(Protocol):
    """The side of the queue that a like sees."""

    def send(self, wake_up: WakeUp) -> None:
        """Sends one wake-up within a second and a half. Raises `QueueUnavailableError`."""
        ...


class WakeUpQueue(Protocol):
    """The side of the queue that the drain sees. All raise `QueueUnavailableError`."""

    def receive(self, wait_seconds: int) -> Sequence[Message]:
        """Up to ten messages; waits so long for the first."""
        ...

    def send_all(self, wake_ups: Sequence[WakeUp]) -> Sequence[WakeUp]:
        """Sends many; returns those that the queue did not take."""
        ...

    def delete_all(self, messages: Sequence[Message]) -> int:
        """Deletes many; returns how many the queue did not delete (they come again, which is harmless)."""
        ...


class Figure(StrEnum):
    """The names of our metrics; `observability` knows their units. Counts unless the name says otherwise."""

    LIKES_CHANGED = "LikesChanged"
    LIKES_UNCHANGED = "LikesUnchanged"
    RATE_LIMITED = "RateLimited"
    WAKE_UPS_SENT = "WakeUpsSent"
    WAKE_UPS_FAILED = "WakeUpsFailed"
    REQUEST_MILLISECONDS = "RequestMilliseconds"
    CLIENT_ERRORS = "ClientErrors"
    SERVER_ERRORS = "ServerErrors"
    DRAIN_BATCHES = "DrainBatches"
    DRAIN_BATCH_SIZE = "DrainBatchSize"
    SETTLE_MILLISECONDS = "SettleMilliseconds"
    ITEMS_SETTLED = "ItemsSettled"
    ITEMS_WAITING = "ItemsWaiting"
    ITEMS_FAILED = "ItemsFailed"
    LIKES_SETTLED = "LikesSettled"
    EVENTS_SENT = "EventsSent"
    EVENTS_COALESCED = "EventsCoalesced"
    NOTIFICATIONS_SENT = "NotificationsSent"
    MESSAGES_POISON = "MessagesPoison"
    MESSAGE_AGE_MILLISECONDS = "MessageAgeMilliseconds"
    ITEMS_SWEPT = "ItemsSwept"
    QUEUE_ERRORS = "QueueErrors"
    DATABASE_ERRORS = "DatabaseErrors"
    COUNTS_CHECKED = "CountsChecked"
    COUNTS_REPAIRED = "CountsRepaired"
    COUNT_DRIFT = "CountDrift"


class Figures(Protocol):
    """Takes figures in; where they go is the platform's matter."""

    def add(self, figure: Figure | str, value: float = 1) -> None:
        """Adds a value to a metric; a plain string names one that the database keeps."""
        ...

    def flush(self) -> None:
        """Publishes what was added since the last time."""
        ...
