"""Whatever is done in whatever order, counts and notifications are those of a naive model. Time is virtual."""

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.integration.engine.model import Model, Notification, RefusedError
from tests.integration.engine.session import Content
from tests.integration.engine.world import World

USERS = 4
CONTENTS = 3

# Of a number of users or contents that shrinks while the test goes on.
some_index = st.integers(0, 999)
# What ends a story must not end all of them at once.
seldom = st.sampled_from([False] * 4 + [True])


class Engine(RuleBasedStateMachine):
    """The database and the model side by side."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.db = world.db
        self.model = Model()

    @initialize()
    def begin(self) -> None:
        self.users = self.world.users(USERS)
        # The first two are authors as well, of two contents and of one.
        self.contents = [self.world.post(self.users[n % 2]) for n in range(CONTENTS)]

    def user(self, index: int) -> UUID:
        return self.users[index % len(self.users)]

    def content(self, index: int) -> Content:
        return self.contents[index % len(self.contents)]

    @rule(who=some_index, what=some_index)
    @precondition(lambda self: self.contents)
    def like_and_settle(self, who: int, what: int) -> None:
        """What happens most: without it the rest would rarely have anything to change."""
        self.like(who, what, None, None)
        self.world.pass_time(seconds=2)
        self.settle(what)

    @rule(who=some_index, what=some_index, hours=st.sampled_from([11.9, 12.1, 23.9, 24.1]))
    @precondition(lambda self: self.contents)
    def think_again_later(self, who: int, what: int, hours: float) -> None:
        """Around the age at which a notification is closed and at which a like given again is news again."""
        self.like_and_settle(who, what)
        self.like_and_settle(who, what)
        self.world.pass_time(hours=hours)
        self.like_and_settle(who, what)

    @rule(one=some_index, other=some_index, what=some_index)
    @precondition(lambda self: self.contents)
    def take_turns(self, one: int, other: int, what: int) -> None:
        """Between two settlings one likes and another one does not any more."""
        self.like_and_settle(one, what)
        self.like(one, what, None, None)
        self.like_and_settle(other, what)

    @rule(who=some_index, what=some_index, muted=st.booleans())
    @precondition(lambda self: self.contents)
    def mute_and_like(self, who: int, what: int, muted: bool) -> None:
        self.mute(what, muted)
        self.like_and_settle(who, what)

    @rule(what=some_index, whom=some_index, really=seldom)
    @precondition(lambda self: self.contents)
    def block_before_settling(self, what: int, whom: int, really: bool) -> None:
        """The author blocks somebody who has just liked."""
        if really:
            self.like(whom, what, True, None)
            self.block(self.users.index(self.content(what).author), whom, really=True)
            self.world.pass_time(seconds=2)
            self.settle(what)

    @rule(
        who=some_index,
        what=some_index,
        liked=st.sampled_from([None, True, False]),
        intent=st.sampled_from([None, None, "late", "same", "next", "ahead", "too far ahead", "zero"]),
    )
    @precondition(lambda self: self.contents)
    def like(self, who: int, what: int, liked: bool | None, intent: str | None) -> None:
        user, content, now = self.user(who), self.content(what), self.world.now()
        number = self.intent_of(user, content, intent, now)
        try:
            changed = self.model.like(user, content, liked, number, now)
        except RefusedError as refusal:
            self.is_refused(str(refusal), user, content, liked, number)
            return
        answer = self.db.like(user, content, liked, number)
        like = self.model.likes[content, user]
        assert (answer["changed"], answer["liked"], answer["intent"]) == (changed, like.liked, like.intent)
        if changed:
            assert answer["total_likes"] == self.model.total(content)

    def intent_of(self, user: UUID, content: Content, kind: str | None, now: datetime) -> int | None:
        now_ms = int(now.timestamp() * 1000)
        like = self.model.likes.get((content, user))
        stored = like.intent if like else now_ms
        numbers = {"late": stored - 1, "same": stored, "next": min(stored + 1, now_ms + 5000)}
        numbers |= {"ahead": now_ms + 5000, "too far ahead": now_ms + 5001, "zero": 0}
        return None if kind is None else numbers[kind]

    def is_refused(self, sqlstate: str, *arguments: Any) -> None:
        with pytest.raises(psycopg.Error) as refusal:
            self.db.like(*arguments)
        assert refusal.value.sqlstate == sqlstate

    @rule(what=some_index)
    @precondition(lambda self: self.contents)
    def settle(self, what: int) -> None:
        content = self.content(what)
        for result in self.db.settle(content):
            assert result["outcome"] in {"settled", "waiting"}
            if result["outcome"] == "settled":
                self.model.settle(content, self.world.now())
                assert self.model.announced[content] == self.db.status(content)["total_likes"]
                self.list_is_the_model(content.author)
            else:
                assert 0 < result["wake_after_ms"] <= 1000

    @rule()
    def sweep(self) -> None:
        for result in self.db.sweep():
            content = next(c for c in self.contents if str(c.id) == result["content_id"])
            assert result["outcome"] == "settled"
            self.model.settle(content, self.world.now())

    @rule(seconds=st.sampled_from([0.4, 1, 5, 3600, 12 * 3600, 24 * 3600]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds=seconds)

    @rule(who=st.integers(0, 1))
    @precondition(lambda self: len(self.users) > 1)
    def read(self, who: int) -> None:
        author = self.user(who)
        unread = self.model.unread(author)
        self.model.read(author)
        assert self.db.read_notifications(author) == {"marked": unread, "unread_count": 0}

    @rule(what=some_index, muted=st.sampled_from([False, False, True]))
    @precondition(lambda self: self.contents)
    def mute(self, what: int, muted: bool) -> None:
        content = self.content(what)
        self.db.call_as(content.author, "select public.mute_content('post', %s, %s)", content.id, muted)
        (self.model.muted.add if muted else self.model.muted.discard)(content)

    @rule(who=st.integers(0, 1), enabled=st.sampled_from([True, True, False]))
    def turn_notifications(self, who: int, enabled: bool) -> None:
        author = self.user(who)
        self.db.call_as(author, "select public.set_like_notifications(%s)", enabled)
        (self.model.silent.discard if enabled else self.model.silent.add)(author)

    @rule(who=st.integers(0, 1), whom=some_index, really=seldom)
    def block(self, who: int, whom: int, really: bool) -> None:
        if not really:
            return
        blocker, blocked = self.user(who), self.user(whom)
        if blocker != blocked and (blocker, blocked) not in self.model.blocks:
            self.model.blocks.add((blocker, blocked))
            self.db.run("insert into public.user_blocks (blocker_id, blocked_id) values (%s, %s)", blocker, blocked)

    @rule(what=some_index, really=seldom)
    @precondition(lambda self: len(self.contents) > 1)
    def delete_content(self, what: int, really: bool) -> None:
        if not really:
            return
        content = self.content(what)
        self.contents.remove(content)
        self.world.delete(content)
        self.forget(content)

    def forget(self, content: Content) -> None:
        self.model.delete_content(content)
        self.world.pass_time(seconds=5)
        assert [result["outcome"] for result in self.db.settle(content)] == ["settled"]
        self.is_refused("PT404", self.users[0], content, True)

    @rule(who=some_index, really=seldom)
    @precondition(lambda self: len(self.users) > 2)
    def delete_user(self, who: int, really: bool) -> None:
        if not really:
            return
        user = self.user(who)
        self.users.remove(user)
        self.db.run("delete from auth.users where id = %s", user)
        self.model.delete_user(user)
        for content in [c for c in self.contents if c.author == user]:
            self.contents.remove(content)
            self.forget(content)

    @rule()
    def reconcile(self) -> None:
        assert self.db.reconcile()["repaired"] == 0

    @invariant()
    def counters_are_the_likes(self) -> None:
        counted = dict(
            self.db.rows(
                """
                select p.id, coalesce((select sum(c.likes) from likes.counters c where c.content_id = p.id), 0)::integer
                from public.posts p where p.id = any(%s)""",
                [content.id for content in getattr(self, "contents", [])],
            )
        )
        assert counted == {content.id: self.model.total(content) for content in getattr(self, "contents", [])}

    def list_is_the_model(self, author: UUID) -> None:
        names = dict(self.db.rows("select id, username from public.users"))
        answer = self.db.notifications(author)
        assert answer["unread_count"] == self.model.unread(author)
        keys = ("contentId", "likerIds", "likerCount", "totalLikes")
        shown = [
            (*(n["data"][key] for key in keys), n["title"], n["message"], n["isRead"]) for n in answer["notifications"]
        ]
        assert sorted(shown) == sorted(self.shown(n, names) for n in self.model.of(author))

    def shown(self, n: Notification, names: dict[UUID, str]) -> tuple[object, ...]:
        others = len(n.likers) - 1
        who = names.get(n.likers[0], "") + ("" if not others else f" and {others} other{'s' if others > 1 else ''}")
        message = f"{who} liked your post"
        return (str(n.content.id), [*map(str, n.likers)], len(n.likers), n.total, n.title, message, n.is_read)

    def teardown(self) -> None:
        """At rest everything is told: announced, copied to the host, notified."""
        contents = getattr(self, "contents", [])
        for _ in range(3):
            self.world.pass_time(seconds=10)
            for content in contents:
                for result in self.db.settle(content):
                    assert result["outcome"] == "settled"
                    self.model.settle(content, self.world.now())
        for content in contents:
            total = self.model.total(content)
            assert self.db.status(content, content.author)["total_likes"] == total
            assert self.db.value("select likes_count from public.posts where id = %s", content.id) == total
            events = self.world.messages(content.topic)
            assert (events[-1].payload["totalLikes"] if events else 0) == total
            self.list_is_the_model(content.author)


def test_the_engine_does_what_the_model_does(world: World) -> None:
    world.stop_clock()

    class EngineHere(Engine):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        EngineHere,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
