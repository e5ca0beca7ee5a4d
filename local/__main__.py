"""`python -m local`: the command behind bin/dev."""

import argparse
import asyncio
import sys
from pathlib import Path

from local.errors import StackError
from local.realtime.core.settings import PLANS
from local.settings import Settings
from local.stack import run

_ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the stack as the command line says. Returns the exit status."""
    try:
        asyncio.run(run(_settings()))
    except StackError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def _settings() -> Settings:
    parser = argparse.ArgumentParser(
        prog="bin/dev", description="The whole system on this machine: database, APIs, functions and the demo page."
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=54321,
        help="where to listen; the database takes the next one; 0 takes any (default 54321)",
    )
    parser.add_argument("--reset", action="store_true", help="start with a new database")
    parser.add_argument("--crowd", type=_count, default=0, metavar="N", help="let N simulated users like and watch")
    parser.add_argument(
        "--plan",
        choices=tuple(PLANS),
        default="off",
        help="the limits of a Supabase plan in Realtime; the engine keeps within those that likes.settings names",
    )
    parser.add_argument(
        "--dir", type=Path, default=_ROOT / ".local", help="where data and logs are kept (default .local)"
    )
    parser.add_argument(
        "--supabase",
        type=Path,
        default=_ROOT / "supabase",
        help="where migrations/ and seed.sql are (default supabase)",
    )
    given = parser.parse_args()
    return Settings(
        _ROOT,
        given.dir.resolve(),
        given.supabase.resolve(),
        port=given.port,
        reset=given.reset,
        crowd=given.crowd,
        plan=given.plan,
    )


def _port(text: str) -> int:
    port = int(text)
    if port != 0 and not 1024 <= port < 65535:
        raise argparse.ArgumentTypeError("a port is between 1024 and 65534, or 0 for any")
    return port


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("a crowd has at least 0 members")
    return count


if __name__ == "__main__":
    sys.exit(main())
