"""A local stack for tests: started as a developer starts it, described by its stack.json."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120


@dataclass(frozen=True)
class StackUser:
    """Somebody who can sign in."""

    id: str
    email: str
    password: str
    username: str


@dataclass(frozen=True)
class Stack:
    """A running stack, as docs/contracts.md describes stack.json; `folder` has its logs."""

    url: str
    publishable_key: str
    secret_key: str
    jwt_secret: str
    db_url: str
    functions: Mapping[str, str]
    sqs_endpoint: str
    queue_url: str
    users: Sequence[StackUser]
    pid: int
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> "Stack":
        """The stack that runs on a state folder."""
        described = json.loads((folder / "stack.json").read_text())
        users = tuple(StackUser(**user) for user in described.pop("users"))
        return cls(**described, users=users, folder=folder)

    def user(self, username: str) -> StackUser:
        """A seeded user by name."""
        return next(user for user in self.users if user.username == username)


@dataclass
class StackProcess:
    """`python -m local` on a folder. A context manager that stops it, whatever happens."""

    folder: Path
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    command: Sequence[str] = (sys.executable, "-m", "local")
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "StackProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """What it has told the developer so far."""
        return self._terminal.read_text()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, *more: str) -> None:
        """Start it in the background, with more arguments."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [*self.command, "--port", "0", "--dir", str(self.folder), *self.arguments, *more]
        with self._terminal.open("w") as terminal:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
            )

    def wait_until_ready(self) -> Stack:
        """The running stack.

        Raises:
            RuntimeError: it ended, or took too long. The message has what it said and its logs.
        """
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while "Ready after" not in self.output:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The stack did not start:\n{self.output}\n{self.logs()}")
            time.sleep(0.05)
        return Stack.read(self.folder)

    def wait(self, within: float = 60) -> int:
        """Its exit status, once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(within)

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int | None:
        """Stop it as Ctrl-C does. Returns its exit status, None if it was never started."""
        if self._process is None:
            return None
        if self.is_running:
            self._process.send_signal(with_signal)
        return self.wait()

    def logs(self, lines: int = 30) -> str:
        """The end of each part's log."""
        files = sorted((self.folder / "logs").glob("*.log"))
        tails = (
            (file, file.read_text(errors="replace").splitlines()[-lines:])
            for file in files
            if ".previous" not in file.name
        )
        return "\n".join(f"--- {file.name}\n" + "\n".join(tail) for file, tail in tails if tail)

    @property
    def _terminal(self) -> Path:
        return self.folder / "terminal.txt"
