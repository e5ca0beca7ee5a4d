"""Processes as the stack needs them: started so that they cannot outlive it, found again, ended for sure."""

import asyncio
import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

_SET_CHILD_SUBREAPER = 36  # prctl(2)


def base_environment(temporary: Path) -> dict[str, str]:
    """What a part gets to see of the developer's environment: a stray PGHOST or AWS_PROFILE must change nothing."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "USER", "LANG") if name in os.environ}
    return kept | {"TMPDIR": str(temporary), "TZ": "UTC"}


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies (Linux), so that `descendants` misses none."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def dying_with_us(argv: Sequence[str], with_signal: signal.Signals) -> list[str]:
    """`argv`, wrapped so that the kernel (Linux) sends it the signal when this process dies, however it dies."""
    return [*_setpriv("--pdeathsig", with_signal.name.removeprefix("SIG")), *argv]


@functools.cache
def _setpriv(*options: str) -> tuple[str, ...]:
    program = shutil.which("setpriv")
    if program is None or subprocess.run([program, *options, "true"], check=False, capture_output=True).returncode:
        return ()
    return (program, *options)


def descendants() -> list[psutil.Process]:
    """Every living process that comes from this one, whatever group or session it is in."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # gone between the two questions
        return False


def note(processes: Iterable[tuple[str, int]], path: Path) -> None:
    """Write down who runs, with the time of birth, since a process id alone may be somebody else's by tomorrow."""
    rows = [{"part": part, "pid": pid, "born": _born(pid)} for part, pid in processes]
    path.write_text(json.dumps(rows))


def _born(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0


async def end_noted(path: Path) -> list[str]:
    """End what a stack that was killed has left running. Returns the names of these parts."""
    rows: list[Mapping[str, object]] = json.loads(path.read_text()) if path.exists() else []
    left = [(str(row["part"]), process) for row in rows if (process := _same_process(row)) is not None]
    for _, process in left:
        await end(_with_children(process))
    path.unlink(missing_ok=True)
    return [part for part, _ in left]


def _same_process(row: Mapping[str, object]) -> psutil.Process | None:
    try:
        process = psutil.Process(int(str(row["pid"])))
        same = abs(process.create_time() - float(str(row["born"]))) < 1
    except psutil.NoSuchProcess:
        return None
    return process if same and _is_alive(process) else None


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:  # gone since it was found
        return []


async def end(processes: Sequence[psutil.Process], within: float = 10) -> None:
    """Interrupt processes and, if they will not go in time, kill them. SIGINT is PostgreSQL's "stop now, in order"."""
    for send, seconds in ((signal.SIGINT, within), (signal.SIGKILL, 5.0)):
        for process in processes:
            _signal(process, send)
        _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=seconds)
        if not alive:
            return
        processes = alive


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
