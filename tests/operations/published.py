"""What the functions really publish: every figure they name, and what a drain takes from the database."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from aws_lambda_powertools.logging import Logger

from realtime_likes.draining import Drain
from realtime_likes.models import Content, Reconciled, Settled
from realtime_likes.ports import Figure
from realtime_likes.sqs_queue import NoQueue
from tests.integration.engine.session import Session

# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html and
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html,
# by the dimension that each has.
OF_AWS = {
    ("AWS/Lambda", "FunctionName"): {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"},
    ("AWS/SQS", "QueueName"): {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    },
}


class _Names:
    """Figures that remember the names."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def add(self, figure: Figure | str, value: float = 1) -> None:
        assert value >= 0
        self.names.add(str(figure))

    def flush(self) -> None:
        """Nothing waits."""


class _Database:
    """The drain's side of the database, without PostgREST between."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def settle_likes(self, items: Sequence[Content]) -> Sequence[Settled]:
        raise AssertionError(f"nobody has liked anything, and {items} are to be settled")

    def unsettled_likes(self, limit: int) -> Sequence[Content]:
        found: Sequence[Content] = self._call("select public.unsettled_likes(%s)", limit)
        return found

    def reconcile_like_counts(self, limit: int) -> Reconciled:
        return Reconciled.model_validate(self._call("select public.reconcile_like_counts(%s)", limit))

    def prune_likes(self) -> Mapping[str, int]:
        deleted: Mapping[str, int] = self._call("select public.prune_likes()")
        return deleted

    def like_metrics(self) -> Mapping[str, float]:
        figures: Mapping[str, float] = self._call("select public.like_metrics()")
        return figures

    def _call(self, query: LiteralString, *parameters: object) -> Any:
        return self._session.value(query, *parameters)


def by_the_functions() -> set[str]:
    """The metrics that the code has a name for."""
    return {str(figure) for figure in Figure}


def by_a_drain(session: Session) -> set[str]:
    """What one drain publishes that starts in a minute in which it reconciles."""
    figures = _Names()
    log = Logger(service="drain", level=logging.CRITICAL)
    Drain(_Database(session), NoQueue(), figures, log, wall=lambda: 0.0).run(0)
    return figures.names
