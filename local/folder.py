"""The folder that keeps a stack's data, logs and description, and that only one stack at a time may use."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from local.errors import StackError


class StateFolder:
    """The paths inside a state folder (`.local` unless `--dir` says otherwise)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.database = path / "postgres"
        self.temporary = path / "tmp"
        self.description = path / "stack.json"
        self.processes = path / "processes.json"

    def log(self, part: str) -> Path:
        """Where a part's output goes."""
        return self.logs / f"{part}.log"

    def new_log(self, part: str) -> Path:
        """An empty log for a part that is about to start; that of the run before is kept beside it."""
        log = self.log(part)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        log.touch()
        return log

    def describe(self, stack: dict[str, object]) -> None:
        """Publish the running stack to tests and tools. It holds keys, so nobody else may read it."""
        draft = self.description.with_suffix(".new")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(stack, indent=2))
        draft.replace(self.description)

    def forget(self) -> None:
        """Withdraw what `describe` published."""
        self.description.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the data, for a stack that starts anew."""
        shutil.rmtree(self.database, ignore_errors=True)
        if self.database.exists():
            raise StackError(f"The data in {self.database} cannot be removed: it belongs to another user.")

    def prepare(self) -> None:
        """Make the folders."""
        for path in (self.path, self.logs, self.temporary):
            path.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[StateFolder]:
    """The state folder, ours until the end of the block. The lock dies with the process, so it cannot be left behind.

    Raises:
        StackError: another stack uses the folder, or it belongs to another user.
    """
    folder = StateFolder(path)
    try:
        folder.prepare()
        lock = (path / "lock").open("w")
    except PermissionError as error:
        raise StackError(
            f"{path} belongs to another user: start the stack as that user, or choose another --dir."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"A stack is already running on {path}: stop it first, or choose another --dir."
            ) from error
        yield folder
