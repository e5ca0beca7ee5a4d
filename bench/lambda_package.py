"""Builds what gets deployed to Lambda, for a Python that runs here: functions and packages, byte-compiled."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.database import ROOT

# The version that is deployed. Where it is not installed, the one that runs this stands in: what counts is the ratio.
DEPLOYED: Final = "3.13"
# The runtime has boto3, so the package has neither it nor what only it brings along.
IN_THE_RUNTIME: Final = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")


@dataclass(frozen=True)
class LambdaPackage:
    """`task` is what the zip holds, `runtime` stands for /var/runtime: AWS's client of the Runtime API, and boto3."""

    python: str
    task: Path
    runtime: Path

    @classmethod
    def build(cls, folder: Path) -> "LambdaPackage":
        """Install, copy and compile into `folder`, as the deployment does it."""
        # an environment of its own: what else is installed on this machine must not take part
        subprocess.run([find_python(), "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        package = cls(str(folder / "venv" / "bin" / "python"), folder / "task", folder / "runtime")
        requirements, excluded = ROOT / "requirements.txt", folder / "excluded.txt"
        excluded.write_text("\n".join(IN_THE_RUNTIME))
        package._install(package.task, "--excludes", str(excluded), "-r", str(requirements))
        package._install(package.runtime, "-c", str(ROOT / "requirements-dev.txt"), "boto3", "awslambdaric")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "functions", package.task, dirs_exist_ok=True, ignore=ignored)
        package.compile()
        return package

    def compile(self) -> None:
        """Write the byte code; unchecked, it is good wherever and whenever the zip is unpacked."""
        for folder in (self.task, self.runtime):
            options = ["-q", "--invalidation-mode", "unchecked-hash"]
            # Some packages carry files that are no Python: their failure is no matter, as in the deployment.
            subprocess.run([self.python, "-m", "compileall", *options, str(folder)], check=False)

    def _install(self, target: Path, *what: str) -> None:
        uv = str(Path(sys.executable).with_name("uv"))
        options = ["--quiet", "--python", self.python, "--only-binary", ":all:", "--target", str(target)]
        subprocess.run([uv, "pip", "install", *options, *what], check=True)


def find_python() -> str:
    """The interpreter of the deployed version, from the PATH, from uv or from pyenv; else the one that runs this."""
    return next((python for python in _candidates() if _version(python) == DEPLOYED), sys.executable)


def _candidates() -> list[str]:
    uv = str(Path(sys.executable).with_name("uv"))
    listing = [uv, "python", "list", "--quiet", "--only-installed", "--output-format", "json", DEPLOYED]
    found = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    managed = [entry["path"] for entry in json.loads(found or "[]")]
    # pyenv's programs on the PATH refuse to run unless their version is the chosen one.
    versions = (Path.home() / ".pyenv" / "versions").glob(f"{DEPLOYED}*/bin/python{DEPLOYED}")
    return [*managed, *map(str, versions)]


def _version(python: str) -> str:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=False).stdout.strip()
