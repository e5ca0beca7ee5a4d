"""The one module that reads the environment."""

import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from local.realtime.core.settings import PLANS, Settings
from local.realtime.core.tokens import Verifier
from local.realtime.keys import OpaqueKeys, opaque_keys

MEGABYTE: Final = 1_000_000

# Variable → field of Settings; a plan gives the defaults.
NUMBERS: Final = {
    "REALTIME_MAX_CONCURRENT_USERS": "max_users",
    "REALTIME_MAX_CHANNELS_PER_CLIENT": "max_channels",
    "REALTIME_MAX_JOINS_PER_SECOND": "joins_per_second",
    "REALTIME_MAX_EVENTS_PER_SECOND": "events_per_second",
    "REALTIME_MAX_PRESENCE_EVENTS_PER_SECOND": "presence_events_per_second",
    "REALTIME_MAX_PAYLOAD_SIZE_IN_KB": "payload_kilobytes",
    "REALTIME_CLIENT_PRESENCE_MAX_CALLS": "presence_pushes",
}
MILLISECONDS: Final = {
    "REALTIME_CONNECT_ERROR_BACKOFF_MS": "connect_backoff",
    "REALTIME_CHANNEL_ERROR_BACKOFF_MS": "channel_backoff",
    "REALTIME_CLIENT_PRESENCE_WINDOW_MS": "presence_window",
    "REALTIME_IDLE_TIMEOUT_MS": "idle_timeout",
    "REALTIME_REPLICATION_WAIT_MS": "replication_wait",
}
FLAGS: Final = {"REALTIME_PRIVATE_ONLY": "private_only", "REALTIME_PRESENCE_ENABLED": "presence_enabled"}


@dataclass(frozen=True, slots=True)
class Environment:
    """How this server was started."""

    host: str
    port: int
    database_url: str
    verifier: Verifier
    settings: Settings
    max_buffer: int
    header_timeout: float
    keys: OpaqueKeys


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Reads the variables. Raises KeyError for a missing one, ValueError for one that makes no sense."""
    secret = variables["REALTIME_JWT_SECRET"]
    return Environment(
        host=variables.get("REALTIME_HOST", "127.0.0.1"),
        port=int(variables["REALTIME_PORT"]),
        database_url=variables["REALTIME_DB_URL"],
        verifier=Verifier(secret, _jwks(variables.get("REALTIME_JWKS", ""))),
        settings=_settings(variables),
        max_buffer=int(variables.get("REALTIME_MAX_BUFFER_BYTES", 16 * MEGABYTE)),
        header_timeout=int(variables.get("REALTIME_HEADER_TIMEOUT_MS", 10_000)) / 1000,
        keys=opaque_keys(secret, variables.get("REALTIME_PUBLISHABLE_KEY"), variables.get("REALTIME_SECRET_KEY")),
    )


def _settings(variables: Mapping[str, str]) -> Settings:
    plan = variables.get("REALTIME_PLAN", "off")
    if plan not in PLANS:
        raise ValueError(f"REALTIME_PLAN is {plan!r}, not one of {', '.join(PLANS)}")
    changes: dict[str, Any] = {field: int(variables[name]) for name, field in NUMBERS.items() if variables.get(name)}
    changes |= {field: int(variables[name]) / 1000 for name, field in MILLISECONDS.items() if variables.get(name)}
    changes |= {field: variables[name] == "true" for name, field in FLAGS.items() if variables.get(name)}
    return replace(PLANS[plan], **changes)


def _jwks(text: str) -> list[dict[str, Any]]:
    """The keys of a JWK set, or of a bare list of keys."""
    value = json.loads(text) if text else []
    keys: list[dict[str, Any]] = value["keys"] if isinstance(value, dict) else value
    return keys


class RandomIds:
    """Names that nobody else has, in the forms of the real server."""

    def presence_ref(self) -> str:
        return base64.urlsafe_b64encode(secrets.token_bytes(12)).decode()

    def presence_key(self) -> str:
        return str(uuid.uuid1())
