"""Several drains at once, no drain at all, and machines whose clocks disagree (A13, C1, D5)."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tests.fault.proxy import Answer, Forward, Hold, Request
from tests.fault.scene import Scene
from tests.integration.engine.session import Content


def double(request: Request, forward: Forward) -> Answer | None:
    """Every wake-up of a like arrives twice."""
    forward(request)
    return forward(request)


def one_at_a_time(request: Request, forward: Forward) -> Answer | None:
    """Whoever receives gets one message, so that two drains get one copy each."""
    if request.name == "ReceiveMessage":
        body = json.loads(request.body) | {"MaxNumberOfMessages": 1}
        request = replace(request, body=json.dumps(body).encode())
    return forward(request)


def test_two_drains_with_the_same_message_settle_it_once(scene: Scene) -> None:
    """Both have a copy in hand and call the database at the same moment."""
    post = scene.post()
    scene.system.to_queue.rule, scene.system.from_queue.rule = double, one_at_a_time
    with scene.ear(post) as ear:
        likers = scene.crowd(post)
        scene.system.to_database.rule = hold = Hold("settle_likes", count=2)
        scene.system.start_drain()
        scene.system.start_drain()
        hold.wait()
        begun = time.monotonic()
        hold.release()
        scene.heal("two drains with the same message", {post: likers}, within=5, since=begun)
        scene.assert_heard(ear, (post.topic, f"user:{post.author}"))
        likers += scene.crowd(post, 20)
        scene.heal("two drains, every message twice, more likes", {post: likers}, within=10)


def test_heartbeats_settle_what_people_watch_while_no_drain_runs(scene: Scene) -> None:
    """The drain's absence is as long as it takes: what is watched waits for the grace time and one heartbeat."""
    watched, unwatched = scene.posts(2)
    begun = time.monotonic()
    likers = {post: scene.crowd(post) for post in (watched, unwatched)}
    viewers = [(scene.user(), uuid4()) for _ in range(3)]
    with heartbeats(scene, viewers, watched):
        scene.heal("no drain, people watch", {watched: likers[watched]}, within=8, since=begun, alone=False)
        assert not scene.is_told(unwatched, likers[unwatched])
        likers[watched] += scene.crowd(watched, 3)
        scene.heal("no drain, they like on", {watched: likers[watched]}, within=8, alone=False)
    back = time.monotonic()
    scene.system.start_drain()
    scene.heal("the drain is back: what nobody watched", likers, within=6, since=back)


@contextmanager
def heartbeats(scene: Scene, viewers: list[tuple[UUID, UUID]], content: Content) -> Iterator[None]:
    """Each viewer's, every half second here."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.5):
            for user, viewer in viewers:
                scene.heartbeat_over_api(user, viewer, content)

    with ThreadPoolExecutor(1) as thread:
        beating = thread.submit(beat)
        try:
            yield
        finally:
            stop.set()
        beating.result()


@pytest.mark.parametrize("ahead", [60.0, -60.0])
def test_clocks_that_differ_by_a_minute_change_nothing(scene: Scene, ahead: float) -> None:
    """The drain is as far off one way as the likes function the other way: times of one machine meet no other's."""
    post = scene.post()
    url = scene.system.start_functions("functions elsewhere", skew=-ahead)
    scene.system.start_drain(skew=ahead)
    begun = time.monotonic()
    likers = scene.users(6)
    for liker in likers:
        assert scene.tap(liker, post, url=url).status_code == 200
    scene.heal(f"drain {ahead:+.0f} s, function {-ahead:+.0f} s", {post: likers}, within=6, since=begun)
