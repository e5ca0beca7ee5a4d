"""Makes the queue of wake-ups as the deployment does: likes-settle, and a dead-letter queue for five failures."""

import json
from typing import Final

import boto3
from botocore.config import Config

# What ministack takes as credentials: anything.
CREDENTIALS: Final = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}

_RECEIVES = 5
_VISIBILITY_SECONDS = 60  # Longer than one batch of the drain takes, so that no message is handled twice at once.


def make_queues(endpoint: str) -> str:
    """Make both queues. Returns the URL of likes-settle."""
    sqs = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1}),
    )
    dead = sqs.create_queue(QueueName="likes-settle-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": _RECEIVES})
    return sqs.create_queue(
        QueueName="likes-settle",
        Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": str(_VISIBILITY_SECONDS)},
    )["QueueUrl"]
