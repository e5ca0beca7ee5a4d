"""Somebody who posts through the public API, so that a test has content of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import httpx

from tests.stack import Stack


@dataclass(frozen=True)
class Author:
    """A signed-in user with the REST API at hand."""

    api: httpx.Client
    id: str
    username: str

    @classmethod
    @contextmanager
    def sign_in(cls, stack: Stack, username: str) -> Iterator[Self]:
        """The user with a session, for as long as the context lasts."""
        user = stack.user(username)
        with httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=20) as api:
            answer = api.post(
                "/auth/v1/token",
                params={"grant_type": "password"},
                json={"email": user.email, "password": user.password},
            )
            api.headers["authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
            yield cls(api, user.id, username)

    def post(self, text: str) -> str:
        """Publishes a post and returns its id."""
        answer = self.api.post(
            "/rest/v1/posts", json={"user_id": self.id, "content": text}, headers={"prefer": "return=representation"}
        )
        post_id: str = answer.raise_for_status().json()[0]["id"]
        return post_id

    def read_notifications(self) -> None:
        """Marks everything read, so that the bell counts from nothing."""
        self.api.post("/rest/v1/rpc/mark_notifications_read", json={}).raise_for_status()

    @property
    def name(self) -> str:
        """The display name."""
        answer = self.api.get("/rest/v1/users", params={"id": f"eq.{self.id}", "select": "display_name"})
        name: str = answer.raise_for_status().json()[0]["display_name"]
        return name

    def likes(self, post_id: str) -> int:
        """How many likes the server counts."""
        body = {"items": [{"content_type": "post", "content_id": post_id}]}
        answer = self.api.post("/rest/v1/rpc/get_like_status", json=body)
        total: int = answer.raise_for_status().json()[0]["total_likes"]
        return total
