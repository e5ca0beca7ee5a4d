"""The published keys: cached, refreshed for an unknown one within a floor, kept while Auth is away."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from realtime_likes.errors import AuthUnavailableError, TokenInvalidError
from realtime_likes.signing_keys import SigningKeys
from tests.unit.functions.conftest import Mint
from tests.unit.functions.doors import Api
from tests.unit.functions.fake_postgrest import FakePostgrest
from tests.unit.functions.test_tokens import jwk

TLS = ssl.create_default_context()
OLD, NEW = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


class Jwks:
    """A JWKS endpoint whose answer is a field, and a clock that PyJWT and we share."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: tuple[int, bytes] = (200, b"")
        self.fetches = 0
        self.now = 1000.0
        monkeypatch.setattr("jwt.jwks_client.time.monotonic", lambda: self.now)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetches += 1
                self.send_response(outer.answer[0])
                self.end_headers()
                self.wfile.write(outer.answer[1])

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.keys = SigningKeys(f"http://127.0.0.1:{self.server.server_address[1]}/jwks", TLS, clock=lambda: self.now)

    def publish(self, **keys: Any) -> None:
        self.answer = (200, json.dumps({"keys": [jwk(key, kid) for kid, key in keys.items()]}).encode())


@pytest.fixture
def jwks(monkeypatch: pytest.MonkeyPatch) -> Any:
    endpoint = Jwks(monkeypatch)
    endpoint.publish(old=OLD)
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()


def test_keys_are_fetched_once(jwks: Jwks) -> None:
    for _ in range(5):
        assert jwks.keys.key("old").key_id == "old"
    assert jwks.fetches == 1


def test_keys_are_fetched_anew_when_ten_minutes_old(jwks: Jwks) -> None:
    jwks.keys.key("old")
    jwks.publish(new=NEW)
    jwks.now += 601
    with pytest.raises(TokenInvalidError):
        jwks.keys.key("old")
    assert jwks.keys.key("new").key_id == "new"


def test_a_rotated_key_is_found_without_a_restart(jwks: Jwks) -> None:
    jwks.keys.key("old")
    jwks.publish(old=OLD, new=NEW)
    jwks.now += 11
    assert jwks.keys.key("new").key_id == "new"
    assert jwks.fetches == 2


def test_unknown_ids_cause_one_fetch_per_floor(jwks: Jwks) -> None:
    jwks.keys.key("old")
    jwks.now += 11
    for kid in ("a", "b", "c"):
        with pytest.raises(TokenInvalidError):
            jwks.keys.key(kid)
    assert jwks.fetches == 2


BROKEN: list[tuple[int, bytes]] = [
    (500, b"oops"),
    (200, b"<html>"),
    (200, b"\xff\xfe"),
    (200, b"[]"),
    (302, b""),
]


@pytest.mark.parametrize("answer", BROKEN)
def test_without_any_key_tokens_cannot_be_judged(jwks: Jwks, answer: tuple[int, bytes]) -> None:
    jwks.answer = answer
    for _ in range(3):
        with pytest.raises(AuthUnavailableError):
            jwks.keys.key("old")
    assert jwks.fetches == 1, "failures have a floor too"

    jwks.publish(old=OLD)
    jwks.now += 11
    assert jwks.keys.key("old").key_id == "old"


@pytest.mark.parametrize("answer", [(404, b"no such page"), (200, b'{"keys": []}'), (200, b'{"keys": [{"kty": "?"}]}')])
def test_a_project_without_published_keys_has_no_tokens_signed_by_one(jwks: Jwks, answer: tuple[int, bytes]) -> None:
    jwks.answer = answer
    for _ in range(3):
        with pytest.raises(TokenInvalidError):
            jwks.keys.key("old")
    assert jwks.fetches == 1


@pytest.mark.parametrize("answer", BROKEN)
def test_known_keys_outlive_an_outage_of_auth(jwks: Jwks, answer: tuple[int, bytes]) -> None:
    jwks.keys.key("old")
    jwks.answer = answer
    jwks.now += 601
    assert jwks.keys.key("old").key_id == "old"


def test_auth_away_is_a_503_and_not_the_callers_fault(
    lambda_api: Api, postgrest: FakePostgrest, bob: str, mint: Mint
) -> None:
    postgrest.jwks_status = 502
    answer = lambda_api("likes", path="/liked", token=mint(bob, key=OLD, alg="ES256", headers={"kid": "old"}))

    assert (answer.status, answer.code) == (503, "auth_unavailable")
    assert answer.headers["retry-after"] == "2"
