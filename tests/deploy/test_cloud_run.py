"""The folder functions/ as Cloud Run functions builds it: its requirements in a clean environment, main.py served."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bench.lambda_world import CONTENT, SECRET_KEY, LambdaWorld
from infra.interpreter import find_python, uv
from tests.stack import ROOT

START_SECONDS = 60


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uploaded folder, with the environment that the build makes of its requirements.txt beside it."""
    folder = tmp_path_factory.mktemp("cloud-run")
    shutil.copytree(ROOT / "functions", folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    venv, python = folder / "venv", find_python() or sys.executable
    subprocess.run([uv(), "venv", "--quiet", "--python", python, str(venv)], check=True)
    requirements = str(folder / "source" / "requirements.txt")
    install = [uv(), "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), "-r", requirements]
    subprocess.run(install, check=True)
    return folder


def environment(world: LambdaWorld, target: str, port: int) -> dict[str, str]:
    """What the platform sets, and what docs/deploy.md says to set."""
    url = f"http://{world.address}"
    return {
        "PATH": os.environ["PATH"],
        "FUNCTION_TARGET": target,
        "PORT": str(port),
        "HOST": "127.0.0.1",  # on the platform all interfaces: its proxy comes from outside
        "SUPABASE_URL": url,
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_cloud",
        "SUPABASE_SECRET_KEY": SECRET_KEY,
        "LIKES_QUEUE_URL": "none",
        "DRAIN_SECONDS": "1",
        "ALLOWED_ORIGINS": "https://app.example.com",
    }


@contextmanager
def serving(built: Path, world: LambdaWorld, target: str) -> Iterator[httpx.Client]:
    """The function as the platform starts it: in the source's folder, told its target and port by the environment."""
    port = free_port()
    process = subprocess.Popen(
        [str(built / "venv" / "bin" / "functions-framework")],
        cwd=built / "source",
        env=environment(world, target, port),
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_for(port, process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, "the function ended"
            assert time.monotonic() < deadline, "the function does not start"
            time.sleep(0.05)
        else:
            return


def test_the_built_source_answers_a_like(built: Path) -> None:
    with LambdaWorld() as world, serving(built, world, "likes") as likes:
        event = world.event()
        answer = likes.post("/", content=event["body"], headers=event["headers"])
        assert answer.status_code == 200, answer.text
        assert (answer.json()["content_id"], answer.json()["liked"]) == (CONTENT, True)
        stranger = {"content-type": "application/json"}
        assert likes.post("/", content=event["body"], headers=stranger).status_code == 401


def test_a_wrong_setting_ends_the_start_with_a_sentence(built: Path) -> None:
    with LambdaWorld() as world:
        settings = environment(world, "likes", free_port()) | {"SUPABASE_SECRET_KEY": ""}
    command = [str(built / "venv" / "bin" / "functions-framework")]
    done = subprocess.run(
        command,
        cwd=built / "source",
        env=settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert done.returncode != 0
    assert "SUPABASE_SECRET_KEY is missing" in done.stderr
