"""Reads the environment, the only module that does, and says in one sentence what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONE = "none"
# HS256 keys shorter than the hash are guessable (RFC 7518, 3.2).
_MIN_SECRET_BYTES = 32
# Longer than EventBridge's minute and drains pile up.
_MAX_DRAIN_SECONDS = 840


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it and says what it should be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between two installations. Secrets do not show in `repr`."""

    supabase_url: str
    rest_url: str
    publishable_key: str
    secret_key: str | None = field(repr=False)
    jwt_secret: str | None = field(repr=False)
    jwt_issuer: str | None
    allowed_origins: frozenset[str]
    queue_url: str | None
    drain_seconds: float
    log_level: str
    log_sample_rate: float
    lambda_function: str | None

    @property
    def jwks_url(self) -> str:
        """The public keys of the project's Auth."""
        return f"{self.supabase_url}/auth/v1/.well-known/jwks.json"


def load_settings(environ: Mapping[str, str], *, writes: bool) -> Settings:
    """The settings of a function. Raises `SettingsError`.

    `writes`: the function needs the secret key and the queue. The others are not given them, so they cannot lose them.
    """
    url = _url(environ, "SUPABASE_URL")
    lambda_function = environ.get("AWS_LAMBDA_FUNCTION_NAME")
    return Settings(
        supabase_url=url,
        # a PostgREST next door need not be reached through the project's gateway
        rest_url=_url(environ, "REST_URL") if environ.get("REST_URL") else f"{url}/rest/v1",
        publishable_key=_key(environ, "SUPABASE_PUBLISHABLE_KEY"),
        secret_key=_key(environ, "SUPABASE_SECRET_KEY") if writes else None,
        jwt_secret=_jwt_secret(environ),
        jwt_issuer=_or_none(environ.get("JWT_ISSUER") or f"{url}/auth/v1"),
        allowed_origins=_origins(environ.get("ALLOWED_ORIGINS", "")),
        queue_url=_queue_url(environ) if writes else None,
        drain_seconds=_number(environ, "DRAIN_SECONDS", 58, most=_MAX_DRAIN_SECONDS),
        log_level=_log_level(environ, "INFO" if lambda_function else "WARNING"),
        log_sample_rate=_number(environ, "LOG_SAMPLE_RATE", 0, most=1),
        lambda_function=lambda_function,
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is missing: set it in the environment of the function.")
    return value


def _url(environ: Mapping[str, str], name: str) -> str:
    value = _required(environ, name).rstrip("/")
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"{name} must be an http or https URL, such as https://abc.supabase.co, and is not.")
    return value


def _key(environ: Mapping[str, str], name: str) -> str:
    value = _required(environ, name)
    if any(character.isspace() for character in value) or not value.isascii():
        raise SettingsError(f"{name} must be one word: an sb_… key or a JWT.")
    return value


def _jwt_secret(environ: Mapping[str, str]) -> str | None:
    secret = environ.get("SUPABASE_JWT_SECRET") or None
    if secret is not None and len(secret.encode()) < _MIN_SECRET_BYTES:
        raise SettingsError(f"SUPABASE_JWT_SECRET must have {_MIN_SECRET_BYTES} bytes at least.")
    return secret


def _queue_url(environ: Mapping[str, str]) -> str | None:
    if _or_none(_required(environ, "LIKES_QUEUE_URL")) is None:
        return None  # said on purpose: no queue, the sweep settles everything
    return _url(environ, "LIKES_QUEUE_URL")


def _origins(text: str) -> frozenset[str]:
    origins = frozenset(part.strip() for part in text.split(",") if part.strip())
    for origin in origins - {"*"}:
        scheme, separator, host = origin.partition("://")
        if not separator or not scheme or not host or "/" in host:
            raise SettingsError(
                f"ALLOWED_ORIGINS must be * or origins such as https://example.com, without a path; {origin!r} is none."
            )
    return origins


def _number(environ: Mapping[str, str], name: str, default: float, *, most: float) -> float:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise SettingsError(f"{name} must be a number from 0 to {most:g}, and is {text!r}.")
    return value


def _log_level(environ: Mapping[str, str], default: str) -> str:
    level = (environ.get("LOG_LEVEL") or default).upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(f"LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, and is {level!r}.")
    return level


def _or_none(value: str) -> str | None:
    return None if value.lower() == _NONE else value
