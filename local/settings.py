"""What one run of the local stack is told: its folders and ports, and the keys that all local stacks share."""

import random
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import jwt

from local.errors import StackError

HOST: Final = "127.0.0.1"

# The keys, the secret and the password that the Supabase CLI gives to every local stack: the world knows them, so they
# are good for 127.0.0.1 only.
JWT_SECRET: Final = "super-secret-jwt-token-with-at-least-32-characters-long"
PUBLISHABLE_KEY: Final = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"
SECRET_KEY: Final = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
DATABASE_PASSWORD: Final = "postgres"
# The entry points of functions/main.py, each served under its name.
FUNCTIONS: Final = ("likes", "authors", "notifications", "drain", "health")

_KEYS_EXPIRE: Final = 1983812996

# Below the range from which Linux takes the ports of outgoing connections: what is free now is so a second later.
_FREE_PORTS: Final = range(20000, 32000)


@dataclass(frozen=True)
class Ports:
    """Where each part listens."""

    gateway: int
    database: int
    auth: int
    rest: int
    rest_admin: int
    realtime: int
    queue: int
    functions: int


@dataclass(frozen=True)
class Settings:
    """One run: `folder` keeps its data and logs, `supabase` has the migrations and the seed, `port` 0 means any.

    `plan` names the limits that Realtime keeps, as local.realtime.core.settings has them.
    """

    root: Path
    folder: Path
    supabase: Path
    port: int = 54321
    reset: bool = False
    crowd: int = 0
    plan: str = "off"

    @cached_property
    def ports(self) -> Ports:
        """Every port of this run, the same ones each time it is asked.

        Raises:
            StackError: one of the two ports that the developer chose is taken.
        """
        chosen = [self.port, self.port + 1] if self.port else []
        for port in chosen:
            if not _is_free(port):
                raise StackError(f"Port {port} is taken: stop what listens there, or choose another with --port.")
        return Ports(*chosen, *_free_ports(8 - len(chosen)))

    @property
    def url(self) -> str:
        """Where the gateway answers, and with it the page and every API."""
        return f"http://{HOST}:{self.ports.gateway}"

    def database_url(self, role: str) -> str:
        """How `role` logs in to the database."""
        return f"postgresql://{role}:{DATABASE_PASSWORD}@{HOST}:{self.ports.database}/postgres"


def role_token(role: str) -> str:
    """The JWT that stands for an API key of `role`, as in every local stack of Supabase."""
    return jwt.encode({"iss": "supabase-demo", "role": role, "exp": _KEYS_EXPIRE}, JWT_SECRET, algorithm="HS256")


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(_FREE_PORTS, len(_FREE_PORTS)):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise StackError(f"There are no {count} free ports between {_FREE_PORTS.start} and {_FREE_PORTS.stop}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: a port whose last connections are still fading away counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
