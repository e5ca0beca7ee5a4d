"""One system for all faults, and after the tests how long each took to heal."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fault.scene import Scene
from tests.fault.system import System

_HEALED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def fault_system(pytestconfig: pytest.Config) -> Iterator[System]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="likes-fault-") as temporary, System(Path(temporary)).running() as system:
        pytestconfig.stash[_HEALED] = [f"the system was ready after {time.monotonic() - begun:.1f} s"]
        yield system


@pytest.fixture
def scene(fault_system: System, pytestconfig: pytest.Config) -> Iterator[Scene]:
    scene = Scene(fault_system, pytestconfig.stash[_HEALED])
    yield scene
    fault_system.open_doors()
    fault_system.kill_drains()
    scene.close()


@pytest.fixture
def reopened(fault_system: System, pytestconfig: pytest.Config) -> Iterator[Callable[[], Scene]]:
    """Makes a scene with new sessions, after the database was restarted."""
    scenes: list[Scene] = []

    def reopen() -> Scene:
        fault_system.wait_for_api()
        scenes.append(Scene(fault_system, pytestconfig.stash[_HEALED]))
        return scenes[-1]

    yield reopen
    for scene in scenes:
        scene.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What an operator wants to know of each fault."""
    if lines := config.stash.get(_HEALED, []):
        terminalreporter.section("time until healed")
        for line in lines:
            terminalreporter.write_line(line)
