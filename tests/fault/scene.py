"""People and contents on the whole system, and what must be true of them after every fault."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

import httpx

from tests.fault.ear import Ear, listening, token_of
from tests.fault.system import System
from tests.integration.engine.invariants import wrong
from tests.integration.engine.session import Content
from tests.integration.engine.world import Message, World

# All tests share a database, so each person has another name.
_NUMBERS: Final = itertools.count(1)
# A failing test waits so much longer than healing may take, to say how long it did take.
_GRACE: Final = 10.0


class Scene(World):
    """The system, and the people of one test. `healed` are the lines that tell how long each healing took."""

    def __init__(self, system: System, healed: list[str]) -> None:
        super().__init__(system)
        self._numbers = _NUMBERS
        self._healed = healed
        self.system = system
        self.http = httpx.Client(timeout=30, trust_env=False)

    def close(self) -> None:
        self.http.close()
        super().close()

    # What people do

    def tap(
        self, user: UUID, content: Content, liked: bool = True, *, intent: int | None = None, url: str | None = None
    ) -> httpx.Response:
        """A request to the likes function."""
        body: dict[str, Any] = {"content_type": content.type, "content_id": str(content.id), "liked": liked}
        body |= {"intent": intent} if intent else {}
        headers = {"authorization": f"Bearer {token_of(user)}"}
        return self.http.post(url or self.system.likes_url, json=body, headers=headers)

    def tap_until_taken(self, user: UUID, content: Content) -> None:
        """As the client does while there is no connection: the same wish, again and again."""
        intent = int(time.time() * 1000)
        end = time.monotonic() + 60
        while not self._is_taken(user, content, intent):
            assert time.monotonic() < end, "the like was never taken"
            time.sleep(0.1)

    def tap_while_it_dies(self, user: UUID, content: Content, intent: int) -> None:
        """A request whose answer never comes."""
        try:
            answer = self.tap(user, content, intent=intent)
        except httpx.TransportError:
            return
        raise AssertionError(f"answered {answer.status_code}")

    def _is_taken(self, user: UUID, content: Content, intent: int) -> bool:
        try:
            return self.tap(user, content, intent=intent).status_code == 200
        except httpx.TransportError:
            return False

    def crowd(self, content: Content, size: int = 6) -> list[UUID]:
        """So many new people like a content, one after the other."""
        people = self.users(size)
        for person in people:
            assert self.tap(person, content).status_code == 200
        return people

    def heartbeat_over_api(self, user: UUID, viewer: UUID, content: Content) -> None:
        """What an open client sends: what is on its screen."""
        body = {"viewer_id": str(viewer), "items": [content.item(version=0)]}
        headers = {"authorization": f"Bearer {token_of(user)}"}
        url = f"http://127.0.0.1:{self.system.settings.ports.rest}/rpc/sync_viewing"
        self.http.post(url, json=body, headers=headers).raise_for_status()

    @contextmanager
    def ear(self, *contents: Content) -> Iterator[Ear]:
        """Their author listens to them, and to the own channel."""
        (author,) = {content.author for content in contents}
        topics = [f"user:{author}", *(content.topic for content in contents)]
        with listening(f"ws://127.0.0.1:{self.system.settings.ports.realtime}", author, topics) as ear:
            yield ear

    # What must come true

    def is_told(self, content: Content, likers: Iterable[UUID]) -> bool:
        """Whether the count is announced and the author's notifications tell of everyone."""
        rows = self.db.rows(
            "select user_id from likes.content_likes where content_id = %s and liked and notification_id is not null",
            content.id,
        )
        wanted = set(likers)
        announced = self.db.rows("select announced_total from likes.activity where content_id = %s", content.id)
        return {user for (user,) in rows} == wanted and announced == [(len(wanted),)]

    def is_quiet(self) -> bool:
        """Whether nothing is left to do, in the database and in the queue."""
        return wrong(self.db) == {} and self.system.messages() == 0

    def heal(
        self,
        title: str,
        likes: dict[Content, list[UUID]],
        *,
        within: float,
        since: float | None = None,
        alone: bool = True,
    ) -> None:
        """Wait until these are told and, if they are alone, no work is left; note the times and check what was said."""
        begun = time.monotonic() if since is None else since
        self.await_(lambda: all(self.is_told(content, likers) for content, likers in likes.items()), 60)
        told = time.monotonic() - begun
        line = f"{title:<54} told after {told:5.1f} s"
        if alone:
            self.await_(self.is_quiet, 60, lambda: (wrong(self.db), self.system.messages()))
            line += f", no work left after {time.monotonic() - begun:5.1f} s"
        self._healed.append(line)
        for content, likers in likes.items():
            self.assert_told_once(content, likers)
        assert told < within, f"told after {told:.1f} s"

    def await_(self, condition: Callable[[], bool], seconds: float, why: Callable[[], object] = lambda: None) -> None:
        """Return as soon as a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not happen: {why()}"
            time.sleep(0.03)

    def assert_told_once(self, content: Content, likers: Sequence[UUID]) -> None:
        """Nobody is missing, nobody was told of twice, the last event has the final count."""
        events = self.messages(content.topic)
        assert events[-1].payload["totalLikes"] == len(likers) == self.total(content)
        versions = [event.payload["version"] for event in events]
        assert versions == sorted(set(versions))
        totals = [event.payload["totalLikes"] for event in events]
        assert totals == sorted(set(totals)), "each event tells of another count"
        notices = self.notices(content)
        assert [notice.event for notice in notices] == [
            "notification:new" if place == 0 else "notification:updated" for place in range(len(notices))
        ]
        counts = [notice.payload["data"]["likerCount"] for notice in notices]
        assert counts == sorted(set(counts)), "each notification event tells of somebody new"
        assert counts[-1] == len(likers)
        assert sorted(notices[-1].payload["data"]["likerIds"]) == sorted(map(str, likers))

    def notices(self, content: Content) -> list[Message]:
        """What the author was told of a content, in order."""
        return [
            message
            for message in self.messages(f"user:{content.author}")
            if message.event.startswith("notification:") and message.payload["data"]["contentId"] == str(content.id)
        ]

    def assert_heard(self, ear: Ear, topics: Iterable[str]) -> None:
        """What was sent arrived at the socket, once and in order."""
        for topic in topics:
            sent = [message.payload["id"] for message in self.messages(topic)]
            self.await_(partial(ear.has_heard, topic, len(sent)), 10)
            assert [message.payload["id"] for message in ear.events(topic)] == sent
