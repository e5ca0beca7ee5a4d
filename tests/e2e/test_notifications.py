"""A post that many like at once, on its author's screen: one notification, not many."""

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
from playwright.sync_api import expect

from tests.e2e.author import Author
from tests.e2e.conftest import Windows
from tests.stack import Stack, StackUser

LIKERS = 30
UNLIKERS = 10


def tap_all(stack: Stack, users: Sequence[StackUser], post: str, liked: bool) -> None:
    """Everybody taps at once, as from as many phones: within half a second on a machine that is not busy."""
    claims = {"aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 600}
    tokens = [jwt.encode({**claims, "sub": user.id}, stack.jwt_secret, algorithm="HS256") for user in users]
    body = {"content_type": "post", "content_id": post, "liked": liked}

    with httpx.Client(timeout=20) as http, ThreadPoolExecutor(len(users)) as threads:

        def tap(token: str) -> int:
            return http.post(
                stack.functions["likes"], json=body, headers={"authorization": f"Bearer {token}"}
            ).status_code

        assert set(threads.map(tap, tokens)) == {200}


def told_of(author: Author, post: str) -> list[int]:
    """How many likers each of the author's notifications about a post counts."""
    answer = author.api.post("/rest/v1/rpc/get_notifications", json={}).raise_for_status().json()
    data = [notification["data"] for notification in answer["notifications"]]
    return [each["likerCount"] for each in data if each["contentId"] == post]


def test_thirty_likes_at_once_are_one_notification_that_shrinks_with_unlikes(
    windows: Windows, author: Author, stack: Stack
) -> None:
    """A6, A8: the bell counts one, the text counts all, and likes taken back are taken out of it."""
    post = author.post("I baked thirty cinnamon rolls. Come and get them.")
    likers = [user for user in stack.users if user.id != author.id][:LIKERS]
    assert len(likers) == LIKERS
    writer = windows.open(author.username)
    writer.heart(post).shows(0, liked=False)
    expect(writer.unread).to_be_hidden()

    tap_all(stack, likers, post, liked=True)
    writer.heart(post).shows(LIKERS, liked=False)
    expect(writer.unread).to_have_text("1")
    writer.page.locator("like-notifications [part=bell]").click()
    messages = writer.page.locator("like-notifications [part=item-message]")
    expect(messages.first).to_have_text(re.compile(rf"^\w+ and {LIKERS - 1} others liked your post$"))
    expect(writer.unread).to_have_text("1")
    assert told_of(author, post) == [LIKERS]

    tap_all(stack, likers[:UNLIKERS], post, liked=False)
    writer.heart(post).shows(LIKERS - UNLIKERS, liked=False)
    expect(messages.first).to_have_text(re.compile(rf"^\w+ and {LIKERS - UNLIKERS - 1} others liked your post$"))
    expect(writer.unread).to_have_text("1")
    assert told_of(author, post) == [LIKERS - UNLIKERS]
    assert author.likes(post) == LIKERS - UNLIKERS
