"""What serverless.yml comes to: the CloudFormation template, made without an account or a network."""

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.package import OUTPUT, ROOT

OSLS: Final = str(ROOT / "node_modules" / ".bin" / "osls")


class TemplateError(Exception):
    """serverless.yml or an option is wrong; the text has what `serverless` says of it."""


@dataclass(frozen=True)
class Template:
    """The template of one stage, and the region that it is for."""

    body: Mapping[str, Any]
    region: str

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of a type, by name."""
        resources = self.body["Resources"].items()
        return {name: resource["Properties"] for name, resource in resources if resource["Type"] == kind}

    def environments(self) -> dict[str, dict[str, Any]]:
        """What each function is told, by the handler's name."""
        functions = self.of_type("AWS::Lambda::Function").values()
        return {function["Handler"].partition(".")[2]: function["Environment"]["Variables"] for function in functions}

    @property
    def settings(self) -> dict[str, str]:
        """The SSM parameters that the stack reads when it is deployed, by the names of the stack's own parameters."""
        return {name: str(parameter["Default"]) for name, parameter in self.body["Parameters"].items()}

    @property
    def secrets(self) -> list[str]:
        """The SSM parameters that functions read when they start."""
        return sorted(set(self._secrets()))

    def _secrets(self) -> Iterator[str]:
        for environment in self.environments().values():
            yield from (str(path) for name, path in environment.items() if name.endswith("_PARAMETER") and path)


def synthesize(options: Sequence[str]) -> Template:
    """The template for the options of `serverless` (`--stage`, `--param`); the zip must have been built.

    Raises:
        TemplateError: `serverless` refuses.
    """
    with tempfile.TemporaryDirectory(prefix="likes-template-") as folder:
        done = serverless("package", "--package", folder, *options)
        if done.returncode:
            raise TemplateError(f"serverless.yml, or an option, is wrong: {done.stdout.strip()}")
        body = json.loads(Path(folder, "cloudformation-template-update-stack.json").read_text())
        state = json.loads(Path(folder, "serverless-state.json").read_text())
    return Template(body, state["service"]["provider"]["region"])


def serverless(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run osls and take what it says."""
    environment = {**os.environ, "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "NO_COLOR": "1"}
    with alone():
        return subprocess.run(
            [OSLS, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )


@contextmanager
def alone() -> Iterator[None]:
    """Waits until no other of our commands runs osls: each begins by emptying .serverless, where the other works."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with (OUTPUT / "osls.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
