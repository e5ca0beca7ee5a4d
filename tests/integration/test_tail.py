"""bin/tail on a running stack: it prints what arrives, and says in a sentence why it cannot."""

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.contract.test_openapi import token_of
from tests.stack import ROOT, Stack

NOBODY = "00000000-0000-4000-8000-000000000000"


class Tail:
    """A running bin/tail, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(process,))
        self._thread.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line.rstrip("\n"))

    def line(self) -> tuple[str, str]:
        """The next one: event and sentence. Each begins with the time of day."""
        found = re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  (\S+) +(.*)", self._lines.get(timeout=30))
        assert found is not None
        return found[1], found[2]

    def until(self, pattern: str) -> re.Match[str]:
        """The first line whose event and sentence read so."""
        while (found := re.fullmatch(pattern, ": ".join(self.line()))) is None:
            pass
        return found

    def ended(self) -> None:
        """Once the process has."""
        self._thread.join(10)


@contextmanager
def tailing(*arguments: str) -> Iterator[Tail]:
    command = [sys.executable, "-m", "local.tail", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        tail = Tail(process)
        try:
            yield tail
        finally:
            process.terminate()
            process.wait(10)
            tail.ended()


def on(stack: Stack) -> tuple[str, str]:
    return "--stack", str(stack.folder / "stack.json")


def complaint(*arguments: str) -> str:
    command = [sys.executable, "-m", "local.tail", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()[-1].removeprefix("Error: ")


@pytest.fixture
def post(stack: Stack) -> tuple[str, str]:
    """A fresh post of somebody whom everybody sees, and its author."""
    with psycopg.connect(stack.db_url, autocommit=True) as database:
        row = database.execute(
            "insert into public.posts (user_id, content) select id, 'Watched by a developer' from public.users "
            "where privacy_level = 'public' and id <> all (%s::uuid[]) limit 1 returning id::text, user_id::text",
            ([stack.user(name).id for name in ("alice", "bob", "carol")],),
        ).fetchone()
    assert row is not None
    return row


def like(stack: Stack, username: str, post_id: str, liked: bool = True) -> None:
    answer = httpx.post(
        stack.functions["likes"],
        json={"content_type": "post", "content_id": post_id, "liked": liked},
        headers={"authorization": f"Bearer {token_of(stack, stack.user(username).id)}"},
    )
    assert answer.status_code == 200


def test_a_content_and_its_author_are_followed(stack: Stack, post: tuple[str, str]) -> None:
    """Each kind of event is one readable line, on the channel where it belongs."""
    post_id, author = post
    content = f"content:post:{post_id}"
    with tailing(content, *on(stack)) as viewer, tailing(f"user:{author}", *on(stack)) as writer:
        assert viewer.line() == ("joined", content)
        assert writer.line() == ("joined", f"user:{author}")
        for name in ("bob", "carol"):
            like(stack, name, post_id)
        viewer.until(rf"post:liked: bob likes post {post_id}: 1 like, version \d+, \d viewers?")
        number = writer.until(r"notification:new: New Like! .+ liked your post \(unread, id (\S+)\)")[1]
        for name in ("bob", "carol"):
            like(stack, name, post_id, liked=False)
        viewer.until(r"post:.*: 0 likes, version \d+, .+")
        writer.until(f"notification:removed: id {number}")


def test_any_project_is_followed_by_its_url_with_a_sign_in(stack: Stack) -> None:
    alice = stack.user("alice")
    project = ("--url", stack.url, "--key", stack.publishable_key)
    with tailing(f"user:{alice.id}", *project, "--email", alice.email, "--password", alice.password) as tail:
        assert tail.line() == ("joined", f"user:{alice.id}")
    with tailing(f"user:{alice.id}", *project, "--token", token_of(stack, alice.id)) as tail:
        assert tail.line() == ("joined", f"user:{alice.id}")


def test_what_is_refused_is_said_in_a_sentence(stack: Stack) -> None:
    alice, bob = stack.user("alice"), stack.user("bob")
    project = ("--url", stack.url, "--key", stack.publishable_key)
    foreign = f"user:{bob.id}"
    assert complaint(foreign, *project, "--email", alice.email, "--password", alice.password) == (
        f"The channel {foreign} was refused: "
        f"Unauthorized: You do not have permissions to read from this Channel topic: {foreign}"
    )
    assert f"The channel {foreign} was refused: " in complaint(foreign, *project, "--token", "no.token.at-all")
    refused = complaint(foreign, *project, "--email", alice.email, "--password", "wrong")
    assert refused.startswith(f"The sign-in of {alice.email} was refused: ")


def test_what_is_missing_is_named(tmp_path: str) -> None:
    topic = f"user:{NOBODY}"
    missing = f"{tmp_path}/stack.json"
    assert complaint(topic, "--stack", missing) == (
        f"No stack is running ({missing} is missing): start bin/dev, or give --url and --key."
    )
    assert complaint("user:1") == "user:1 is no channel: name user:<id> or content:<type>:<id>, the id a UUID."
    assert complaint(topic, "--url", "http://127.0.0.1:9") == "--url needs the project's publishable --key."
    assert complaint(topic, "--email", "a@b.c") == "--email and --password belong together."
    begun = time.monotonic()
    assert complaint(topic, "--url", "http://127.0.0.1:9", "--key", "k").startswith("Nothing answers at http://127.")
    assert time.monotonic() - begun < 15
