"""The public keys of the project's Auth, kept between requests and fetched anew when a token names an unknown one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

from jwt import PyJWKClient
from jwt.exceptions import PyJWKClientConnectionError, PyJWKSetError, PyJWTError

from realtime_likes.errors import AuthUnavailableError, TokenInvalidError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from jwt import PyJWK

# As long as Supabase's own edge caches the set, so a revoked key is not kept longer by us than by others.
_LIFESPAN = 600.0
# At most one fetch in so many seconds, successful or not: forged key ids must not become requests to Auth.
_FLOOR = 10.0
_TIMEOUT = 2.0


class SigningKeys(PyJWKClient):
    """A JWKS by URL: cached, refreshed on an unknown `kid`, with a floor between two fetches.

    PyJWT keeps its floor after successful fetches only. Here a failed one counts too, and while Auth is away the keys
    that were known last go on serving: an outage of Auth must not sign everybody out.
    """

    def __init__(self, url: str, tls: ssl.SSLContext, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(url, lifespan=_LIFESPAN, timeout=_TIMEOUT, ssl_context=tls, cooldown_duration=_FLOOR)
        self._clock = clock
        self._failed_at: float | None = None
        self._last_known: dict[str, Any] | None = None
        self._failure: Exception | None = None

    def fetch_data(self) -> dict[str, Any]:
        """The key set from Auth, else the one known last. Raises `PyJWKClientConnectionError`."""
        if self._failed_at is None or self._clock() - self._failed_at >= _FLOOR:
            try:
                self._last_known = super().fetch_data()
                self._failed_at = None
            except (PyJWTError, OSError, ValueError) as error:
                self._failed_at, self._failure = self._clock(), error
        if self._last_known is None:
            raise PyJWKClientConnectionError("the signing keys cannot be fetched") from self._failure
        return self._last_known

    def key(self, kid: str) -> PyJWK:
        """The key of this id. Raises `TokenInvalidError`, or `AuthUnavailableError` while it cannot be known."""
        # PyJWT holds its lock while it fetches; a known key need not wait behind somebody's unknown one
        known = self._known(kid)
        if known is not None:
            return known
        try:
            return self.get_signing_key(kid)
        except PyJWKClientConnectionError as error:
            # a project that still signs with its shared secret publishes no keys: then a token that names one is forged
            if _says_that_there_are_none(error.__cause__):
                raise TokenInvalidError from None
            raise AuthUnavailableError from error.__cause__
        except PyJWTError:
            raise TokenInvalidError from None

    def _known(self, kid: str) -> PyJWK | None:
        cached = self.jwk_set_cache.get() if self.jwk_set_cache is not None else None
        return self.match_kid(cached.keys, kid) if cached is not None else None


def _says_that_there_are_none(failure: BaseException | None) -> bool:
    if failure is not None and isinstance(failure.__cause__, HTTPError):
        return failure.__cause__.code in {401, 403, 404}
    return isinstance(failure, PyJWKSetError)
