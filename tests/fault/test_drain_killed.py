"""A drain that is killed at each of its steps: what it had in hand is done by the next one, and once (C1, D5)."""

import time

import pytest

from tests.fault.proxy import Hold
from tests.fault.scene import Scene

# Each step of a drain with a message in hand: the request at which it is killed, and whether that one still arrives.
STEPS = {
    "before the RPC": ("to_database", "settle_likes", False),
    "after the RPC, before its answer": ("to_database", "settle_likes", True),
    "after the RPC, before the next wake-up": ("from_queue", "SendMessageBatch", False),
    "after the next wake-up, before the delete": ("from_queue", "DeleteMessageBatch", False),
    "during the delete": ("from_queue", "DeleteMessageBatch", True),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_drain_loses_and_doubles_nothing(scene: Scene, step: str) -> None:
    door_name, request, arrives = STEPS[step]
    door = getattr(scene.system, door_name)
    post = scene.post()
    with scene.ear(post) as ear:
        likers = scene.crowd(post)
        door.rule = hold = Hold(request, after=arrives)
        drain = scene.system.start_drain()
        hold.wait()
        drain.kill()
        killed = time.monotonic()
        hold.lose()
        scene.system.open_doors()
        scene.system.start_drain()
        scene.heal(f"drain killed {step}", {post: likers}, within=10, since=killed)
        scene.assert_heard(ear, (post.topic, f"user:{post.author}"))
