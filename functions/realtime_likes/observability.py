"""Logs and metrics by Powertools: JSON lines, and for metrics on Lambda CloudWatch's embedded metric format.

No token, key or e-mail belongs in a log line. Code here logs none; the serializer blanks what looks like one all the
same, since a traceback may quote what a library had in its hands.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from realtime_likes.ports import Figure
    from realtime_likes.settings import Settings

NAMESPACE = "RealtimeLikes"
_SECRETS = re.compile(
    r"eyJ[\w-]+\.[\w.-]*"  # a JWT
    r"|sb_secret_\w+"
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"  # an e-mail address
)


def build_logger(function: str, settings: Settings, stream: IO[str] | None = None) -> Logger:
    """The logger of one function; every line carries its name, and the request's id within `request_logged`."""
    return Logger(
        service=function,
        level=settings.log_level,
        sampling_rate=settings.log_sample_rate,
        stream=stream,
        json_serializer=_serialize,
        utc=True,
        use_rfc3339=True,
        serialize_stacktrace=False,  # the traceback is in the line as text already
    )


@contextmanager
def request_logged(log: Logger, request_id: str) -> Iterator[None]:
    """Puts the request's id on every line that is logged within, in this thread only."""
    log.thread_safe_append_keys(request_id=request_id)
    try:
        yield
    finally:
        log.thread_safe_clear_keys()


class EmfFigures:
    """Figures as one line of CloudWatch's embedded metric format per flush.

    Their dimension is the function's name on Lambda, so that two stages in one account are told apart.
    """

    def __init__(self, function: str) -> None:
        self._metrics = EphemeralMetrics(namespace=NAMESPACE, service=function)
        self._empty = True

    def add(self, figure: Figure | str, value: float = 1) -> None:
        """Adds a value; one flush publishes all values of a metric with their statistics."""
        unit = MetricUnit.Milliseconds if figure.endswith("Milliseconds") else MetricUnit.Count
        self._metrics.add_metric(name=str(figure), unit=unit, value=value)
        self._empty = False

    def flush(self) -> None:
        """Writes the line, if there is anything to say."""
        if not self._empty:
            self._metrics.flush_metrics()
            self._empty = True


class LoggedFigures:
    """Outside AWS: the sums as one line of the log per flush, which is one per request. Each thread has its own."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._mine = threading.local()

    def add(self, figure: Figure | str, value: float = 1) -> None:
        """Adds a value to the sum of its figure."""
        sums = self._mine.__dict__
        sums[str(figure)] = sums.get(str(figure), 0) + value

    def flush(self) -> None:
        """Writes the line, if there is anything to say."""
        sums = self._mine.__dict__
        if sums:
            self._log.info("figures", extra={"figures": {name: round(value, 1) for name, value in sums.items()}})
            sums.clear()


def _serialize(line: dict[str, Any]) -> str:
    return _SECRETS.sub("(hidden)", json.dumps(line, default=str, ensure_ascii=True))
