"""The queue on SQS (moto's): what a like sends, what the drain gets, and that a bad queue hardly slows a like."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from realtime_likes.errors import QueueUnavailableError
from realtime_likes.models import Content
from realtime_likes.ports import Message, WakeUp
from realtime_likes.sqs_queue import NoQueue, SqsWakeUpQueue, SqsWakeUpSender, delay_seconds
from tests.unit.functions.conftest import Queue
from tests.unit.functions.doors import Api
from tests.unit.functions.fake_likes import FakeLikes

POST = Content(content_type="post", content_id="5a4d4a1c-7fb0-4b8b-9a53-6f62a5a1a112")


def test_a_like_that_leaves_something_to_settle_sends_one_wake_up(
    api: Api, queue: Queue, likes_db: FakeLikes, bobs_token: str
) -> None:
    key = likes_db.add_content()
    for intent in (1, 2, 3):
        body = {"content_type": key[0], "content_id": key[1], "intent": intent}
        assert api("likes", "POST", json_body=body, token=bobs_token).status == 200

    attributes = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesDelayed"] == "1", "one per window, and not before its end"
    assert attributes["ApproximateNumberOfMessages"] == "0"
    (message,) = SqsWakeUpQueue(queue.url).receive(5)
    assert json.loads(message.body) == {"content_type": key[0], "content_id": key[1]}


@pytest.mark.parametrize(("ms", "seconds"), [(0, 0), (1, 1), (1000, 1), (1001, 2), (900_000, 900), (10**9, 900)])
def test_delays_are_whole_seconds_rounded_up(ms: int, seconds: int) -> None:
    assert delay_seconds(ms) == seconds


def test_many_messages_go_in_and_out_by_tens(queue: Queue) -> None:
    sqs = SqsWakeUpQueue(queue.url)

    refused = sqs.send_all([WakeUp(POST, 0)] * 23)
    found = [message for _ in range(3) for message in sqs.receive(1)]

    assert refused == []
    assert len(found) == 23
    assert all(0 <= time.time() - message.sent_at < 60 for message in found)
    assert sqs.delete_all(found) == 0
    counts = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "0"
    assert sqs.receive(0) == []


def test_what_the_queue_refuses_is_named(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = SqsWakeUpQueue(queue.url)
    refusal = {"Failed": [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]}
    monkeypatch.setattr(sqs._client.get(), "send_message_batch", lambda **_: refusal)
    monkeypatch.setattr(sqs._client.get(), "delete_message_batch", lambda **_: refusal)
    wake_ups = [WakeUp(POST, n) for n in range(3)]
    sqs.send_all([])

    assert sqs.send_all(wake_ups) == [wake_ups[1]]
    queue.client.send_message(QueueUrl=queue.url, MessageBody="x")
    assert sqs.delete_all(sqs.receive(1)) == 1


def test_a_missing_queue_is_unavailable(queue: Queue) -> None:
    gone = SqsWakeUpQueue(queue.url + "-gone")
    for call in (
        lambda: gone.receive(0),
        lambda: gone.send_all([WakeUp(POST, 0)]),
        lambda: gone.delete_all([Message("receipt", "{}", 0)]),
        lambda: SqsWakeUpSender(queue.url + "-gone").send(WakeUp(POST, 0)),
    ):
        with pytest.raises(QueueUnavailableError):
            call()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


@pytest.mark.parametrize("kind", ["silent", "closed"])
def test_a_bad_queue_neither_fails_nor_holds_up_a_like(
    api: Api, environment: pytest.MonkeyPatch, silent_port: int, likes_db: FakeLikes, bobs_token: str, kind: str
) -> None:
    port = silent_port if kind == "silent" else 9
    environment.setenv("LIKES_QUEUE_URL", f"http://127.0.0.1:{port}/000000000000/likes-settle")
    environment.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{port}")
    import boto3  # noqa: F401, PLC0415 - importing it is no part of what is measured

    keys = [likes_db.add_content() for _ in range(5)]
    took = []
    for key in keys:
        started = time.monotonic()
        body = {"content_type": key[0], "content_id": key[1], "liked": True}
        assert api("likes", "POST", json_body=body, token=bobs_token).json["changed"] is True
        took.append(time.monotonic() - started)

    assert took[0] < 3, "connecting and reading have 1.5 s together"
    assert max(took[1:]) < 0.5, "then the queue is left alone"
    assert len(likes_db.unsettled_likes()) == 0
    assert likes_db.dirty == set(keys), "the sweep finds them"


def test_the_queue_is_tried_again_after_a_rest(queue: Queue) -> None:
    now = [0.0]
    sender = SqsWakeUpSender(queue.url, clock=lambda: now[0])
    queue.client.delete_queue(QueueUrl=queue.url)
    with pytest.raises(QueueUnavailableError):
        sender.send(WakeUp(POST, 0))
    queue.client.create_queue(QueueName="likes-settle")
    with pytest.raises(QueueUnavailableError, match="left alone"):
        sender.send(WakeUp(POST, 0))

    now[0] += 5
    sender.send(WakeUp(POST, 0))
    assert len(SqsWakeUpQueue(queue.url).receive(1)) == 1


def test_threads_share_one_client(queue: Queue) -> None:
    sender = SqsWakeUpSender(queue.url)
    threads = [threading.Thread(target=sender.send, args=(WakeUp(POST, 0),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    counts = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "8"


def test_no_queue_takes_everything_and_gives_nothing() -> None:
    slept: list[float] = []
    none = NoQueue(sleep=slept.append)

    none.send(WakeUp(POST, 0))
    assert (none.send_all([WakeUp(POST, 0)]), none.receive(5), none.delete_all([])) == ([], [], 0)
    assert slept == [5], "it waits as a long poll would"
