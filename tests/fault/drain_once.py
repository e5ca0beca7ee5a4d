"""`python drain_once.py`: one drain in a process of its own, called as Lambda calls it for the schedule.

As a warm Lambda it has loaded everything before; it begins when its input ends.
"""

import os
import sys
import time
from typing import Any, cast

import boto3  # noqa: F401 - the adapter loads it with the first message

import aws
from realtime_likes import compose


class Context:
    """What Lambda says of the time that is left."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._until - time.monotonic()))


if __name__ == "__main__":
    compose.build("drain")
    sys.stdin.read()
    aws.drain({}, cast("Any", Context(float(os.environ["DRAIN_SECONDS"]) + 10)))
