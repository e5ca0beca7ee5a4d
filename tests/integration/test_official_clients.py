"""Supabase's own clients on the running stack: who may join a private channel, and who is refused (A2)."""

import asyncio
import json
import subprocess
from typing import Any, cast

import psycopg
import pytest
from realtime import RealtimeSubscribeStates
from supabase import AsyncClient, acreate_client

from tests.stack import ROOT, Stack, StackUser

REFUSAL = "Unauthorized: You do not have permissions to read from this Channel topic: "


@pytest.fixture
def private_post(stack: Stack) -> str:
    """A post of somebody who keeps to herself."""
    private = "select u.id from users u where u.privacy_level = 'private'"
    return value(stack, f"select p.id from posts p where p.user_id in ({private}) limit 1")


@pytest.fixture
def quiet_post(stack: Stack) -> str:
    """A post of carol's that nobody has touched for long."""
    author = stack.user("carol").id
    return value(stack, "insert into posts (user_id, content) values (%s, 'A quiet post.') returning id", author)


def value(stack: Stack, query: str, *parameters: object) -> str:
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        row = connection.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return str(row[0])


async def signed_in(stack: Stack, user: StackUser) -> AsyncClient:
    client = await acreate_client(stack.url, stack.publishable_key)
    await client.auth.sign_in_with_password({"email": user.email, "password": user.password})
    return client


async def join(client: AsyncClient, topic: str, events: "asyncio.Queue[dict[str, Any]] | None" = None) -> str:
    """Join a private channel; returns `joined` or the server's reason."""
    options: Any = {"config": {"private": True}}
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def note(state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if not told.done():
            told.set_result("joined" if state is RealtimeSubscribeStates.SUBSCRIBED else str(error))

    channel = client.channel(topic, options)
    if events is not None:
        channel.on_broadcast("post:liked", lambda message: events.put_nowait(message["payload"]))
    await channel.subscribe(note)
    return await told


async def test_python_joins_what_is_its_users_and_nothing_else(
    stack: Stack, private_post: str, quiet_post: str
) -> None:
    alice, bob = stack.user("alice"), stack.user("bob")
    client = await signed_in(stack, alice)
    try:
        assert await join(client, f"user:{alice.id}") == "joined"
        assert await join(client, f"content:post:{quiet_post}") == "joined"
        for foreign in (f"user:{bob.id}", f"content:post:{private_post}"):
            assert REFUSAL + foreign in await join(client, foreign)
    finally:
        await client.remove_all_channels()


async def test_python_hears_of_a_like(stack: Stack, quiet_post: str) -> None:
    """A3, A4: the event of a like reaches a viewer, with the total and the name of who liked."""
    viewer, liker = await signed_in(stack, stack.user("alice")), await signed_in(stack, stack.user("bob"))
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    try:
        assert await join(viewer, f"content:post:{quiet_post}", events) == "joined"
        body = {"content_type": "post", "content_id": quiet_post, "liked": True}
        answer = json.loads(cast(bytes, await liker.functions.invoke("likes", {"body": body})))
        event = await asyncio.wait_for(events.get(), 10)
    finally:
        await viewer.remove_all_channels()
    assert answer["liked"] is True
    assert event["postId"] == quiet_post
    assert event["username"] == "bob"
    assert (event["totalLikes"], event["version"]) == (answer["total_likes"], answer["version"])


def run_node(stack: Stack, user: StackUser, *arguments: str) -> Any:
    script = str(ROOT / "tests" / "integration" / "official_client.mjs")
    command = ["node", script, stack.url, stack.publishable_key, user.email, user.password, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_javascript_joins_what_is_its_users_and_nothing_else(stack: Stack, private_post: str, quiet_post: str) -> None:
    alice, bob = stack.user("alice"), stack.user("bob")
    own, foreign = (
        [f"user:{alice.id}", f"content:post:{quiet_post}"],
        [f"user:{bob.id}", f"content:post:{private_post}"],
    )
    joined = run_node(stack, alice, *own, *foreign)["joined"]
    assert [(each["topic"], each["status"]) for each in joined[:2]] == [(topic, "SUBSCRIBED") for topic in own]
    for topic, each in zip(foreign, joined[2:], strict=True):
        assert each["status"] == "CHANNEL_ERROR"
        assert REFUSAL + topic in each["reason"]


def test_javascript_likes_and_hears_of_it(stack: Stack, quiet_post: str) -> None:
    found = run_node(stack, stack.user("alice"), f"content:post:{quiet_post}", "--like", quiet_post)
    event = found["events"][0]
    assert found["answer"]["liked"] is True
    assert event["event"] == "post:liked"
    assert event["payload"]["totalLikes"] == found["answer"]["total_likes"]
