"""Parts that start, fail and die: small real processes in their place."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local import processes
from local.errors import StackError
from local.folder import StateFolder, locked
from local.supervisor import Part, Supervisor

SLEEP = "import time; time.sleep(60)"


def part(name: str, code: str, ready_file: Path | None = None) -> Part:
    """A part that runs Python code, and is ready once the file is there (at once, without one)."""

    async def ready() -> None:
        while ready_file is not None and not ready_file.exists():
            await asyncio.sleep(0.01)

    return Part(name, [sys.executable, "-c", code], ready)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    with locked(tmp_path / "state") as folder:
        supervisor = Supervisor(folder, tmp_path)
        yield supervisor
        await supervisor.stop()


async def test_parts_are_told_of_with_their_times(supervisor: Supervisor, capsys: pytest.CaptureFixture[str]) -> None:
    await supervisor.start(replace(part("first", SLEEP), where="127.0.0.1:1"))
    assert re.fullmatch(r"  first +\d+\.\d s  127\.0\.0\.1:1\n", capsys.readouterr().out)


async def test_a_part_that_cannot_start_is_told_with_its_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    code = "import sys; print('starting', flush=True); sys.exit('no configuration')"
    with pytest.raises(StackError) as failure:
        await supervisor.start(part("picky", code, tmp_path / "never"))
    log = tmp_path / "state" / "logs" / "picky.log"
    assert str(failure.value) == (
        f'picky ended with status 1; its log is {log} ("no configuration"). Everything else was stopped.'
    )
    assert "starting" in log.read_text()


async def test_a_part_that_never_serves_is_given_up_at_its_deadline(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"slow did not answer within 0\.1 s"):
        await supervisor.start(replace(part("slow", SLEEP, tmp_path / "never"), deadline=0.1))


async def test_a_part_that_dies_while_another_starts_is_the_one_named(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(part("base", "import time; time.sleep(0.3); raise SystemExit(3)"))
    with pytest.raises(StackError, match=r"^base ended with status 3"):
        await supervisor.start(part("next", SLEEP, tmp_path / "never"))


async def test_watching_ends_with_the_first_death(supervisor: Supervisor) -> None:
    await supervisor.start(part("first", SLEEP))
    await supervisor.start(part("second", "import os; os.abort()"))
    with pytest.raises(StackError, match=r"^second was killed by SIGABRT"):
        await asyncio.wait_for(supervisor.watch(), 10)


async def test_parts_stop_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("first", "second", "third"):
        up = tmp_path / name
        code = (
            "import pathlib, signal, sys, time\n"
            f"def stop(*_): open({str(order)!r}, 'a').write('{name} '); sys.exit()\n"
            f"signal.signal(signal.SIGTERM, stop); pathlib.Path({str(up)!r}).touch(); time.sleep(60)"
        )
        await supervisor.start(part(name, code, up))
    await supervisor.stop()
    assert order.read_text().split() == ["third", "second", "first"]


async def test_a_part_that_will_not_stop_is_killed_with_its_children(supervisor: Supervisor, tmp_path: Path) -> None:
    up = tmp_path / "up"
    code = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"if os.fork(): pathlib.Path({str(up)!r}).touch()\n"
        "time.sleep(60)"
    )
    await supervisor.start(replace(part("stubborn", code, up), farewell=((signal.SIGTERM, 0.2),)))
    left = processes.descendants()
    assert len(left) == 2
    await supervisor.stop()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)


async def test_a_parts_environment_has_nothing_of_the_developers(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "production.example")
    out = tmp_path / "environment"
    code = f"import os; open({str(out)!r}, 'w').write(' '.join(os.environ)); {SLEEP}"
    await supervisor.start(replace(part("curious", code, out), environment={"GIVEN": "1"}))
    while "GIVEN" not in out.read_text():
        await asyncio.sleep(0.01)
    assert "PGHOST" not in out.read_text()


async def test_what_a_killed_stack_left_running_is_found_and_ended(tmp_path: Path) -> None:
    pid = an_orphan()
    noted = tmp_path / "processes.json"
    processes.note([("sleeper", pid)], noted)
    assert await processes.end_noted(noted) == ["sleeper"]
    assert not psutil.pid_exists(pid)
    assert not noted.exists()


def an_orphan() -> int:
    """A sleeping process whose parent is gone, as after the end of a supervisor."""
    code = (
        "import subprocess, sys; nowhere = subprocess.DEVNULL\n"
        f"sleeper = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], stdout=nowhere, stderr=nowhere)\n"
        "print(sleeper.pid)"
    )
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


async def test_a_stranger_with_the_number_of_an_old_process_is_left_alone(tmp_path: Path) -> None:
    noted = tmp_path / "processes.json"
    noted.write_text(f'[{{"part": "old", "pid": {psutil.Process().pid}, "born": {time.time() - 1e6}}}]')
    assert await processes.end_noted(noted) == []


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    with locked(tmp_path) as folder:
        folder.new_log("part").write_text("yesterday")
        assert folder.new_log("part").read_text() == ""
        assert folder.log("part").with_suffix(".previous.log").read_text() == "yesterday"


def test_a_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StackError, match="already running"), locked(tmp_path):
        pass
    with locked(tmp_path) as folder:
        assert isinstance(folder, StateFolder)
