"""`bin/deploy`: the zip, the database, the functions, in this order; each step can be repeated.

The database goes first: its new functions serve the old code, which runs until the new one is there. What the old code
still needs is removed by a later release (docs/deploy.md).
"""

import argparse
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.interpreter import DEPLOYED
from infra.package import PLATFORMS, ROOT, Package, PackageError, build
from infra.template import OSLS, Template, TemplateError, alone, synthesize
from local.console import say

_PROJECT = re.compile(r"(?P<reference>[a-z0-9]{20})\.supabase\.co")


class DeployError(Exception):
    """The deployment cannot start, or a step failed; the text says what to do."""


@dataclass(frozen=True)
class Plan:
    """What will be deployed, and with which options `serverless` is called."""

    stage: str
    package: Package
    template: Template
    options: Sequence[str]


def main() -> int:
    """Deploy as the command line says. Returns the exit status."""
    arguments = _arguments()
    try:
        plan = _plan(arguments)
        _tell(plan)
        if arguments.dry_run:
            say("Dry run: nothing was deployed, no account was asked.")
        else:
            _deploy(plan)
    except (DeployError, PackageError, TemplateError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/deploy", description="Builds the zip, applies the migrations, deploys the functions. Safe to repeat."
    )
    parser.add_argument("--stage", choices=("dev", "prod"), default="dev", help="default dev")
    parser.add_argument("--architecture", choices=tuple(PLATFORMS), default="arm64", help="default arm64")
    parser.add_argument("--python", default=DEPLOYED, metavar="VERSION", help=f"Lambda's Python, default {DEPLOYED}")
    parser.add_argument("--dry-run", action="store_true", help="build the zip and print the plan; ask no account")
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="for serverless: -- --param jwtSecret=set")
    return parser.parse_args()


# the plan


def _plan(arguments: argparse.Namespace) -> Plan:
    package = build(arguments.architecture, version=arguments.python)
    chosen = (f"architecture={arguments.architecture}", f"python={arguments.python}")
    options = [
        "--stage",
        arguments.stage,
        *(word for param in chosen for word in ("--param", param)),
        *arguments.options,
    ]
    return Plan(arguments.stage, package, synthesize(options), options)


def _tell(plan: Plan) -> None:
    template = plan.template
    say(f"Stage {plan.stage} in {template.region}, commit {_commit()}")
    say(f"  zip        {plan.package.path.relative_to(ROOT)}, {plan.package.megabytes:.1f} MB, {plan.package.sha256}")
    if not plan.package.compiled:
        say("  Warning: no Python of that version was found, so the zip has no byte code and starts half as fast.")
    say(f"  1 database   supabase db push: {_migrations()} migrations, those that are not there yet")
    say("  2 functions  serverless deploy:")
    for kind, count in sorted(Counter(r["Type"] for r in template.body["Resources"].values()).items()):
        say(f"      {count:3} {kind}")
    say(f"  read from SSM: {', '.join([*template.settings.values(), *template.secrets])}")


def _commit() -> str:
    described = ["git", "describe", "--always", "--dirty= with uncommitted changes", "--abbrev=12"]
    done = subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _migrations() -> int:
    return len(list((ROOT / "supabase" / "migrations").glob("*.sql")))


# the deployment


def _deploy(plan: Plan) -> None:
    url = _read_parameters(plan.template)[plan.template.settings["SupabaseUrl"]]
    supabase = str(ROOT / "node_modules" / ".bin" / "supabase")
    _run("the database", [supabase, "db", "push", f"--remote={_database(url, os.environ)}", "--yes"])
    with alone():
        # forced: otherwise a changed parameter in SSM would not be noticed
        _run("the functions", [OSLS, "deploy", "--force", *plan.options])


def _read_parameters(template: Template) -> dict[str, str]:
    """The settings in SSM. A missing one is told before anything is changed."""
    wanted = [*template.settings.values(), *template.secrets]
    try:
        found = boto3.client("ssm", region_name=template.region).get_parameters(Names=wanted)["Parameters"]
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"The account could not be asked for its SSM parameters: {error}") from error
    values = {parameter["Name"]: parameter["Value"] for parameter in found}
    if missing := [name for name in wanted if name not in values]:
        raise DeployError("These SSM parameters are missing:\n" + "\n".join(_commands(missing, template.secrets)))
    return values


def _commands(missing: Iterable[str], secrets: Sequence[str]) -> Iterable[str]:
    for name in missing:
        kind = "SecureString" if name in secrets else "String"
        yield f"  aws ssm put-parameter --name {name} --type {kind} --value …"


def _database(supabase_url: str, environ: Mapping[str, str]) -> str:
    """Whose migrations are applied: the project of this stage, whatever project the working copy is linked to."""
    if url := environ.get("SUPABASE_DB_URL"):
        return url
    if found := _PROJECT.fullmatch(urlsplit(supabase_url).hostname or ""):
        return found["reference"]
    raise DeployError(f"{supabase_url} names no project on supabase.co: set SUPABASE_DB_URL to its database.")


def _run(what: str, command: Sequence[str]) -> None:
    say(f"Deploying {what}")
    if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode:
        raise DeployError(f"{what.capitalize()} could not be deployed. Mend it and run this again: it can be repeated.")


if __name__ == "__main__":
    sys.exit(main())
