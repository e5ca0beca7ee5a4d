"""What every test may ask for: `stack`, the whole system, started once for all tests that need it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, StackProcess

_LOGS = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running local stack with the seed, on ports and a folder of its own. It is always stopped at the end."""
    folder: Path = tmp_path_factory.mktemp("stack")
    with StackProcess(folder) as process:
        yield process.wait_until_ready()
        if request.session.testsfailed:
            request.config.stash[_LOGS] = process.logs()
    shutil.rmtree(folder / "postgres")  # pytest keeps the folders of three sessions, and this one is large.


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """After failures, what the parts of the stack had to say."""
    if logs := config.stash.get(_LOGS, ""):
        terminalreporter.section("logs of the local stack")
        terminalreporter.write_line(logs)
