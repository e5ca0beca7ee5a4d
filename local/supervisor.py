"""Starts parts one after the other, notices when one dies, and stops all of them in reverse order."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from local import processes
from local.console import say
from local.errors import StackError
from local.folder import StateFolder


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    `ready` returns once the part serves; it may ask forever, since `deadline` (seconds) ends it. `farewell` are the
    signals that ask the part to stop, each with its seconds; what is left then is killed.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], Coroutine[None, None, None]]
    where: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    deadline: float = 60
    farewell: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 5),)


class _Child:
    """A part that runs, and the task that ends when it does."""

    def __init__(self, part: Part, process: asyncio.subprocess.Process, log: Path) -> None:
        self.part = part
        self.process = process
        self.log = log
        self.ended = asyncio.create_task(process.wait(), name=part.name)

    @property
    def obituary(self) -> str:
        code = self.ended.result()
        if code < 0:
            return f"{self.part.name} was killed by {signal.Signals(-code).name}; its log is {self.log}"
        return f"{self.part.name} ended with status {code}; its log is {self.log}{_last_words(self.log)}"

    async def stop(self) -> None:
        for number, seconds in self.part.farewell:
            if self.ended.done():
                break
            self.process.send_signal(number)
            await asyncio.wait({self.ended}, timeout=seconds)
        # The whole group, which is the part's own: it may have left its workers behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.ended


class Supervisor:
    """The running parts of one stack, oldest first."""

    def __init__(self, folder: StateFolder, root: Path) -> None:
        self._folder = folder
        self._root = root
        self._children: list[_Child] = []
        self._death = asyncio.Event()

    async def start(self, part: Part) -> None:
        """Start a part, wait until it serves, and say how long that took.

        Raises:
            StackError: it did not serve before its deadline, or some part ended.
        """
        begun = time.monotonic()
        await self._spawn(part)
        ready, death = asyncio.create_task(part.ready()), asyncio.create_task(self.watch())
        try:
            done, _ = await asyncio.wait({ready, death}, timeout=part.deadline, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if not done:
                raise StackError(
                    f"{part.name} did not answer within {part.deadline:g} s; its log is {self._folder.log(part.name)}."
                )
        finally:
            ready.cancel()
            death.cancel()
        say(f"  {part.name:<12}{time.monotonic() - begun:5.1f} s  {part.where}")

    async def watch(self) -> NoReturn:
        """Wait for the first part that ends by itself.

        Raises:
            StackError: always; it names the part, how it ended and its log.
        """
        await self._death.wait()
        # Of several that died together the oldest is the cause: each part depends on older ones only.
        first = next(child for child in self._children if child.ended.done())
        raise StackError(f"{first.obituary}. Everything else was stopped.")

    async def stop(self) -> None:
        """Stop every part, youngest first, and then whatever a part has left behind."""
        family = processes.descendants()
        while self._children:
            await self._children[-1].stop()
            self._children.pop()
        await processes.end([*family, *processes.descendants()], within=2)
        self._folder.processes.unlink(missing_ok=True)

    async def _spawn(self, part: Part) -> _Child:
        log = self._folder.new_log(part.name)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *part.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._root,
                env={**processes.base_environment(self._folder.temporary), **part.environment},
                # A group of its own: Ctrl-C in the terminal must reach only us, who know the order.
                process_group=0,
            )
        child = _Child(part, process, log)
        child.ended.add_done_callback(lambda _: self._death.set())
        self._children.append(child)
        processes.note(((each.part.name, each.process.pid) for each in self._children), self._folder.processes)
        return child


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f' ("{lines[-1][:200]}")' if lines else ""
