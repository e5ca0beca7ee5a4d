"""The functions as deployed, in front of a PostgREST double over HTTP and moto's SQS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import jwt
import pytest
from moto import mock_aws

from tests.unit.functions.doors import Api, FrameworkDoor, LambdaDoor, forget_built_functions
from tests.unit.functions.drain_world import World
from tests.unit.functions.fake_likes import FakeLikes
from tests.unit.functions.fake_postgrest import JWT_SECRET, PUBLISHABLE_KEY, SECRET_KEY, FakePostgrest

Mint = Callable[..., str]


class Queue(NamedTuple):
    client: Any
    url: str


@pytest.fixture
def likes_db() -> FakeLikes:
    return FakeLikes()


@pytest.fixture
def postgrest(likes_db: FakeLikes) -> Iterator[FakePostgrest]:
    server = FakePostgrest(likes_db)
    yield server
    server.stop()


@pytest.fixture
def issuer(postgrest: FakePostgrest) -> str:
    return f"{postgrest.url}/auth/v1"


@pytest.fixture
def environment(postgrest: FakePostgrest, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in {
        "SUPABASE_URL": postgrest.url,
        "SUPABASE_SECRET_KEY": SECRET_KEY,
        "SUPABASE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "SUPABASE_JWT_SECRET": JWT_SECRET,
        "ALLOWED_ORIGINS": "https://app.example, http://localhost:3000",
        "LIKES_QUEUE_URL": "none",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "DRAIN_SECONDS": "0.5",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("JWT_ISSUER", "LOG_LEVEL", "AWS_LAMBDA_FUNCTION_NAME", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    forget_built_functions()
    yield monkeypatch
    forget_built_functions()


@pytest.fixture
def queue(environment: pytest.MonkeyPatch) -> Iterator[Queue]:
    """A moto SQS with the queue that the functions are told of."""
    with mock_aws():
        client = boto3.client("sqs")
        url = client.create_queue(QueueName="likes-settle")["QueueUrl"]
        environment.setenv("LIKES_QUEUE_URL", url)
        yield Queue(client, url)


@pytest.fixture(params=["framework", "lambda", "lambda-base64"])
def api(request: pytest.FixtureRequest, environment: pytest.MonkeyPatch) -> Api:
    """Every test that asks for this runs once per entry point."""
    if request.param == "framework":
        return Api(FrameworkDoor(environment))
    return Api(LambdaDoor(as_base64=request.param == "lambda-base64"))


@pytest.fixture
def lambda_api(environment: pytest.MonkeyPatch) -> Api:
    """For what does not depend on the entry point."""
    del environment
    return Api(LambdaDoor(as_base64=False))


@pytest.fixture
def mint(issuer: str) -> Mint:
    """Makes tokens as the project's Auth does; keyword arguments change claims, None leaves one out."""

    def mint(user_id: str, *, key: Any = JWT_SECRET, alg: str = "HS256", headers: Any = None, **changes: Any) -> str:
        claims = {
            "sub": user_id,
            "aud": "authenticated",
            "role": "authenticated",
            "iss": issuer,
            "iat": int(time.time()),
            "exp": int(time.time()) + 3600,
            "email": "ada@example.com",
            **changes,
        }
        return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm=alg, headers=headers)

    return mint


@pytest.fixture
def bob(likes_db: FakeLikes) -> str:
    return likes_db.add_user("bob")


@pytest.fixture
def bobs_token(bob: str, mint: Mint) -> str:
    return mint(bob)


@pytest.fixture
def world() -> World:
    return World()
