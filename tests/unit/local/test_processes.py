"""Processes end whenever they like, also between two questions about them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import processes


@pytest.fixture
def child() -> Iterator[int]:
    """The process id of a child that lives as long as the test."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def gone(process: psutil.Process, **_: object) -> None:
    """What psutil says of a process that has just ended."""
    raise psutil.NoSuchProcess(process.pid)


def test_a_descendant_that_ends_while_it_is_looked_at_is_none(child: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert child in [process.pid for process in processes.descendants()]
    monkeypatch.setattr(psutil.Process, "status", gone)
    assert processes.descendants() == []


async def test_a_noted_part_that_ends_while_it_is_looked_at_stops_nothing(
    child: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    noted = tmp_path / "processes.json"
    processes.note([("sleeper", child)], noted)
    monkeypatch.setattr(psutil.Process, "children", gone)
    assert await processes.end_noted(noted) == ["sleeper"]
    assert not noted.exists()
