"""An AWS emulator (ministack) with our alarms and dashboard deployed beside stand-ins for what they watch."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from local.parts import queue
from local.processes import base_environment
from local.queues import CREDENTIALS
from local.settings import Settings
from tests.stack import ROOT

STACK: Final = "realtime-likes-test"

# Names as in the deployment's template. What the functions do is of no matter here.
_STAND_INS: Final = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  DeadLetterQueue: {Type: AWS::SQS::Queue}
"""
_FUNCTION: Final = """
  {name}LambdaFunction:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: realtime-likes-test-{lower}
      Runtime: python3.13
      Handler: index.handler
      Role: arn:aws:iam::000000000000:role/none
      Code: {{ZipFile: "def handler(event, context): return None"}}
"""


@dataclass(frozen=True)
class Emulator:
    """The running emulator, by its clients."""

    cloudformation: Any
    cloudwatch: Any
    sns: Any
    sqs: Any

    def deploy(self) -> None:
        """Make the stack of infra/alarms.yml and infra/dashboard.yml, by CloudFormation."""
        self.cloudformation.create_stack(StackName=STACK, TemplateBody=template())
        self.cloudformation.get_waiter("stack_create_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

    def alarms(self) -> list[dict[str, Any]]:
        """Every alarm, as CloudWatch describes it."""
        found: list[dict[str, Any]] = self.cloudwatch.describe_alarms()["MetricAlarms"]
        return found

    def state(self, alarm: str) -> str:
        """What CloudWatch says of an alarm, named without its stack."""
        found = self.cloudwatch.describe_alarms(AlarmNames=[f"{STACK}-{alarm}"])["MetricAlarms"]
        return str(found[0]["StateValue"])

    def subscribe(self, name: str) -> Callable[[], list[dict[str, Any]]]:
        """Subscribe a new queue to the alarms' topic; what is returned receives the alarms that came there since."""
        queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        found = self.cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId="AlarmTopic")
        topic = found["StackResourceDetail"]["PhysicalResourceId"]
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

        def receive() -> list[dict[str, Any]]:
            some = self.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)
            return [json.loads(json.loads(message["Body"])["Message"]) for message in some.get("Messages", [])]

        return receive

    def publish(self, namespace: str, metric: str, dimension: dict[str, str], values: Sequence[float]) -> None:
        """Publish values of now."""
        datum = {"MetricName": metric, "Dimensions": [dimension], "Values": list(values), "Counts": [1.0] * len(values)}
        self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])


def template() -> str:
    """Alarms, dashboard and stand-ins as one template."""
    names = ("Likes", "Authors", "Notifications", "Drain")
    functions = "".join(_FUNCTION.format(name=name, lower=name.lower()) for name in names)
    fragments = [(ROOT / "infra" / f"{name}.yml").read_text() for name in ("alarms", "dashboard")]
    return _STAND_INS + functions + "".join(fragment.partition("\nResources:\n")[2] for fragment in fragments)


@contextmanager
def running(folder: Path) -> Iterator[Emulator]:
    """An emulator for the length of the block."""
    settings = Settings(ROOT, folder, folder, port=0)
    part = queue(settings)
    services = {"SERVICES": "cloudwatch,cloudformation,sqs,sns,lambda,iam,s3,logs"}
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            list(part.argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=base_environment(folder) | dict(part.environment) | services,
        )
    endpoint = f"http://127.0.0.1:{settings.ports.queue}"
    try:
        _wait(f"{endpoint}/_ministack/health")
        yield Emulator(**{name: _client(name, endpoint) for name in ("cloudformation", "cloudwatch", "sns", "sqs")})
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "the emulator does not start"
            time.sleep(0.05)
        else:
            return


def _client(service: str, endpoint: str) -> Any:
    make: Any = boto3.client  # the stubs know each service by a package of its own, and we have that of SQS only
    return make(
        service,
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
