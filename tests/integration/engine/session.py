"""One database session, with the engine's calls as its words."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, ParamSpec, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Content:
    """A post or a video."""

    type: str
    id: UUID
    author: UUID

    @property
    def topic(self) -> str:
        return f"content:{self.type}:{self.id}"

    def item(self, **known: object) -> dict[str, object]:
        return {"content_type": self.type, "content_id": str(self.id), **known}


class Session:
    """A connection to the database: each statement is a transaction unless in `open_transaction`."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.pid = connection.info.backend_pid
        self._thread = ThreadPoolExecutor(1)

    def close(self) -> None:
        self.connection.close()
        self._thread.shutdown(cancel_futures=True)

    def run(self, query: LiteralString, *parameters: object) -> None:
        self.connection.execute(query, parameters)

    def rows(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, parameters).fetchall()

    def value(self, query: LiteralString, *parameters: object) -> Any:
        row = self.connection.execute(query, parameters).fetchone()
        assert row is not None
        return row[0]

    @contextmanager
    def open_transaction(self) -> Iterator[Self]:
        """What is done in the block is committed at its end."""
        with self.connection.transaction():
            yield self

    def background(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Start a call of this session that is expected to wait."""
        return self._thread.submit(call, *args, **kwargs)

    # As the service calls.

    def like(
        self, user: UUID, content: Content, liked: bool | None = None, intent: int | None = None
    ) -> dict[str, Any]:
        result: dict[str, Any] = self.value(
            "select public.toggle_like(%s, %s, %s, %s, %s)", user, content.type, content.id, liked, intent
        )
        return result

    def settle(self, *contents: Content) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.value(
            "select public.settle_likes(%s)", Jsonb([content.item() for content in contents])
        )
        return result

    def sweep(self) -> list[dict[str, Any]]:
        """Settle what no message announced."""
        result: list[dict[str, Any]] = self.value("select public.settle_likes(public.unsettled_likes(100))")
        return result

    def reconcile(self) -> dict[str, int]:
        result: dict[str, int] = self.value("select public.reconcile_like_counts(100)")
        return result

    def prune(self) -> dict[str, int]:
        result: dict[str, int] = self.value("select public.prune_likes()")
        return result

    # As users call.

    def call_as(self, user: UUID | None, query: LiteralString, *parameters: object) -> Any:
        """One call with the rights and the token of a user, or of a visitor."""
        role = "anon" if user is None else "authenticated"
        claims = {"role": role} | ({} if user is None else {"sub": str(user)})
        with self.connection.transaction():
            self.run("select set_config('role', %s, true)", role)
            self.run("select set_config('request.jwt.claims', %s, true)", json.dumps(claims))
            return self.value(query, *parameters)

    def heartbeat(
        self, user: UUID | None, viewer: UUID, *items: dict[str, object], connection: str = "live"
    ) -> list[dict[str, Any]]:
        answer = self.call_as(user, "select public.sync_viewing(%s, %s, %s)", viewer, Jsonb(list(items)), connection)
        result: list[dict[str, Any]] = answer["items"]
        return result

    def status(self, content: Content, user: UUID | None = None) -> dict[str, Any]:
        found: list[dict[str, Any]] = self.call_as(user, "select public.get_like_status(%s)", Jsonb([content.item()]))
        return found[0]

    def notifications(self, user: UUID) -> dict[str, Any]:
        result: dict[str, Any] = self.call_as(user, "select public.get_notifications(null, 100)")
        return result

    def read_notifications(self, user: UUID) -> dict[str, int]:
        result: dict[str, int] = self.call_as(user, "select public.mark_notifications_read()")
        return result
