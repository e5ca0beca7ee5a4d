"""The life of notifications: whatever likers and author do in whatever order, list, counts and events are the model's.

Time is virtual, and each settling takes all contents in one call. What the model leaves out (intents, windows, races)
has tests of its own.
"""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.integration.engine.model import Model, Notification, RefusedError, Sent
from tests.integration.engine.session import Content
from tests.integration.engine.world import World

some_index = st.integers(0, 999)
# What ends a story must not end all of them at once.
seldom = st.sampled_from([False] * 5 + [True])


class Life(RuleBasedStateMachine):
    """Two authors, three contents, five people; the authors like, too."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.db = world.db
        self.model = Model()
        self.ids: dict[UUID, Notification] = {}
        self.heard: Counter[UUID] = Counter()

    @initialize()
    def begin(self) -> None:
        self.users = self.world.users(5)
        self.authors = self.users[:2]
        self.contents = [self.world.post(self.users[0]), self.world.post(self.users[1]), self.video(self.users[0])]
        self.names = {
            user: self.db.value("select username from public.users where id = %s", user) for user in self.users
        }

    def video(self, author: UUID) -> Content:
        content = Content("video", uuid4(), author)
        self.db.run(
            "insert into public.videos (id, user_id, title, video_url, status) values (%s, %s, 'film', 'url', 'ready')",
            *(content.id, author),
        )
        return content

    # What people do

    @rule(
        whos=st.lists(some_index, min_size=1, max_size=4), what=some_index, liked=st.sampled_from([True, True, False])
    )
    @precondition(lambda self: self.contents)
    def some_like_or_unlike(self, whos: list[int], what: int, liked: bool) -> None:
        content = self.content(what)
        for who in whos:
            user = self.users[who % len(self.users)]
            self.world.pass_time(seconds=0.01)
            try:
                self.model.like(user, content, liked, None, self.world.now())
            except RefusedError:
                continue  # that a blocked user is refused has tests of its own
            self.db.like(user, content, liked)

    @rule(what=some_index, whos=st.lists(some_index, min_size=1, max_size=3))
    @precondition(lambda self: self.contents)
    def some_like_and_are_told_of(self, what: int, whos: list[int]) -> None:
        self.some_like_or_unlike(whos, what, True)
        self.settle()

    @rule(what=some_index, who=some_index)
    @precondition(lambda self: self.contents)
    def one_thinks_again_and_again(self, what: int, who: int) -> None:
        for liked in (True, False, True):
            self.some_like_or_unlike([who], what, liked)
            self.settle()

    @rule(hours=st.sampled_from([1, 11.9, 12.1, 24.1]))
    def hours_pass(self, hours: float) -> None:
        self.world.pass_time(hours=hours)

    @rule(which=st.integers(0, 1))
    @precondition(lambda self: self.authors)
    def an_author_reads_all(self, which: int) -> None:
        author = self.authors[which % len(self.authors)]
        unread = self.model.unread(author)
        self.model.read(author)
        assert self.db.read_notifications(author) == {"marked": unread, "unread_count": 0}
        self.list_is_the_model(author)

    @rule(which=st.integers(0, 1), picks=st.lists(some_index, min_size=1, max_size=2))
    @precondition(lambda self: self.authors and self.ids)
    def an_author_reads_some(self, which: int, picks: list[int]) -> None:
        """Of whomever's notifications: those of another author stay as they are."""
        author = self.authors[which % len(self.authors)]
        ids = sorted(self.ids)
        some = [ids[pick % len(ids)] for pick in picks]
        before = self.model.unread(author)
        self.model.read(author, [self.ids[one] for one in some])
        answer = self.db.call_as(author, "select public.mark_notifications_read(%s)", some)
        assert answer == {"marked": before - self.model.unread(author), "unread_count": self.model.unread(author)}
        for each in self.authors:
            self.list_is_the_model(each)

    @rule(what=some_index, muted=st.booleans())
    @precondition(lambda self: self.contents)
    def an_author_mutes(self, what: int, muted: bool) -> None:
        content = self.content(what)
        arguments = (content.type, content.id, muted)
        self.db.call_as(content.author, "select public.mute_content(%s, %s, %s)", *arguments)
        (self.model.muted.add if muted else self.model.muted.discard)(content)

    @rule(which=st.integers(0, 1), enabled=st.booleans())
    @precondition(lambda self: self.authors)
    def an_author_turns_notifications(self, which: int, enabled: bool) -> None:
        author = self.authors[which % len(self.authors)]
        self.db.call_as(author, "select public.set_like_notifications(%s)", enabled)
        (self.model.silent.discard if enabled else self.model.silent.add)(author)

    @rule(which=st.integers(0, 1), whom=some_index, blocked=st.booleans())
    @precondition(lambda self: self.authors)
    def an_author_blocks(self, which: int, whom: int, blocked: bool) -> None:
        pair = self.authors[which % len(self.authors)], self.users[whom % len(self.users)]
        if pair[0] == pair[1] or blocked == (pair in self.model.blocks):
            return
        if blocked:
            self.model.blocks.add(pair)
            self.db.run("insert into public.user_blocks (blocker_id, blocked_id) values (%s, %s)", *pair)
        else:
            self.model.blocks.remove(pair)
            self.db.run("delete from public.user_blocks where blocker_id = %s and blocked_id = %s", *pair)

    @rule(what=some_index, really=seldom)
    @precondition(lambda self: len(self.contents) > 1)
    def a_content_is_deleted(self, what: int, really: bool) -> None:
        if not really:
            return
        content = self.content(what)
        table = "videos" if content.type == "video" else "posts"
        self.db.connection.execute(f"delete from public.{table} where id = %s".encode(), [content.id])
        self.forget(content)

    @rule(who=some_index, really=seldom)
    @precondition(lambda self: len(self.users) > 2)
    def a_user_is_deleted(self, who: int, really: bool) -> None:
        """With all likes; an author with all contents, too."""
        if not really:
            return
        user = self.users.pop(who % len(self.users))
        self.authors = [author for author in self.authors if author != user]
        self.db.run("delete from auth.users where id = %s", user)
        self.model.delete_user(user)
        del self.names[user]
        for content in [content for content in self.contents if content.author == user]:
            self.forget(content)

    def forget(self, content: Content) -> None:
        self.contents.remove(content)
        self.model.delete_content(content)
        self.world.pass_time(seconds=5)
        assert [result["outcome"] for result in self.db.settle(content)] == ["settled"]
        self.events_are_the_models()

    # What must be true

    @rule()
    def settle(self) -> None:
        self.world.pass_time(seconds=2)
        settled = self.db.settle(*self.contents) if self.contents else []
        assert {result["outcome"] for result in settled} <= {"settled"}
        for content in self.contents:
            self.model.settle(content, self.world.now())
        self.note_ids()
        self.events_are_the_models()
        for author in self.authors:
            self.list_is_the_model(author)

    def note_ids(self) -> None:
        """Which of the model's notifications the new rows are: of one content, one settling makes one at most."""
        query = "select id, content_id from likes.notifications where user_id = any (%s) and id <> all (%s)"
        nameless = [n for n in self.model.notifications if all(n is not known for known in self.ids.values())]
        for number, content_id in self.db.rows(query, self.authors, list(self.ids)):
            (self.ids[number],) = [n for n in nameless if n.content.id == content_id]

    def events_are_the_models(self) -> None:
        """Each change of a notification was told once, as it was then. Of one settling the order is no matter."""
        wanted, self.model.sent = self.model.sent, []
        for author in {sent.notification.content.author for sent in wanted} | set(self.authors):
            heard = [m for m in self.world.messages(f"user:{author}") if m.event.startswith("notification:")]
            fresh = heard[self.heard[author] :]
            self.heard[author] = len(heard)
            found = [(m.event, *self.told(m.event, m.payload)) for m in fresh]
            mine = [self.expected(sent) for sent in wanted if sent.notification.content.author == author]
            assert sorted(map(repr, found)) == sorted(map(repr, mine))

    def told(self, event: str, payload: dict[str, Any]) -> tuple[object, ...]:
        notification = self.ids.get(UUID(payload["id"]))
        return (id(notification), *(() if event == "notification:removed" else self.fields(payload)))

    def fields(self, payload: dict[str, Any]) -> tuple[object, ...]:
        data = payload["data"]
        named = (data["contentType"], data["contentId"], data["likerIds"], data["likerCount"], data["totalLikes"])
        assert data["likerId"] == data["likerIds"][0]
        return (*named, payload["title"], payload["message"], payload["isRead"])

    def expected(self, sent: Sent) -> tuple[object, ...]:
        if sent.event == "notification:removed":
            return sent.event, id(sent.notification)
        shown = self.shown(sent.notification.content, sent.likers, sent.total)
        return sent.event, id(sent.notification), *shown, sent.title, self.message(sent), sent.is_read

    def shown(self, content: Content, likers: tuple[UUID, ...], total: int) -> tuple[object, ...]:
        return content.type, str(content.id), list(map(str, likers)), len(likers), total

    def message(self, of: Sent | Notification) -> str:
        others = len(of.likers) - 1
        name = self.names.get(of.likers[0], "")
        who = name if not others else f"{name} and {others} other{'s' if others > 1 else ''}"
        return f"{who} liked your {(of.notification if isinstance(of, Sent) else of).content.type}"

    def list_is_the_model(self, author: UUID) -> None:
        answer = self.db.notifications(author)
        assert answer["unread_count"] == self.model.unread(author)
        listed = [(*self.told("", n),) for n in answer["notifications"]]
        mine = [
            (id(n), *self.shown(n.content, tuple(n.likers), n.total), n.title, self.message(n), n.is_read)
            for n in self.model.of(author)
        ]
        assert sorted(map(repr, listed)) == sorted(map(repr, mine))

    def content(self, index: int) -> Content:
        return self.contents[index % len(self.contents)]

    def teardown(self) -> None:
        """At rest, everything is told."""
        if getattr(self, "contents", []):
            self.settle()


def test_notifications_live_as_the_model_says(world: World) -> None:
    world.stop_clock()

    class LifeHere(Life):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        LifeHere,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
