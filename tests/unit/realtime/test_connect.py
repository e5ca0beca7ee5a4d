"""Who is let in at the upgrade, and the HTTP answer to who is not (protocol 1.2, 1.4)."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from local.realtime.core.hub import Refused
from local.realtime.core.socket import Socket
from tests.unit.realtime.world import SECRET, START, World, mint


def jwk(algorithm: Any, private: Any, kid: str) -> dict[str, Any]:
    return {**json.loads(algorithm.to_jwk(private.public_key())), "kid": kid}


NOT_A_JWT = Refused(401, "The token provided is not a valid JWT")
BAD_SIGNATURE = Refused(401, "Failed to validate JWT signature")
NO_CLAIMS = Refused(401, "Fields `role` and `exp` are required in JWT")
NO_SIGNER = Refused(401, "Failed to generate JWT signer, check your JWT secret or JWKS configuration")


def no_signer(kid: str) -> Refused:
    message = f'Failed to generate JWT signer for key ID (kid) "{kid}", check your JWT secret or JWKS configuration'
    return Refused(401, message)


def test_a_key_is_required(world: World) -> None:
    assert world.refusal() == Refused(401, "API key is missing")


@pytest.mark.parametrize("key", ["", "x", "a.b", "a.b.c", "sb_publishable_x", "e30.e30", "!!!.???.x"])
def test_what_is_no_jwt_is_refused(world: World, key: str) -> None:
    assert world.refusal(apikey=key) == NOT_A_JWT


def test_a_header_that_is_no_object_is_an_error(world: World) -> None:
    part = base64url_encode(b"[]").decode()
    assert world.refusal(apikey=f"{part}.{part}.x") == Refused(500, "Error connecting to Realtime")


@pytest.mark.parametrize(
    ("token", "refusal"),
    [
        (mint(secret="another secret of thirty-two or more characters"), BAD_SIGNATURE),
        (mint(exp=int(START)), Refused(401, "Token has expired")),
        (mint(exp=START + 0.4), Refused(401, "Token has expired")),
        (mint(exp=None), NO_CLAIMS),
        (mint(role=None), NO_CLAIMS),
        (mint(role=None, exp=1), Refused(401, "Token has expired")),
        (mint(exp="tomorrow"), Refused(500, "Error connecting to Realtime")),
        (mint(iat="yesterday"), Refused(500, "Error connecting to Realtime")),
        (mint(secret="", algorithm="none"), NO_SIGNER),
    ],
)
def test_a_token_that_will_not_do_is_refused_with_its_reason(world: World, token: str, refusal: Refused) -> None:
    assert world.refusal(apikey=token) == refusal


@pytest.mark.parametrize("token", [mint(exp=int(START) + 1), mint(iat=START), mint(role="no_such_role"), mint(sub=5)])
def test_a_token_needs_no_more_than_a_role_and_an_end(world: World, token: str) -> None:
    assert isinstance(world.refusal(apikey=token), Socket)


def test_white_space_and_url_encoding_in_a_token_do_no_harm(world: World) -> None:
    token = mint()
    assert isinstance(world.refusal(apikey=f" {token[:20]}\n{token[20:]}%20"), Socket)


def test_the_header_wins_over_the_parameter(world: World) -> None:
    refused = world.hub.connect({"apikey": mint()}, {"x-api-key": "nonsense"}, world.now)
    assert refused == NOT_A_JWT
    assert isinstance(world.hub.connect({"apikey": "nonsense"}, {"x-api-key": mint()}, world.now), Socket)


@pytest.mark.parametrize("version", ["3.0.0", "1.1.0", "2", "2.0", "", "x.y.z", "1.0.x"])
def test_an_unknown_version_is_refused_without_a_body(world: World, version: str) -> None:
    assert world.refusal(vsn=version, apikey=mint()) == Refused(403, None)


@pytest.mark.parametrize("version", ["1.0.0", "1.0.7", "2.0.0", "2.0.12"])
def test_patch_versions_are_all_the_same(world: World, version: str) -> None:
    assert isinstance(world.refusal(vsn=version, apikey=mint()), Socket)


class TestKeysOfTheProject:
    rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ec = ec.generate_private_key(ec.SECP256R1())
    ed = ed25519.Ed25519PrivateKey.generate()
    symmetric = "a symmetric key of the project, long enough"
    jwks = (
        jwk(RSAAlgorithm, rsa, "rsa"),
        jwk(ECAlgorithm, ec, "ec"),
        jwk(OKPAlgorithm, ed, "ed"),
        {"kty": "oct", "kid": "oct", "k": base64url_encode(symmetric.encode()).decode()},
    )

    @pytest.mark.parametrize(
        ("key", "algorithm", "kid"),
        [
            (rsa, "RS256", "rsa"),
            (ec, "ES256", "ec"),
            (ed, "EdDSA", "ed"),
            (symmetric, "HS256", "oct"),
            (SECRET, "HS384", "x"),
        ],
    )
    def test_a_token_may_be_signed_with_each_kind_of_key(self, key: Any, algorithm: str, kid: str) -> None:
        token = mint(key, headers={"kid": kid}, algorithm=algorithm)
        assert isinstance(World(jwks=self.jwks).refusal(apikey=token), Socket)

    @pytest.mark.parametrize(
        ("key", "algorithm", "headers", "refusal"),
        [
            (rsa, "RS256", {"kid": "x"}, no_signer("x")),
            (rsa, "RS256", {}, NO_SIGNER),
            (rsa, "PS256", {"kid": "rsa"}, NO_SIGNER),
            (ec, "ES256", {"kid": "rsa"}, no_signer("rsa")),
            (SECRET, "HS256", {"kid": "oct"}, BAD_SIGNATURE),
            (ed25519.Ed25519PrivateKey.generate(), "EdDSA", {"kid": "ed"}, BAD_SIGNATURE),
        ],
    )
    def test_a_key_that_does_not_fit_is_refused(
        self, key: Any, algorithm: str, headers: dict[str, Any], refusal: Refused
    ) -> None:
        token = mint(key, headers=headers, algorithm=algorithm)
        assert World(jwks=self.jwks).refusal(apikey=token) == refusal

    def test_a_public_key_is_no_shared_secret(self) -> None:
        """Algorithm confusion: HS256 with a public number as its secret."""
        token = mint(self.jwks[0]["n"], headers={"kid": "rsa"})
        assert World(jwks=self.jwks).refusal(apikey=token) == BAD_SIGNATURE


def test_a_full_project_takes_no_more_users() -> None:
    world = World(max_users=1)
    world.client().join()
    assert world.refusal(apikey=mint()) == Refused(429, "Too many connected users")


def test_too_many_joins_per_second_shut_the_door_for_a_while() -> None:
    world = World(joins_per_second=1)
    client = world.client()
    for number in range(5):
        client.join(f"room{number}")
    world.wait(5)
    assert world.refusal(apikey=mint()) == Refused(429, "Too many joins per second")
    world.wait(5)
    assert isinstance(world.refusal(apikey=mint()), Socket)
