"""Many sessions at once do what a busy system does: like, wake, settle, watch, read, keep house, and get killed."""

import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

import psycopg

from tests.integration.engine.session import Content, Session
from tests.integration.engine.world import World


class WakeUps:
    """The queue: a wake-up is received when due; one in ten is lost with the function that meant to send it."""

    def __init__(self, random_: random.Random) -> None:
        self._random = random_
        self._lock = threading.Lock()
        self._heap: list[tuple[float, float, Content]] = []

    def send(self, content: Content, after_ms: int | None) -> None:
        if after_ms is not None and self._random.random() > 0.1:
            with self._lock:
                heapq.heappush(self._heap, (time.monotonic() + after_ms / 1000, self._random.random(), content))

    def receive(self, most: int) -> list[Content]:
        with self._lock:
            due: list[Content] = []
            while self._heap and len(due) < most and self._heap[0][0] <= time.monotonic():
                due.append(heapq.heappop(self._heap)[2])
            return due


class Chaos:
    """Sessions that act at random until they are told to stop.

    `done` counts what they did, `refusals` what they were refused, by SQLSTATE, `outcomes` how settling went.
    """

    def __init__(self, world: World, users: Sequence[UUID], contents: Sequence[Content], seed: int) -> None:
        self.world = world
        self.users = users
        self.contents = contents
        self.refusals: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._wake_ups = WakeUps(random.Random(seed + 1))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pids: dict[int, int] = {}
        self._errors: list[BaseException] = []

    def add(self, count: int, act: Callable[[Session, random.Random], None], every: float = 0) -> None:
        """Let `count` sessions of their own do `act` again and again, `every` so many seconds."""
        for _ in range(count):
            arguments = (act, random.Random(self._random.random()), every)
            self._threads.append(threading.Thread(target=self._work, args=arguments))

    def run(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Run all of them for some seconds; raises what any of them could not explain."""
        for thread in self._threads:
            thread.start()
        end = time.monotonic() + seconds
        try:
            meanwhile()
            self._stop.wait(max(0, end - time.monotonic()))
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
        if self._errors:
            raise self._errors[0]

    def _work(self, act: Callable[[Session, random.Random], None], choose: random.Random, every: float) -> None:
        session = self.world.session()
        try:
            while not self._stop.wait(every):
                self._pids[threading.get_ident()] = session.pid
                try:
                    act(session, choose)
                    self.done[act.__name__] += 1
                except psycopg.Error as error:
                    self.refusals[self._reason(error)] += 1
                    session = self.world.session() if session.connection.closed else session
        except BaseException as error:
            self._errors.append(error)
            self._stop.set()

    def _reason(self, error: psycopg.Error) -> str:
        is_dead = isinstance(error, psycopg.OperationalError) and error.sqlstate in {None, "57P01"}
        return "killed" if is_dead else f"{error.sqlstate} {error.diag.message_primary}"

    # What they do

    def like(self, session: Session, choose: random.Random) -> None:
        """Like, unlike, toggle or repeat; a third of all on the first content."""
        content = self.contents[0] if choose.random() < 0.3 else choose.choice(self.contents)
        user = choose.choice(self.users)
        intent = int(time.time() * 1000) - choose.choice([0, 0, 0, 5000]) if choose.random() < 0.5 else None
        for _ in range(choose.choice([1, 1, 1, 2])):
            answer = session.like(user, content, choose.choice([True, True, False, None]), intent)
            self._wake_ups.send(content, answer["wake_after_ms"])

    def drain(self, session: Session, choose: random.Random) -> None:
        """Take wake-ups, some of them twice, and settle."""
        batch = self._wake_ups.receive(choose.randrange(1, 10))
        if batch:
            by_id = {content.id: content for content in self.contents}
            for result in session.settle(*batch):
                self.outcomes[" ".join(filter(None, (result["outcome"], result["error"])))] += 1
                content = by_id[UUID(result["content_id"])]
                for _ in range(choose.choice([1, 1, 2])):
                    self._wake_ups.send(content, result["wake_after_ms"])

    def watch(self, session: Session, choose: random.Random) -> None:
        """A screen of contents that goes on scrolling."""
        viewer, user = uuid4(), choose.choice([None, *self.users])
        for _ in range(3):
            seen = choose.sample(self.contents, min(3, len(self.contents)))
            session.heartbeat(user, viewer, *(c.item(version=choose.randrange(3), viewers=0) for c in seen))

    def read(self, session: Session, choose: random.Random) -> None:
        """An author looks at the notifications and marks them as read."""
        author = choose.choice(self.contents).author
        session.notifications(author)
        session.read_notifications(author)

    def keep_house(self, session: Session, choose: random.Random) -> None:
        """Sweep, reconcile, prune."""
        choose.choice([session.sweep, session.sweep, session.reconcile, session.prune])()

    def kill(self, session: Session, choose: random.Random) -> None:
        """End somebody's session in the middle of whatever it does."""
        session.run("select pg_terminate_backend(%s)", choose.choice(list(self._pids.values())))

    def delete_user(self, session: Session, choose: random.Random) -> None:
        """Somebody leaves, with all likes."""
        session.run("delete from auth.users where id = %s", choose.choice(self.users))

    def delete_content(self, session: Session, choose: random.Random) -> None:
        """A content goes, but for the first one."""
        session.run("delete from public.posts where id = %s", choose.choice(self.contents[1:]).id)
