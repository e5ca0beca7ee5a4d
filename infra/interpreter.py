"""Finds a Python of the version that Lambda runs: byte code is good for one version only."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# What serverless.yml has as the param `python`.
DEPLOYED: Final = "3.13"


def uv() -> str:
    """The uv of the environment that runs this."""
    return str(Path(sys.executable).with_name("uv"))


def find_python(version: str = DEPLOYED) -> str | None:
    """An interpreter of this version, from the PATH, from uv or from pyenv; None if there is none."""
    return next((python for python in _candidates(version) if _version(python) == version), None)


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    listing = [uv(), "python", "list", "--quiet", "--only-installed", "--output-format", "json", version]
    found = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    yield from (entry["path"] for entry in json.loads(found or "[]"))
    # pyenv's programs on the PATH refuse to run unless their version is the chosen one
    yield from map(str, (Path.home() / ".pyenv" / "versions").glob(f"{version}*/bin/python{version}"))


def _version(python: str) -> str:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=False).stdout.strip()
