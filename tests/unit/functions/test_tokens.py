"""Tokens of every kind: only those that the project's Auth gave to a user, and that are good now, open anything."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.unit.functions.conftest import Mint
from tests.unit.functions.doors import Api
from tests.unit.functions.fake_likes import FakeLikes
from tests.unit.functions.fake_postgrest import JWT_SECRET, SECRET_KEY, FakePostgrest

EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LONG_SECRET = "x" * 64
NOW = int(time.time())


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kind = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


@pytest.fixture(autouse=True)
def published_keys(postgrest: FakePostgrest) -> None:
    postgrest.jwks = [jwk(EC_KEY, "ec"), jwk(RSA_KEY, "rsa")]


def ask(api: Api, token: str) -> Any:
    return api("likes", path="/liked", token=token)


@pytest.mark.parametrize(
    "signature",
    [
        {"key": JWT_SECRET, "alg": "HS256"},
        {"key": JWT_SECRET, "alg": "HS256", "headers": {"kid": "legacy"}},
        {"key": EC_KEY, "alg": "ES256", "headers": {"kid": "ec"}},
        {"key": RSA_KEY, "alg": "RS256", "headers": {"kid": "rsa"}},
    ],
)
def test_a_good_token_of_each_kind_opens(api: Api, bob: str, mint: Mint, signature: dict[str, Any]) -> None:
    assert api("notifications", token=mint(bob, **signature)).status == 200


def test_the_user_of_the_token_is_the_one_who_likes(lambda_api: Api, likes_db: FakeLikes, bob: str, mint: Mint) -> None:
    post = likes_db.add_content()
    token = mint(bob, key=EC_KEY, alg="ES256", headers={"kid": "ec"})

    answer = lambda_api("likes", "POST", json_body={"content_type": post[0], "content_id": post[1]}, token=token)

    assert answer.status == 200
    assert list(likes_db.likes) == [(post, bob)]


def public_pem(key: Any) -> str:
    encoding, shape = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(encoding, shape).decode())


def signed_by_hand(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_token(claims: dict[str, Any], secret: bytes, **header: Any) -> str:
    head = {"alg": "HS256", "typ": "JWT", **header}
    unsigned = signed_by_hand(head, claims).rpartition(".")[0]
    digest = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def forgeries(mint: Mint, issuer: str) -> dict[str, str]:
    user = str(uuid.uuid4())
    good = mint(user)
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    es = {"key": EC_KEY, "alg": "ES256"}
    return {
        "alg none": signed_by_hand({"alg": "none"}, claims),
        "alg None": signed_by_hand({"alg": "None", "typ": "JWT"}, claims, b"x"),
        "no alg": signed_by_hand({"typ": "JWT"}, claims, b"x"),
        "alg is a list": signed_by_hand({"alg": ["HS256"]}, claims, b"x"),
        "kid is a number": signed_by_hand({"alg": "ES256", "kid": 7}, claims, b"x"),
        "kid is missing": mint(user, **es),
        "kid is unknown": mint(user, **es, headers={"kid": "nobody"}),
        "kid of another type": mint(user, **es, headers={"kid": "rsa"}),
        "kid is a path": mint(user, **es, headers={"kid": "../../etc/passwd"}),
        "HS256 with the public key as secret": hmac_token(claims, public_pem(EC_KEY).encode(), kid="ec"),
        "HS256 with the public RSA key as secret": hmac_token(claims, public_pem(RSA_KEY).encode(), kid="rsa"),
        "HS256 with another secret": mint(user, key="another-secret-that-is-at-least-32-bytes-long"),
        "HS512 with a secret of its own": mint(user, key=LONG_SECRET, alg="HS512"),
        "ES256 by another key": mint(user, key=OTHER_EC_KEY, alg="ES256", headers={"kid": "ec"}),
        "a key brought along": mint(
            user, key=OTHER_EC_KEY, alg="ES256", headers={"kid": "x", "jwk": jwk(OTHER_EC_KEY, "x")}
        ),
        "not valid yet": mint(user, nbf=NOW + 86_400),
        "issued in the future": mint(user, iat=NOW + 86_400),
        "another project's issuer": mint(user, iss="https://other.supabase.co/auth/v1"),
        "issuer missing": mint(user, iss=None),
        "issuer is a prefix": mint(user, iss=issuer[:-1]),
        "audience of another": mint(user, aud="anon"),
        "audience missing": mint(user, aud=None),
        "role anon": mint(user, role="anon"),
        "role service_role": mint(user, role="service_role"),
        "role missing": mint(user, role=None),
        "the anon key": mint(user, role="anon", sub=None, aud=None),
        "no expiry": mint(user, exp=None),
        "expiry is a word": signed_with_secret({**claims, "exp": "later"}),
        "expiry is infinite": signed_with_secret({**claims, "exp": float("inf")}),
        "subject missing": mint(user, sub=None),
        "subject is no user id": mint("postgres"),
        "subject with a tail": mint(user + "\n"),
        "subject is a number": signed_with_secret({**claims, "sub": 7}),
        "claims are a list": hmac_token([], JWT_SECRET.encode()),  # type: ignore[arg-type]  # a forger need not obey
        "truncated": good[:-3],
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{signature}",
        "tampered body": f"{head}.{body[:-2]}AA.{signature}",
        "no token at all": "abc",
        "binary": "\u00e9\u00ff",
        "100 KB": mint(user, padding="x" * 100_000),
        "deep header": base64.urlsafe_b64encode(b'{"a":' * 1000 + b"1" + b"}" * 1000).decode() + ".e30.eA",
        "the secret key": SECRET_KEY,
    }


def signed_with_secret(claims: dict[str, Any]) -> str:
    return hmac_token(claims, JWT_SECRET.encode())


def test_no_forged_token_opens_anything(
    lambda_api: Api, mint: Mint, issuer: str, likes_db: FakeLikes, bobs_token: str
) -> None:
    assert ask(lambda_api, bobs_token).status == 200, "the door is not simply shut"
    for name, token in forgeries(mint, issuer).items():
        answer = ask(lambda_api, token)
        assert (answer.status, answer.code) == (401, "token_invalid"), name
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert token not in answer.body.decode()
        # a bad token is not taken for no token
        assert lambda_api("likes", path="/status", query={"content_type": "post"}, token=token).status == 401, name
    assert likes_db.calls == {"get_user_liked_content": 1}


def test_an_expired_token_says_so(api: Api, bob: str, mint: Mint) -> None:
    answer = ask(api, mint(bob, exp=NOW - 60))

    assert (answer.status, answer.code) == (401, "token_expired")


def test_clocks_may_differ_by_ten_seconds(lambda_api: Api, bob: str, mint: Mint) -> None:
    now = int(time.time())
    assert ask(lambda_api, mint(bob, nbf=now + 7, iat=now + 7)).status == 200
    assert lambda_api("likes", "POST", json_body={}, token=mint(bob, exp=now - 5)).status == 400
    assert ask(lambda_api, mint(bob, exp=now - 15)).code == "token_expired"


@pytest.mark.parametrize("header", ["Basic Ym9iOmJvYg==", "Bearer", "Bearer ", "Bearer a b", "bearer,x", "Token"])
def test_other_schemes_are_no_tokens(lambda_api: Api, header: str) -> None:
    answer = lambda_api("likes", path="/liked", headers={"authorization": header})

    assert (answer.status, answer.code) == (401, "token_invalid")


def test_the_scheme_is_written_in_any_case(lambda_api: Api, bobs_token: str) -> None:
    assert lambda_api("likes", path="/liked", headers={"authorization": f"bEARER  {bobs_token}"}).status == 200


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.text(min_size=1, max_size=60), place=st.integers(0, 300), header=st.binary(max_size=80))
def test_noise_is_refused_and_never_crashes(
    lambda_api: Api, bobs_token: str, noise: str, place: int, header: bytes
) -> None:
    cut = bobs_token[:place] + noise + bobs_token[place:]
    glued = base64.urlsafe_b64encode(header).decode() + "." + bobs_token.partition(".")[2]
    for token in (cut, glued):
        assert ask(lambda_api, token).status in ((401,) if token.strip() != bobs_token else (200,))


def test_issuer_none_turns_the_check_off(
    lambda_api: Api, environment: pytest.MonkeyPatch, bob: str, mint: Mint
) -> None:
    environment.setenv("JWT_ISSUER", "none")

    assert ask(lambda_api, mint(bob, iss=None)).status == 200
    assert ask(lambda_api, mint(bob, iss="whoever")).status == 200


def test_without_a_shared_secret_only_published_keys_count(
    lambda_api: Api, environment: pytest.MonkeyPatch, bob: str, mint: Mint
) -> None:
    environment.delenv("SUPABASE_JWT_SECRET")

    assert ask(lambda_api, mint(bob)).code == "token_invalid"
    by_key = mint(bob, key=EC_KEY, alg="ES256", headers={"kid": "ec"})
    assert lambda_api("likes", "POST", json_body={}, token=by_key).status == 400


def test_a_symmetric_key_in_the_published_set_is_not_used(
    lambda_api: Api, postgrest: FakePostgrest, bob: str, mint: Mint
) -> None:
    secret = base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()
    postgrest.jwks = [{"kty": "oct", "k": secret, "kid": "oct", "alg": "HS256"}, jwk(EC_KEY, "ec384", alg="ES384")]

    assert ask(lambda_api, mint(bob, key="k" * 32, headers={"kid": "oct"})).code == "token_invalid"
    by_kid = signed_by_hand({"alg": "ES256", "kid": "oct"}, {"sub": bob}, b"x")
    assert ask(lambda_api, by_kid).code == "token_invalid"
