"""A database of one test's own with people and contents, and the levers that make races and time deterministic."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, ParamSpec, Protocol, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.integration.engine.session import Content, Session

P = ParamSpec("P")
T = TypeVar("T")

# How long a test waits for what it knows must happen, in seconds.
_PATIENCE: Final = 20.0


@dataclass(frozen=True)
class Message:
    """A row of realtime.messages."""

    topic: str
    event: str
    payload: dict[str, Any]


class Server(Protocol):
    """Where databases come from: a cluster of the engine's tests, or the one database of a whole system."""

    def url(self, name: str, role: str = "postgres") -> str: ...

    def copy(self) -> str: ...

    def drop(self, name: str) -> None: ...


class World:
    """The database and its sessions; `db` is the one that looks on."""

    def __init__(self, cluster: Server) -> None:
        self._cluster = cluster
        self._name = cluster.copy()
        self._sessions: list[Session] = []
        self._numbers = itertools.count(1)
        self.db = self.session()
        self.set_limits()

    def close(self) -> None:
        # First the database, with whoever is still in it: a session that waits for ever could not be closed.
        self._cluster.drop(self._name)
        for session in self._sessions:
            session.close()

    def session(self, role: str = "postgres") -> Session:
        """One more connection; role supabase_admin is the superuser."""
        session = Session(psycopg.connect(self._cluster.url(self._name, role), autocommit=True))
        self._sessions.append(session)
        return session

    # People and contents

    def set_limits(self, **limits: object) -> None:
        """Change settings. Unless named, the rate limit and the budget are out of the way."""
        wide = {"rate_burst": 1_000_000, "rate_per_minute": 60_000_000, "messages_per_second": 1_000_000}
        values = wide | limits
        assignments = [sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in values.items()]
        self.db.connection.execute(sql.SQL("update likes.settings set {}").format(sql.SQL(", ").join(assignments)))

    def user(self, name: str | None = None, privacy: str = "public") -> UUID:
        user = uuid4()
        username = name or f"user{next(self._numbers)}"
        self.db.run(
            "insert into auth.users (id, email, raw_user_meta_data) values (%s, %s, %s)",
            *(user, f"{user}@example.com", Jsonb({"username": username})),
        )
        self.db.run("update public.users set privacy_level = %s, username = %s where id = %s", privacy, username, user)
        return user

    def users(self, count: int) -> list[UUID]:
        return [self.user() for _ in range(count)]

    def post(self, author: UUID | None = None) -> Content:
        content = Content("post", uuid4(), author or self.user())
        self.db.run(
            "insert into public.posts (id, user_id, content) values (%s, %s, 'a post')", content.id, content.author
        )
        return content

    def posts(self, count: int, author: UUID | None = None) -> list[Content]:
        """In the engine's order of locks."""
        return sorted(self.post(author) for _ in range(count))

    def delete(self, content: Content) -> None:
        self.db.run("delete from public.posts where id = %s", content.id)

    # What the engine holds

    def total(self, content: Content) -> int:
        """The sum of the slots."""
        return int(
            self.db.value(
                "select coalesce(sum(likes), 0) from likes.counters where content_type = %s and content_id = %s",
                *(content.type, content.id),
            )
        )

    def slots(self, content: Content) -> list[tuple[int, int, bool]]:
        return self.db.rows(
            "select slot, likes::integer, dirty from likes.counters where content_type = %s and content_id = %s "
            "order by slot",
            *(content.type, content.id),
        )

    def activity(self, content: Content) -> dict[str, Any]:
        """The row of likes.activity."""
        found: dict[str, Any] = self.db.value(
            "select to_jsonb(a) from likes.activity a where content_type = %s and content_id = %s",
            *(content.type, content.id),
        )
        return found

    def messages(self, topic: str) -> list[Message]:
        """What was broadcast on a topic, in the order of commits."""
        query: LiteralString = """
            select topic, event, payload from realtime.messages where topic = %s
            order by pg_xact_commit_timestamp(xmin), ctid"""
        return [Message(*row) for row in self.db.rows(query, topic)]

    def deadlocks(self) -> int:
        """How many deadlocks there were, those that an exception handler hid included. Ends all other sessions."""
        others = self._sessions[1:]
        del self._sessions[1:]
        for session in others:
            session.close()
        # What a session has seen is told when it ends.
        here = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        self.eventually(lambda: self._count(here) == 0)
        return int(self.db.value("select deadlocks from pg_stat_database where datname = current_database()"))

    def _count(self, rows: LiteralString) -> int:
        return int(self.db.value("select count(*) " + rows))

    # Time

    def stop_clock(self) -> None:
        """From now on the engine's time passes by `pass_time` alone."""
        self.db.run(
            """
            create table likes.test_clock as select clock_timestamp() as moment;
            create or replace function likes.clock() returns timestamptz language plpgsql volatile
            set search_path = '' as $$ begin return (select moment from likes.test_clock); end $$"""
        )

    def pass_time(self, **duration: float) -> None:
        self.db.run("update likes.test_clock set moment = moment + %s", timedelta(**duration))

    def now(self) -> datetime:
        moment: datetime = self.db.value("select likes.clock()")
        return moment

    # Races

    def add_pause(self, function: str, *, after: bool = False) -> None:
        """Give a function of schema likes a place before or after its work where `paused` can stop a session."""
        self.db.run(
            """
            create or replace function likes.test_pause(point text) returns void language plpgsql as $$
            begin
              if current_setting('test.pause_at', true) = point then
                perform pg_advisory_xact_lock_shared(hashtext('test.pause'));
              end if;
            end $$"""
        )
        arguments, result, numbers = self.db.rows(
            """
            select pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
              (select string_agg('$' || n, ', ') from generate_series(1, p.pronargs) n)
            from pg_proc p where p.pronamespace = 'likes'::regnamespace and p.proname = %s""",
            function,
        )[0]
        pause = f"perform likes.test_pause('{function}');"
        work = f"likes_paused.{function}({numbers});"
        body = f"perform {work}" if result == "void" else f"v_result := {work}"
        self._define(
            "create schema if not exists likes_paused",
            # Moved, not renamed: by its name a function refers to its parameters.
            f"alter function likes.{function} set schema likes_paused",
            f"""
            create function likes.{function}({arguments}) returns {result} language plpgsql as $body$
            {"" if result == "void" else f"declare v_result {result};"}
            begin
              {"" if after else pause} {body} {pause if after else ""}
              {"" if result == "void" else "return v_result;"}
            end $body$""",
        )

    @contextmanager
    def paused(
        self, session: Session, function: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "Iterator[Future[T]]":
        """Start a call of a session, wait until it is at the place in `function`, and keep it there for the block."""
        self.db.run("select pg_advisory_lock(hashtext('test.pause'))")
        session.run("select set_config('test.pause_at', %s, false)", function)
        future = session.background(call, *args, **kwargs)
        try:
            self._waits(session, "wait_event = 'advisory'")
            yield future
        finally:
            self.db.run("select pg_advisory_unlock(hashtext('test.pause'))")

    def waits_for_lock(self, session: Session) -> None:
        """Return as soon as a session waits for another one's lock."""
        self._waits(session, "wait_event_type = 'Lock'")

    def _waits(self, session: Session, how: LiteralString) -> None:
        query: LiteralString = "select coalesce(" + how + ", false) from pg_stat_activity where pid = %s"
        self.eventually(lambda: self.db.value(query, session.pid) is True)

    def eventually(self, condition: Callable[[], bool]) -> None:
        """Return as soon as a condition holds; fail after a long while."""
        end = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.002)

    def _define(self, *statements: str) -> None:
        for statement in statements:
            self.db.connection.execute(statement.encode())
