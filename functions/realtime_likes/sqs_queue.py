"""The queue of wake-ups on SQS.

boto3 is imported with the first message, since importing it takes longer than all the rest of a start; it finds region,
credentials and endpoint in AWS's own environment variables.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from realtime_likes.errors import QueueUnavailableError
from realtime_likes.ports import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from realtime_likes.ports import WakeUp

T = TypeVar("T")

# SQS takes no more in one request, no longer delay and no longer poll.
BATCH = 10
_MAX_DELAY_SECONDS = 900
_MAX_WAIT_SECONDS = 20
# A like waits no longer than both together for the queue; nothing is lost without it.
_SEND_CONNECT_SECONDS, _SEND_READ_SECONDS = 0.5, 1.0
# After a failure likes leave the queue alone for so long, instead of waiting each; the sweep finds what they leave.
_REST_SECONDS = 5.0


class SqsWakeUpSender:
    """Sends the wake-ups of likes.

    One short try each, and a rest after a failure, so that a bad queue hardly slows a like.
    """

    def __init__(self, queue_url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue_url = queue_url
        self._clock = clock
        self._resting_until = -math.inf
        self._client = _LazyClient(connect=_SEND_CONNECT_SECONDS, read=_SEND_READ_SECONDS, attempts=1)

    def send(self, wake_up: WakeUp) -> None:
        """Sends one wake-up. Raises `QueueUnavailableError`, at once while the queue rests."""
        if self._clock() < self._resting_until:
            raise QueueUnavailableError("The queue failed a moment ago and is left alone.")
        try:
            with _translated():
                self._client.get().send_message(
                    QueueUrl=self._queue_url,
                    MessageBody=wake_up.content.model_dump_json(),
                    DelaySeconds=delay_seconds(wake_up.delay_ms),
                )
        except QueueUnavailableError:
            self._resting_until = self._clock() + _REST_SECONDS
            raise


class SqsWakeUpQueue:
    """Receives, sends and deletes in batches, for the drain. Everything raises `QueueUnavailableError`."""

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url
        # a long poll is silent until it ends, so reading must have more patience than that
        self._client = _LazyClient(connect=2.0, read=_MAX_WAIT_SECONDS + 5.0, attempts=2)

    def receive(self, wait_seconds: int) -> Sequence[Message]:
        """Up to ten messages; waits so long for the first."""
        with _translated():
            answer = self._client.get().receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=min(wait_seconds, _MAX_WAIT_SECONDS),
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        return [_message(raw) for raw in answer.get("Messages", [])]

    def send_all(self, wake_ups: Sequence[WakeUp]) -> Sequence[WakeUp]:
        """Sends many; returns those that the queue did not take."""
        refused: list[WakeUp] = []
        for some in _batches(wake_ups):
            with _translated():
                answer = self._client.get().send_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {
                            "Id": str(index),
                            "MessageBody": wake_up.content.model_dump_json(),
                            "DelaySeconds": delay_seconds(wake_up.delay_ms),
                        }
                        for index, wake_up in enumerate(some)
                    ],
                )
            refused += [some[int(failed["Id"])] for failed in answer.get("Failed", [])]
        return refused

    def delete_all(self, messages: Sequence[Message]) -> int:
        """Deletes many; returns how many the queue did not delete."""
        failed = 0
        for some in _batches(messages):
            with _translated():
                answer = self._client.get().delete_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[{"Id": str(index), "ReceiptHandle": m.receipt} for index, m in enumerate(some)],
                )
            failed += len(answer.get("Failed", []))
        return failed


class NoQueue:
    """Stands where an installation has no queue.

    Nothing is sent or received, the sweep settles everything a little later.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def send(self, wake_up: WakeUp) -> None:
        """Does nothing."""

    def receive(self, wait_seconds: int) -> Sequence[Message]:
        """Waits as a long poll would, so that the drain does not spin."""
        self._sleep(wait_seconds)
        return []

    def send_all(self, wake_ups: Sequence[WakeUp]) -> Sequence[WakeUp]:  # noqa: ARG002 - the protocol's name
        """Does nothing, and refuses nothing."""
        return []

    def delete_all(self, messages: Sequence[Message]) -> int:  # noqa: ARG002
        """Has nothing to delete."""
        return 0


def delay_seconds(delay_ms: int) -> int:
    """The delay as SQS counts it: whole seconds, rounded up so that a message is not early, 15 minutes at most."""
    return min(math.ceil(delay_ms / 1000), _MAX_DELAY_SECONDS)


class _LazyClient:
    """An SQS client, made when first asked for, once: boto3 makes clients in one thread only."""

    def __init__(self, *, connect: float, read: float, attempts: int) -> None:
        self._connect, self._read, self._attempts = connect, read, attempts
        self._lock = threading.Lock()
        self._client: SQSClient | None = None

    def get(self) -> SQSClient:
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    def _make(self) -> SQSClient:
        import boto3  # noqa: PLC0415 - the reason stands in the module's first lines
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            connect_timeout=self._connect,
            read_timeout=self._read,
            retries={"total_max_attempts": self._attempts, "mode": "standard"},
        )
        return boto3.client("sqs", config=config)


@contextmanager
def _translated() -> Iterator[None]:
    # boto3 raises its own errors, those of urllib3 and, for bad settings, plain ones; to our callers all mean the same
    try:
        yield
    except Exception as error:
        raise QueueUnavailableError from error


def _message(raw: MessageTypeDef) -> Message:
    sent_ms = int(raw.get("Attributes", {}).get("SentTimestamp", 0))
    return Message(raw.get("ReceiptHandle", ""), raw.get("Body", ""), sent_ms / 1000)


def _batches(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), BATCH):
        yield things[start : start + BATCH]
