"""Who is calling: verifies the access tokens that Supabase Auth gives out.

Two kinds are good: signed with a key of the project's JWKS (ES256 or RS256), or with the legacy shared secret (HS256).
A key is only ever used with its own algorithm, so a public key cannot be passed off as a shared secret (RFC 8725, 2.1
and 3.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import jwt
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from realtime_likes.errors import TokenExpiredError, TokenInvalidError, TokenMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwt import PyJWK

    from realtime_likes.http import Request

AUDIENCE = "authenticated"
# For clocks that differ; PostgREST, which gets the same token for reads, allows 30 s.
LEEWAY_SECONDS = 10
_ASYMMETRIC = frozenset({"ES256", "RS256"})
# Tokens of Supabase Auth have about 1 KB; those with many custom claims still pass.
_MAX_TOKEN_LENGTH = 8 * 1024
_USER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class KeySource(Protocol):
    """Where the public keys come from."""

    def key(self, kid: str) -> PyJWK:
        """The key of this id. Raises `TokenInvalidError`, or `AuthUnavailableError`."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    `token` is what the database gets to see for reads: the user's own, or the publishable key of the anonymous.
    """

    user_id: str | None
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Turns the Authorization header into a caller.

    `issuer` None turns the check of `iss` off (for an Auth that sets none), `secret` None the legacy HS256 tokens.
    """

    keys: KeySource
    publishable_key: str = field(repr=False)
    secret: str | None = field(repr=False)
    issuer: str | None

    def user(self, request: Request) -> Caller:
        """The user who calls. Raises `UnauthenticatedError` of one of its three kinds, or `AuthUnavailableError`."""
        caller = self.caller(request)
        if caller.user_id is None:
            raise TokenMissingError
        return caller

    def caller(self, request: Request) -> Caller:
        """The user who calls, or the anonymous one.

        A bad token is an error here too: its owner thinks to be signed in.
        """
        token = _bearer(request.headers.get("authorization", ""))
        # supabase-js sends the publishable key as token while nobody is signed in
        if token is None or token == self.publishable_key:
            return Caller(None, self.publishable_key)
        return Caller(self._user_id(token), token)

    def _user_id(self, token: str) -> str:
        try:
            claims = self._claims(token)
        except ExpiredSignatureError:
            raise TokenExpiredError from None
        except (PyJWTError, ValueError, TypeError, OverflowError):
            raise TokenInvalidError from None
        subject = claims["sub"]
        # keys of the project (roles anon and service_role) are tokens too, but nobody's
        if claims.get("role") != AUDIENCE or not _USER_ID.fullmatch(subject):
            raise TokenInvalidError
        return str(subject)

    def _claims(self, token: str) -> dict[str, Any]:
        key, algorithm = self._key(_header(token.partition(".")[0]))
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=AUDIENCE,
            issuer=self.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "aud"], "verify_iss": self.issuer is not None},
        )

    def _key(self, header: Mapping[str, Any]) -> tuple[PyJWK | str, str]:
        # the header chooses among our keys; the algorithm follows from the key that was chosen
        if header.get("alg") == "HS256" and self.secret is not None:
            return self.secret, "HS256"
        kid = header.get("kid")
        if header.get("alg") not in _ASYMMETRIC or not isinstance(kid, str):
            raise TokenInvalidError
        key = self.keys.key(kid)
        if key.algorithm_name not in _ASYMMETRIC:
            raise TokenInvalidError
        return key, key.algorithm_name


@lru_cache(maxsize=64)
def _header(encoded: str) -> Mapping[str, Any]:
    # without the rest, which `decode` reads: to read a token takes as long as to verify it; all of a key have the same
    return jwt.get_unverified_header(f"{encoded}..")


def _bearer(authorization: str) -> str | None:
    scheme, _, token = authorization.strip().partition(" ")
    if not scheme:
        return None
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN_LENGTH:
        raise TokenInvalidError
    return token
