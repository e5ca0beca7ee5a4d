"""The zip: the same bytes for the same sources, nothing in it that does not belong there, and it runs as on Lambda."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cold_start import beside_an_eager_one, first_answer
from bench.lambda_world import LambdaWorld
from infra.interpreter import DEPLOYED, find_python
from infra.package import REQUIREMENTS, ROOT, Package, build

# What only other platforms need, what the runtime has, and what tests need.
FOREIGN = ("boto3", "botocore", "flask", "functions_framework", "gunicorn", "click", "uvicorn", "pytest", "moto")
SECRETS = re.compile(rb"sb_secret_[A-Za-z0-9]{8}|eyJ[\w-]{20,}\.[\w-]{20,}\.|-----BEGIN [A-Z ]*PRIVATE KEY-----\n\w")


@pytest.fixture(scope="session")
def archive(package: Package) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(package.path) as archive:
        yield archive


def test_the_same_sources_give_the_same_bytes(package: Package, tmp_path: Path) -> None:
    # later and elsewhere: what a zip usually takes from its surroundings differs
    assert build("arm64", tmp_path / "elsewhere").path.read_bytes() == package.path.read_bytes()


def test_it_is_small_enough_for_a_quick_start(package: Package) -> None:
    assert package.megabytes < 14


def test_it_has_the_functions_and_what_is_pinned_for_them(archive: zipfile.ZipFile) -> None:
    names = set(archive.namelist())
    sources = {path.relative_to(ROOT / "functions").as_posix() for path in (ROOT / "functions").glob("*/**/*.py")}
    assert sources | {"aws.py"} <= names
    packages = {name.partition(".dist-info/")[0].lower() for name in names if ".dist-info/" in name}
    pins = re.findall(r"^([\w-]+)==([\w.]+)", REQUIREMENTS.read_text(), re.MULTILINE)
    assert packages == {f"{name.replace('-', '_')}-{version}" for name, version in pins}


def test_no_test_cache_secret_or_foreign_package_is_in_it(archive: zipfile.ZipFile) -> None:
    for name in archive.namelist():
        parts = Path(name).parts
        assert not {"tests", "test", ".git", ".pytest_cache", ".mypy_cache"} & set(parts), name
        assert not Path(name).name.startswith((".env", "test_", "conftest")), name
        assert not parts[0].startswith(FOREIGN), name
        # the description of PyJWT shows a token of its own
        assert name.endswith("/METADATA") or not SECRETS.search(archive.read(name)), name
    assert "main.py" not in archive.namelist(), "functions-framework's entry point"


def test_it_names_no_path_of_the_machine_that_built_it(archive: zipfile.ZipFile) -> None:
    for name in archive.namelist():
        content = archive.read(name)
        assert str(ROOT).encode() not in content, name
        assert b"likes-lambda-" not in content, name


def test_every_entry_has_a_fixed_time_and_mode_and_its_place(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644)}


def test_byte_code_is_in_it_wherever_a_python_of_that_version_is_found(
    package: Package, archive: zipfile.ZipFile
) -> None:
    byte_code = "realtime_likes/__pycache__/compose.cpython-313.pyc"
    assert package.compiled == (find_python(DEPLOYED) is not None) == (byte_code in archive.namelist())
    if package.compiled:
        assert int.from_bytes(archive.read(byte_code)[4:8], "little") == 1, "unchecked: not compared with the source"
        assert b"/var/task/realtime_likes/compose.py" in archive.read(byte_code)


def test_the_zip_of_this_machine_answers_a_like_under_the_runtime_of_aws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked = beside_an_eager_one(tmp_path)
    with LambdaWorld() as world:
        first_answer(
            unpacked, world, "aws.likes", reads_ssm=True
        )  # the first comes from a cold disk; it raises unless it is a 200
        ours = first_answer(unpacked, world, "aws.likes", reads_ssm=True)
        waking = first_answer(unpacked, world, "aws.likes", reads_ssm=True, wakes=True)
        assert world.messages == 1, "its wake-up went to the queue"
        eager = first_answer(unpacked, world, "eager.likes")
    with capsys.disabled():
        print(
            f"\nCold start of a like: {ours:.0f} ms, with a wake-up {waking:.0f} ms; all imported first {eager:.0f} ms"
        )
