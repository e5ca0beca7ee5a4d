"""Wake-ups that go astray, a queue that nobody reaches: likes never fail, and everything is told in the end (A13)."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.fault.proxy import Answer, Forward, Request, hang_up
from tests.fault.scene import Scene
from tests.integration.engine.session import Content

# As long as the sender leaves a failed queue alone, and more; a minute differs in nothing but the number of retries.
OUTAGE_SECONDS = 7.0


class Misdelivery:
    """A queue that does to the messages of each content what it is told to."""

    def __init__(self, scene: Scene, faults: Mapping[Content, str]) -> None:
        self._elsewhere = scene.system.elsewhere_url
        self._faults = {str(content.id): fault for content, fault in faults.items()}
        self._reordered = sum(fault == "reordered" for fault in faults.values())
        self.met: list[str] = []

    def __call__(self, request: Request, forward: Forward) -> Answer | None:
        message = json.loads(request.body)
        fault = self._faults[json.loads(message["MessageBody"])["content_id"]]
        self.met.append(fault)
        match fault:
            case "lost":
                return forward(_changed(request, QueueUrl=self._elsewhere))
            case "doubled":
                forward(request)
            case "delayed":
                return forward(_changed(request, DelaySeconds=message["DelaySeconds"] + 11))
            case "reordered":  # the first comes last
                self._reordered -= 1
                return forward(_changed(request, DelaySeconds=1 + self._reordered))
        return forward(request)


def _changed(request: Request, **fields: Any) -> Request:
    return replace(request, body=json.dumps({**json.loads(request.body), **fields}).encode())


def test_lost_doubled_delayed_reordered_and_senseless_messages_do_no_harm(scene: Scene) -> None:
    """A lost one is found by the sweep, a second or late one finds nothing to do, one without sense is set apart."""
    dead = scene.system.dead_messages()
    scene.system.put_message("what is this?")
    faults = ["lost", "doubled", "delayed", "reordered", "reordered", "reordered"]
    author = scene.user()
    posts = {scene.post(author): fault for fault in faults}
    scene.system.to_queue.rule = misdelivery = Misdelivery(scene, posts)
    with scene.ear(*posts) as ear:
        scene.system.start_drain()
        begun = time.monotonic()
        likers = {post: scene.crowd(post, 4) for post in posts}
        assert set(misdelivery.met) == set(faults)
        for fault in ("reordered", "doubled", "lost", "delayed"):
            mine = {post: likers[post] for post, met in posts.items() if met == fault}
            # the sweep comes every 10 s, and looks for what is 3 s overdue
            scene.heal(f"messages {fault}", mine, within=16, since=begun, alone=False)
        scene.heal("messages lost, doubled, delayed, reordered", likers, within=16, since=begun)
        scene.assert_heard(ear, [post.topic for post in posts])
    assert scene.system.dead_messages() == dead + 1


def test_likes_go_on_while_the_queue_is_unreachable(scene: Scene) -> None:
    """No like fails or waits for it; afterwards wake-ups go out again."""
    posts = scene.posts(3)
    likers: dict[Content, list[Any]] = {post: [] for post in posts}
    scene.system.to_queue.rule = scene.system.from_queue.rule = hang_up
    scene.system.start_drain()
    begun, slowest = time.monotonic(), 0.0
    while time.monotonic() < begun + OUTAGE_SECONDS:
        for post in posts:
            started = time.monotonic()
            likers[post] += scene.crowd(post, 1)
            slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.3)
    scene.system.open_doors()
    print(f"the slowest like without a queue took {slowest:.1f} s; a try takes 1.5 s at most")
    scene.heal(f"queue unreachable for {OUTAGE_SECONDS:.0f} s", likers, within=16, since=begun + OUTAGE_SECONDS)
    sent: list[str] = []

    def note(request: Request, forward: Forward) -> Answer | None:
        sent.append(request.name)
        return forward(request)

    scene.system.to_queue.rule = note
    later = scene.post()
    fans = scene.crowd(later, 1)
    while not sent:  # until the sender no longer leaves the queue alone
        scene.await_(scene.is_quiet, 20)
        fans += scene.crowd(later, 1)
    scene.heal("and with wake-ups again", {later: fans}, within=4)


def test_a_function_that_dies_before_it_wakes_anybody_loses_nothing(scene: Scene) -> None:
    """The like is committed, its wake-up never sent; the client repeats its wish and is told that it holds."""
    post, liker = scene.post(), scene.user()
    intent = int(time.time() * 1000)
    reached = threading.Event()

    def die(_request: Request, _forward: Forward) -> Answer | None:
        reached.set()
        scene.system.kill_functions()
        return None

    scene.system.to_queue.rule = die
    begun = time.monotonic()
    scene.tap_while_it_dies(liker, post, intent)
    assert reached.is_set()
    scene.system.open_doors()
    scene.system.start_functions()
    answer = scene.tap(liker, post, intent=intent).json()
    assert (answer["liked"], answer["changed"], answer["total_likes"]) == (True, False, 1)
    scene.await_(lambda: scene.db.value("select jsonb_array_length(public.unsettled_likes())") == 1, 10)
    scene.system.start_drain()
    scene.heal("likes function killed before its wake-up", {post: [liker]}, within=10, since=begun)
