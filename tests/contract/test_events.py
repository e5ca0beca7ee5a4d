"""What SQL really sends to Realtime, against the event schemas that clients are generated from."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from typing import Any

import httpx
import psycopg
import pytest

from docs.generate.events import EVENTS
from tests.contract.test_openapi import token_of
from tests.stack import Stack

Database = psycopg.Connection[Any]


def test_every_kind_of_event_fits_its_schema(stack: Stack) -> None:
    with psycopg.connect(stack.db_url, autocommit=True) as database:
        post, author = new_post(database, stack)
        first, *others = [user.id for user in stack.users if user.id != author][:6]

        like(stack, [first], post, liked=True)
        wait_for(database, post, {"post:liked", "notification:new"})
        like(stack, others, post, liked=True)
        wait_for(database, post, {"post:likes_batched", "notification:updated"})
        wait_until_quiet(database, post)
        like(stack, [first, *others], post, liked=False)
        sent = wait_for(database, post, EVENTS.keys())

    for event, payload in sent:
        EVENTS[event].model_validate_json(json.dumps(payload))


def new_post(database: Database, stack: Stack) -> tuple[str, str]:
    """A post that nobody likes yet, of an author whom anyone may see."""
    row = database.execute(
        "insert into public.posts (user_id, content) select id, 'For the schemas' from public.users "
        "where privacy_level = 'public' and id = any (%s::uuid[]) limit 1 returning id::text, user_id::text",
        ([user.id for user in stack.users],),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def like(stack: Stack, users: Collection[str], post: str, *, liked: bool) -> None:
    for user_id in users:
        answer = httpx.post(
            stack.functions["likes"],
            json={"content_type": "post", "content_id": post, "liked": liked},
            headers={"authorization": f"Bearer {token_of(stack, user_id)}"},
        )
        assert answer.status_code == 200


def sent_for(database: Database, post: str) -> list[tuple[str, Any]]:
    """What was sent about one post. Its author may hear of others at the same time."""
    messages = database.execute("select event, payload from realtime.messages where extension = 'broadcast'").fetchall()
    about = [
        (event, payload)
        for event, payload in messages
        if post in (payload.get("postId"), payload.get("contentId"), payload.get("data", {}).get("contentId"))
    ]
    notifications = {payload["id"] for event, payload in about if event == "notification:new"}
    removed = [(e, p) for e, p in messages if e == "notification:removed" and p["id"] in notifications]
    return about + removed


def wait_for(database: Database, post: str, events: Collection[str]) -> list[tuple[str, Any]]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        sent = sent_for(database, post)
        if set(events) <= {event for event, _ in sent}:
            return sent
        time.sleep(0.1)
    pytest.fail(f"missing: {set(events) - {event for event, _ in sent_for(database, post)}}")


def wait_until_quiet(database: Database, post: str) -> None:
    """Nothing was sent for three windows, so the next like is told at once."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < 3.5:
        if (found := len(sent_for(database, post))) != count:
            count, since = found, time.monotonic()
        time.sleep(0.1)
