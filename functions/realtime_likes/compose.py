"""Builds each function from its parts: the one place that knows all of them."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import httpx

from realtime_likes.application import Application
from realtime_likes.authors import AuthorLookup
from realtime_likes.cors import Cors
from realtime_likes.draining import Drain
from realtime_likes.handlers.authors import AuthorsHandlers
from realtime_likes.handlers.health import HealthHandlers
from realtime_likes.handlers.likes import LikesHandlers
from realtime_likes.handlers.notifications import NotificationsHandlers
from realtime_likes.liking import LikeContent
from realtime_likes.observability import EmfFigures, LoggedFigures, build_logger
from realtime_likes.parameters import read_secrets
from realtime_likes.postgrest_database import CallerDatabase, ServiceDatabase, open_http
from realtime_likes.routing import Router
from realtime_likes.settings import Settings, load_settings
from realtime_likes.signing_keys import SigningKeys
from realtime_likes.sqs_queue import NoQueue, SqsWakeUpQueue, SqsWakeUpSender
from realtime_likes.tokens import TokenVerifier

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from realtime_likes.connections import Http
    from realtime_likes.ports import Figures
    from realtime_likes.routing import Routes

WRITERS = frozenset({"likes", "drain"})


@cache
def application(function: str) -> Application:
    """The HTTP function of this name, built once per process. Raises `SettingsError`."""
    settings = settings_of(function)
    figures = _figures(function, settings)
    return Application(
        Router(_ROUTES[function](settings, figures)),
        Cors(settings.allowed_origins),
        build_logger(function, settings),
        figures,
    )


@cache
def drain() -> Drain:
    """The drain, built once per process. Raises `SettingsError`."""
    settings = settings_of("drain")
    queue = SqsWakeUpQueue(settings.queue_url) if settings.queue_url else NoQueue()
    return Drain(_service(settings), queue, _figures("drain", settings), build_logger("drain", settings))


@cache
def settings_of(function: str) -> Settings:
    """The settings of a function, read once per process. Raises `SettingsError`."""
    return load_settings({**os.environ, **read_secrets(os.environ, database_connections)}, writes=function in WRITERS)


def build(function: str) -> None:
    """Builds a function ahead of its first request, so that a wrong setting shows at the start."""
    drain() if function == "drain" else application(function)


def _likes(settings: Settings, figures: Figures) -> Routes:
    sender = SqsWakeUpSender(settings.queue_url) if settings.queue_url else NoQueue()
    like_content = LikeContent(_service(settings), sender, figures, build_logger("likes", settings))
    return LikesHandlers(_tokens(settings), like_content, _reader(settings)).routes


def _authors(settings: Settings, _figures: Figures) -> Routes:
    return AuthorsHandlers(_tokens(settings), AuthorLookup(_reader(settings))).routes


def _notifications(settings: Settings, _figures: Figures) -> Routes:
    return NotificationsHandlers(_tokens(settings), _reader(settings)).routes


def _health(settings: Settings, _figures: Figures) -> Routes:
    return HealthHandlers(_reader(settings), settings.publishable_key).routes


_ROUTES: dict[str, Callable[[Settings, Figures], Routes]] = {
    "likes": _likes,
    "authors": _authors,
    "notifications": _notifications,
    "health": _health,
}


@cache
def tls() -> ssl.SSLContext:
    """Whom we trust, loaded once per process for everyone: it takes 30 ms of a cold start."""
    return httpx.create_ssl_context()


@cache
def database_connections() -> Http:
    """The connections to the database, shared by all that a process builds."""
    return open_http(tls())


def _service(settings: Settings) -> ServiceDatabase:
    return ServiceDatabase(database_connections(), settings.rest_url, str(settings.secret_key))


def _reader(settings: Settings) -> CallerDatabase:
    return CallerDatabase(database_connections(), settings.rest_url, settings.publishable_key)


def _tokens(settings: Settings) -> TokenVerifier:
    return TokenVerifier(
        SigningKeys(settings.jwks_url, tls()), settings.publishable_key, settings.jwt_secret, settings.jwt_issuer
    )


def _figures(function: str, settings: Settings) -> Figures:
    if settings.lambda_function:
        return EmfFigures(settings.lambda_function)
    return LoggedFigures(build_logger(function, settings))
