"""Which tokens the server believes: JWTs signed with the project's secret or a JWK of it, with a role and an end."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from jwt import PyJWK, PyJWS
from jwt.exceptions import PyJWTError
from jwt.utils import base64url_decode

from local.realtime.core.text import Json, parse

KEY_TYPES: Final = {
    **dict.fromkeys(("RS256", "RS384", "RS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
SHARED: Final = ("HS256", "HS384", "HS512")


class Flaw(Enum):
    """What is wrong with a token; the value is how the server's log would name it."""

    MALFORMED = ":token_malformed"
    NOT_AN_OBJECT = ":expected_claims_map"
    NO_SIGNER = ":error_generating_signer"
    SIGNATURE = ":signature_error"
    EXPIRED = ":expired_token"
    INVALID_CLAIM = '[message: "Invalid token"]'
    MISSING_CLAIMS = ":missing_claims"


@dataclass(frozen=True, slots=True)
class BadToken:
    """A refused token: why, and the key id or the seconds since its end that the message names."""

    flaw: Flaw
    kid: str | None = None
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A believed token."""

    text: str
    claims: Mapping[str, Json]
    expires_at: int


class Verifier:
    """Verifies tokens of one project.

    Args:
        secret: the shared secret of the HS algorithms.
        jwks: public keys (and symmetric ones) as JWK objects, found by their `kid`.
    """

    def __init__(self, secret: str, jwks: Sequence[Mapping[str, Any]] = ()) -> None:
        self._secret = secret.encode()
        self._jwks = {jwk.get("kid"): dict(jwk) for jwk in jwks}
        self._jws = PyJWS(algorithms=[*SHARED, *KEY_TYPES])
        # A client brings the same token with each of its joins; only its end has to be looked at again.
        self._signed_claims = lru_cache(maxsize=1024)(self._open)

    def verify(self, text: str, now: float) -> Token | BadToken:
        """The checks in the order of the real server: form, key, signature, times, required claims."""
        text = re.sub(r"\s", "", unquote(text))
        claims = self._signed_claims(text)
        if isinstance(claims, BadToken):
            return claims
        if flaw := _check_times(claims, now):
            return flaw
        if "role" not in claims or "exp" not in claims:
            return BadToken(Flaw.MISSING_CLAIMS)
        return Token(text, claims, round(claims["exp"]))

    def _open(self, text: str) -> dict[str, Json] | BadToken:
        """The claims, if the form and the signature are good."""
        parts = _parse(text)
        if isinstance(parts, BadToken):
            return parts
        header, claims = parts
        return self._check_signature(text, header) or claims

    def _check_signature(self, text: str, header: dict[str, Json]) -> BadToken | None:
        algorithm, kid = header.get("alg"), header.get("kid")
        named = kid if isinstance(kid, str) else None
        if algorithm not in SHARED and (algorithm not in KEY_TYPES or named is None):
            return BadToken(Flaw.NO_SIGNER)
        try:
            key = self._key(algorithm, named)
        except (PyJWTError, ValueError, KeyError):
            return BadToken(Flaw.NO_SIGNER, kid=named)
        try:
            self._jws.decode_complete(text, key, algorithms=[algorithm])
        except (PyJWTError, ValueError, TypeError):
            return BadToken(Flaw.SIGNATURE)
        return None

    def _key(self, algorithm: str, kid: str | None) -> PyJWK | bytes:
        jwk = self._jwks.get(kid, {}) if kid is not None else {}
        if algorithm in SHARED:
            return base64url_decode(jwk["k"]) if jwk.get("kty") == "oct" else self._secret
        if jwk.get("kty") != KEY_TYPES[algorithm]:
            raise KeyError(kid)
        return PyJWK(jwk, algorithm=algorithm)


def _parse(text: str) -> tuple[dict[str, Json], dict[str, Json]] | BadToken:
    parts = text.split(".")
    if len(parts) != 3:
        return BadToken(Flaw.MALFORMED)
    try:
        claims, header = parse(base64url_decode(parts[1])), parse(base64url_decode(parts[0]))
    except ValueError:  # binascii.Error is one
        return BadToken(Flaw.MALFORMED)
    if not isinstance(claims, dict) or not isinstance(header, dict):
        return BadToken(Flaw.NOT_AN_OBJECT)
    return header, claims


def _check_times(claims: Mapping[str, Json], now: float) -> BadToken | None:
    for name in ("exp", "iat"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return BadToken(Flaw.INVALID_CLAIM)
    if "exp" in claims and round(claims["exp"]) <= int(now):
        return BadToken(Flaw.EXPIRED, seconds=int(now) - round(claims["exp"]))
    return None
