"""Builds the zip that Lambda runs: the functions and what they import, byte-compiled. The same commit, the same bytes.

    python -m infra.package [arm64|x86_64]

No Docker: the packages come as wheels for Lambda's system, whatever system this is. boto3 is not among them, since the
runtime has it, nor is what only other platforms need (main.py, functions-framework).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.interpreter import DEPLOYED, find_python, uv

ROOT: Final = Path(__file__).resolve().parent.parent
OUTPUT: Final = ROOT / "build" / "lambda"
REQUIREMENTS: Final = ROOT / "infra" / "requirements-lambda.txt"
# Amazon Linux 2023, on which Python 3.13 runs there, has glibc 2.34.
PLATFORMS: Final = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
# Where Lambda unpacks it: tracebacks should name files as they are there.
_TASK: Final = "/var/task"
# A zip knows no earlier time.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
# What nobody imports: programs and notes of the installation, which name this machine; the packages' own tests; types
# for editors; and Powertools' web framework with the Swagger UI, a twentieth of the zip.
_BALLAST: Final = (
    *("bin", ".lock", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED"),
    *("**/tests", "**/test_*.py", "**/*_testcapi.*", "**/*.pyi"),
    "aws_lambda_powertools/event_handler",
)


class PackageError(Exception):
    """The zip could not be built; the text says why."""


@dataclass(frozen=True)
class Package:
    """A zip that was built. `compiled`: with byte code, without which a cold start takes twice as long."""

    path: Path
    compiled: bool

    @property
    def megabytes(self) -> float:
        """Its size, in millions of bytes."""
        return self.path.stat().st_size / 1e6

    @property
    def sha256(self) -> str:
        """What tells two packages apart."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def build(architecture: str, output: Path = OUTPUT, version: str = DEPLOYED) -> Package:
    """Build `output`/`architecture`.zip.

    Raises:
        PackageError: a package has no wheel for that system, or cannot be had.
    """
    output.mkdir(parents=True, exist_ok=True)
    python = find_python(version)
    with tempfile.TemporaryDirectory(prefix="likes-lambda-") as temporary:
        folder = Path(temporary, "task")
        _install(folder, PLATFORMS[architecture], version)
        _copy_functions(folder)
        _remove_ballast(folder)
        if python is not None:
            _compile(folder, python)
        target = output / f"{architecture}.zip"
        _zip(folder, target)
    return Package(target, compiled=python is not None)


def _install(folder: Path, platform: str, version: str) -> None:
    options = ["--python-platform", platform, "--python-version", version, "--only-binary", ":all:", "--no-deps"]
    command = [uv(), "pip", "install", "--quiet", "--target", str(folder), *options, "-r", str(REQUIREMENTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"The packages for {platform} could not be had: {done.stderr.strip()}")


def _copy_functions(folder: Path) -> None:
    functions = ROOT / "functions"
    shutil.copy(functions / "aws.py", folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(functions / "realtime_likes", folder / "realtime_likes", ignore=ignored)


def _remove_ballast(folder: Path) -> None:
    for path in [path for pattern in _BALLAST for path in folder.glob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _compile(folder: Path, python: str) -> None:
    # Unchecked: Lambda's file times say nothing. In one process and in a fixed order, for equal bytes.
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", _TASK]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    # A package may carry a file that is no Python of this version; nobody imports it then.
    subprocess.run([python, "-I", "-m", "compileall", *options, str(folder)], env=environment, check=False)


def _zip(folder: Path, target: Path) -> None:
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        for name in names:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (folder / name).read_bytes())
    partial.replace(target)


if __name__ == "__main__":
    built = build(sys.argv[1] if len(sys.argv) > 1 else "arm64")
    sys.stdout.write(f"{built.path} {built.megabytes:.1f} MB sha256 {built.sha256}\n")
