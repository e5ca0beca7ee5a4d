"""A Supabase project into which the official tool has pushed this release, with its seed and people who can sign in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from tests.operations.releases import Release
from tests.stack import Stack, StackProcess

# People of the seed, which the stack does not know: it was empty when it started.
_NAMES: Final = ("alice", "bob", "carol", "david", "emma", "farid", "grace", "hugo")


@dataclass(frozen=True)
class Project:
    """The running project, and the release that is in it."""

    stack: Stack
    release: Release

    def describe(self) -> Path:
        """A stack.json with people in it, for the crowd."""
        file = self.release.folder / "stack.json"
        described = json.loads((self.stack.folder / "stack.json").read_text())
        with psycopg.connect(self.stack.db_url) as connection:
            query = "select id::text, username from public.users where username = any (%s)"
            found = connection.execute(query, [list(_NAMES)]).fetchall()
        described["users"] = [
            {"id": user_id, "username": name, "email": f"{name}@example.com", "password": "password123"}
            for user_id, name in found
        ]
        file.write_text(json.dumps(described))
        return file


@contextmanager
def running(folder: Path) -> Iterator[Project]:
    """An empty project, installed and seeded, for the length of the block."""
    (folder / "nothing" / "migrations").mkdir(parents=True)
    release = Release(folder / "release")
    with StackProcess(folder / "state", ("--supabase", str(folder / "nothing"))) as process:
        stack = process.wait_until_ready()
        assert "Finished" in release.push_patiently(stack.db_url)
        release.push_patiently(stack.db_url, "--include-seed")
        yield Project(stack, release)
