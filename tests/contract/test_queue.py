"""What the functions rely on SQS for, asked of two independent ones: moto, and the ministack of the local stack.

Where these agree with Amazon's documentation the adapter may be tested on either.
"""

import asyncio
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local import parts, processes, queues
from local.settings import Settings
from realtime_likes.errors import QueueUnavailableError
from realtime_likes.models import Content
from realtime_likes.ports import Message, WakeUp
from realtime_likes.sqs_queue import SqsWakeUpQueue, SqsWakeUpSender
from tests.stack import ROOT

VISIBILITY_SECONDS = 1
RECEIVES = 5


@dataclass(frozen=True)
class Sqs:
    """A queue with a dead-letter queue, as deployed but for a short visibility timeout."""

    client: Any
    url: str
    dead_url: str

    def put(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    @property
    def dead(self) -> list[str]:
        answer = self.client.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a ministack of these tests' own listens."""
    settings = Settings(ROOT, tmp_path_factory.mktemp("ministack"), ROOT / "supabase", port=0)
    part = parts.queue(settings)
    environment = {**processes.base_environment(settings.folder), **part.environment}
    with (settings.folder / "log").open("wb") as log:
        process = subprocess.Popen(part.argv, env=environment, stdout=log, stderr=log, cwd=ROOT, process_group=0)
    try:
        asyncio.run(asyncio.wait_for(part.ready(), part.deadline))
        yield parts.sqs_endpoint(settings)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(params=["moto", "ministack"])
def sqs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sqs]:
    """Every test runs on both."""
    for name, value in queues.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if request.param == "moto":
        monkeypatch.delenv("AWS_ENDPOINT_URL_SQS", raising=False)
        with mock_aws():
            yield make_queues("contract")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", request.getfixturevalue("ministack"))
        yield make_queues(f"contract-{time.monotonic_ns()}")


def make_queues(name: str) -> Sqs:
    client = boto3.client("sqs")
    dead_url = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES})
    attributes: Any = {"RedrivePolicy": redrive, "VisibilityTimeout": str(VISIBILITY_SECONDS)}
    return Sqs(client, client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], dead_url)


def post(number: int) -> Content:
    return Content(content_type="post", content_id=f"5a4d4a1c-7fb0-4b8b-9a53-{number:012x}")


def receive_all(queue: SqsWakeUpQueue, count: int) -> list[Message]:
    """So many messages; real SQS too may give fewer at a time than there are."""
    found: list[Message] = []
    end = time.monotonic() + 20
    while len(found) < count and time.monotonic() < end:
        found += queue.receive(1)
    return found


def test_a_wake_up_arrives_as_the_contract_has_it_with_the_time_of_its_sending(sqs: Sqs) -> None:
    before = time.time()
    SqsWakeUpSender(sqs.url).send(WakeUp(post(1), 0))
    (message,) = SqsWakeUpQueue(sqs.url).receive(5)
    assert json.loads(message.body) == {"content_type": "post", "content_id": post(1).content_id}
    assert before - 1 <= message.sent_at <= time.time() + 1


@pytest.mark.parametrize("way", ["one by one", "as a batch"])
def test_a_delayed_wake_up_is_never_early_and_a_poll_that_waits_gets_it(sqs: Sqs, way: str) -> None:
    queue, wake_up = SqsWakeUpQueue(sqs.url), WakeUp(post(1), 1500)
    sent = time.monotonic()
    if way == "one by one":
        SqsWakeUpSender(sqs.url).send(wake_up)
    else:
        assert queue.send_all([wake_up]) == []
    assert queue.receive(0) == []
    (message,) = queue.receive(10)
    # SQS keeps times in whole milliseconds, and the delay was rounded up to two seconds
    assert time.monotonic() - sent >= 1.5
    assert queue.delete_all([message]) == 0


def test_a_poll_without_a_message_waits_as_long_as_it_may(sqs: Sqs) -> None:
    begun = time.monotonic()
    assert SqsWakeUpQueue(sqs.url).receive(1) == []
    assert time.monotonic() - begun >= 0.9


def test_a_message_that_comes_ends_the_poll(sqs: Sqs) -> None:
    sending = threading.Timer(0.5, sqs.put, ["{}"])
    begun = time.monotonic()
    sending.start()
    (message,) = SqsWakeUpQueue(sqs.url).receive(15)
    assert message.body == "{}"
    assert time.monotonic() - begun < 15
    sending.join()


def test_more_than_ten_go_in_and_out_each_once(sqs: Sqs) -> None:
    queue = SqsWakeUpQueue(sqs.url)
    wake_ups = [WakeUp(post(number), 0) for number in range(23)]
    assert queue.send_all(wake_ups) == []
    found: list[str] = []
    while len(found) < 23:
        some = queue.receive(1)
        assert 0 < len(some) <= 10
        assert queue.delete_all(some) == 0
        found += [json.loads(message.body)["content_id"] for message in some]
    assert sorted(found) == [wake_up.content.content_id for wake_up in wake_ups]
    wait_for_timeout()
    assert queue.receive(0) == []


def test_whom_one_drain_has_in_hand_another_does_not_get_until_the_timeout(sqs: Sqs) -> None:
    sqs.client.set_queue_attributes(QueueUrl=sqs.url, Attributes={"VisibilityTimeout": "3"})
    one, other = SqsWakeUpQueue(sqs.url), SqsWakeUpQueue(sqs.url)
    one.send_all([WakeUp(post(1), 0)])
    (first,) = one.receive(5)
    assert other.receive(0) == []
    (again,) = other.receive(10)
    assert again.body == first.body
    assert again.sent_at == first.sent_at, "the age of a message counts from its sending"
    assert other.delete_all([again]) == 0
    assert one.receive(4) == []


def test_deleting_again_does_no_harm(sqs: Sqs) -> None:
    """Two drains may have had the same message, and a delete whose answer was lost is repeated."""
    queue = SqsWakeUpQueue(sqs.url)
    queue.send_all([WakeUp(post(1), 0), WakeUp(post(2), 0)])
    messages = receive_all(queue, 2)
    assert queue.delete_all(messages[:1]) == 0
    queue.delete_all(messages)
    wait_for_timeout()
    assert queue.receive(0) == []


def test_a_message_that_fails_five_times_ends_in_the_dead_letter_queue(sqs: Sqs) -> None:
    queue = SqsWakeUpQueue(sqs.url)
    sqs.put("poison ☠")
    sqs.put("fine")
    receives = 0
    end = time.monotonic() + 30
    while time.monotonic() < end and not (dead := sqs.dead):
        for message in queue.receive(1):
            receives += message.body == "poison ☠"
            queue.delete_all([message] if message.body == "fine" else [])
    assert dead == ["poison ☠"]
    assert receives == RECEIVES


def test_a_queue_that_is_not_there_is_unavailable_to_every_call(sqs: Sqs) -> None:
    gone = SqsWakeUpQueue(sqs.url + "-gone")
    for call in (
        lambda: gone.receive(0),
        lambda: gone.send_all([WakeUp(post(1), 0)]),
        lambda: gone.delete_all([Message("receipt", "{}", 0)]),
        lambda: SqsWakeUpSender(sqs.url + "-gone").send(WakeUp(post(1), 0)),
    ):
        with pytest.raises(QueueUnavailableError):
            call()


def wait_for_timeout() -> None:
    """Until whatever was received and not deleted would be there again."""
    time.sleep(VISIBILITY_SECONDS + 0.2)
