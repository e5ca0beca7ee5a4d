"""An AWS account on this machine: ministack, in a Python of Lambda's version, which therefore runs what is deployed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx

from bench.lambda_package import this_machine
from infra.interpreter import find_python, uv
from local.parts import queue
from local.processes import base_environment
from local.queues import CREDENTIALS
from local.settings import Settings
from tests.stack import ROOT

STACK = "realtime-likes-dev"
PARAMETERS = "/realtime-likes/dev"
START_SECONDS = 30


@dataclass(frozen=True)
class Account:
    """The running emulator. `python` is the version that its Lambda has."""

    endpoint: str
    python: str

    def client(self, service: str) -> Any:
        """boto3's client of a service."""
        make: Any = boto3.client  # the stubs want to know the service
        keys = {name.lower(): CREDENTIALS[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return make(service, endpoint_url=self.endpoint, region_name=CREDENTIALS["AWS_REGION"], **keys)

    def put_parameters(self, kind: str, **values: str) -> None:
        """What an operator puts into SSM; `supabase_url` becomes /realtime-likes/dev/supabase-url."""
        for name, value in values.items():
            path = f"{PARAMETERS}/{name.replace('_', '-')}"
            self.client("ssm").put_parameter(Name=path, Value=value, Type=kind, Overwrite=True)

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this repository as somebody who is signed in to this account."""
        # the developer's own account stays out of it
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SUPABASE_"))}
        # this account is quick: osls need not ask every five seconds only
        settings = {"AWS_ENDPOINT_URL": self.endpoint, "SLS_AWS_MONITORING_FREQUENCY": "500"}
        environment = own | CREDENTIALS | settings | more
        return subprocess.run(
            [str(ROOT / command[0]), *command[1:]],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def deploy(self, database: str, *more: str) -> subprocess.CompletedProcess[str]:
        """bin/deploy for the machine and the Python that run here, with the local project's legacy secret."""
        options = ["--architecture", this_machine(), "--python", self.python]
        # lite signs with the secret, and names no issuer
        params = ["--", "--param", "jwtSecret=set", "--param", "jwtIssuer=none"]
        return self.run("bin/deploy", *options, *params, *more, SUPABASE_DB_URL=database)

    def setting(self, function: str, name: str) -> str:
        """What a deployed function is told."""
        found = self.client("lambda").get_function_configuration(FunctionName=f"{STACK}-{function}")
        return str(found["Environment"]["Variables"][name])

    def outputs(self) -> dict[str, str]:
        """What the stack tells: the URLs of the functions and the queues."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def http(self, url: str) -> httpx.Client:
        """A client for the URL of a function: its name leads to AWS, so the emulator is called by that name."""
        return httpx.Client(base_url=self.endpoint, headers={"Host": urlsplit(url).netloc}, timeout=30)


@contextmanager
def emulated(folder: Path) -> Iterator[Account]:
    """An account for the length of the block; it keeps nothing."""
    python = find_python() or sys.executable
    settings = Settings(ROOT, folder, folder, port=0)
    part = queue(settings)
    environment = base_environment(folder) | dict(part.environment) | CREDENTIALS
    command = [str(_install(python, folder / "venv")), "-m", "ministack"]
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment | {"SERVICES": "", "LAMBDA_EXECUTOR": "local"},
        )
    endpoint = f"http://127.0.0.1:{settings.ports.queue}"
    try:
        _wait_for(endpoint, process)
        yield Account(endpoint, _version(python))
    finally:
        process.terminate()
        process.wait(20)


def _install(python: str, venv: Path) -> Path:
    """The emulator, and boto3 as Lambda's runtime has it."""
    subprocess.run([uv(), "venv", "--quiet", "--python", python, str(venv)], check=True)
    pins = ["-r", str(ROOT / "local" / "requirements-ministack.txt"), "boto3"]
    subprocess.run([uv(), "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), *pins], check=True)
    return venv / "bin" / "python"


def _version(python: str) -> str:
    program: Sequence[str] = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()


def _wait_for(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{endpoint}/_ministack/health")
        except httpx.TransportError:
            assert process.poll() is None, "the emulator ended"
            assert time.monotonic() < deadline, "the emulator does not start"
            time.sleep(0.05)
        else:
            return
