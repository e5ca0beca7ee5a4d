"""What bin/deploy uploads, unpacked as Lambda does it, beside what Lambda has of its own; it runs here."""

import platform
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from bench.database import ROOT
from infra import package
from infra.interpreter import DEPLOYED, find_python, uv


@dataclass(frozen=True)
class LambdaPackage:
    """`task` is what the zip holds, `runtime` stands for /var/runtime: AWS's client of the Runtime API, and boto3."""

    python: str
    task: Path
    runtime: Path

    @classmethod
    def build(cls, folder: Path, *more: str) -> "LambdaPackage":
        """Build and unpack it in `folder`. The runtime is given `more` packages.

        Where there is no Python of the deployed version, it is built for the one that runs this: ratios stay good.
        """
        python = find_python() or sys.executable
        version = DEPLOYED if find_python() else f"{sys.version_info[0]}.{sys.version_info[1]}"
        # an environment of its own: what else is installed on this machine must not take part
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        built = cls(str(folder / "venv" / "bin" / "python"), folder / "task", folder / "runtime")
        with zipfile.ZipFile(package.build(this_machine(), folder, version).path) as archive:
            archive.extractall(built.task)
        built._install_runtime("boto3", "awslambdaric", *more)
        return built

    def compile(self, folder: Path) -> None:
        """Write the byte code of what is in a folder."""
        # Some packages carry files that are no Python: their failure is no matter, as in the deployment.
        options = ["-q", "--invalidation-mode", "unchecked-hash"]
        subprocess.run([self.python, "-m", "compileall", *options, str(folder)], check=False)

    def _install_runtime(self, *what: str) -> None:
        options = ["--quiet", "--python", self.python, "--only-binary", ":all:", "--target", str(self.runtime)]
        pins = ["-c", str(ROOT / "requirements-dev.txt")]
        subprocess.run([uv(), "pip", "install", *options, *pins, *what], check=True)
        self.compile(self.runtime)


def this_machine() -> str:
    """The architecture of this machine, as Lambda names it."""
    return {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
