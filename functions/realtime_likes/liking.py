"""The use case behind the heart: change the like, then see to it that it gets settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime_likes.errors import QueueUnavailableError
from realtime_likes.models import Content, LikeAnswer
from realtime_likes.ports import Figure, Figures, LikesWriter, WakeUp, WakeUpSender

if TYPE_CHECKING:
    from aws_lambda_powertools.logging import Logger

    from realtime_likes.models import LikeRequest


@dataclass(frozen=True, slots=True)
class LikeContent:
    """Likes or unlikes in one round trip to the database."""

    database: LikesWriter
    wake_ups: WakeUpSender
    figures: Figures
    log: Logger

    def __call__(self, user_id: str, like: LikeRequest) -> LikeAnswer:
        """The state after the like. Raises what the database raises; the queue's troubles never fail a like."""
        toggled = self.database.toggle_like(user_id, like)
        self.figures.add(Figure.LIKES_CHANGED if toggled.changed else Figure.LIKES_UNCHANGED)
        content = Content(content_type=like.content_type, content_id=like.content_id)
        if toggled.wake_after_ms is not None:
            self._wake(WakeUp(content, toggled.wake_after_ms))
        return LikeAnswer.model_validate({**toggled.model_dump(), **content.model_dump()})

    def _wake(self, wake_up: WakeUp) -> None:
        try:
            self.wake_ups.send(wake_up)
            self.figures.add(Figure.WAKE_UPS_SENT)
        except QueueUnavailableError as error:
            # the like is committed and marked as unsettled: viewers' heartbeats or the drain's sweep find it
            self.figures.add(Figure.WAKE_UPS_FAILED)
            self.log.warning("no wake-up was sent", extra={"reason": str(error), "cause": repr(error.__cause__)[:300]})
