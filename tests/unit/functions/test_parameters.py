"""Secrets that are read from SSM at the start: which are read, how patiently, and what is said of missing ones."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from realtime_likes.parameters import read_secrets
from realtime_likes.settings import SettingsError

SECRET_KEY = "/likes/test/supabase-secret-key"
JWT_SECRET = "/likes/test/supabase-jwt-secret"
NAMED = {"SUPABASE_SECRET_KEY_PARAMETER": SECRET_KEY}
ACCOUNT = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
    "AWS_SESSION_TOKEN": "session",
}


def ssm(**stored: str) -> Callable[[], httpx.Client]:
    """Connections to an SSM with these values, by the last words of their parameters' names."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-amz-target"] == "AmazonSSM.GetParameters"
        asked = json.loads(request.content)
        values = {name: stored.get(name.rpartition("/")[2].replace("-", "_")) for name in asked["Names"]}
        secrets = [{"Name": name, "Value": value} for name, value in values.items() if value is not None]
        missing = [name for name, value in values.items() if value is None]
        return httpx.Response(200, json={"Parameters": secrets, "InvalidParameters": missing})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return lambda: client


def answering(*answers: httpx.Response | httpx.TransportError) -> Callable[[], httpx.Client]:
    """Connections to a SSM that gives these answers, one after the other."""
    left = iter(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        given = next(left)
        if isinstance(given, httpx.TransportError):
            raise given
        return given

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return lambda: client


def found(value: str) -> httpx.Response:
    return httpx.Response(200, json={"Parameters": [{"Name": SECRET_KEY, "Value": value}]})


def test_a_secret_is_read_from_the_parameter_that_the_environment_names() -> None:
    environ = ACCOUNT | NAMED | {"SUPABASE_JWT_SECRET_PARAMETER": ""}
    assert read_secrets(environ, ssm(supabase_secret_key="secret")) == {"SUPABASE_SECRET_KEY": "secret"}


def test_a_missing_parameter_is_named() -> None:
    environ = ACCOUNT | NAMED | {"SUPABASE_JWT_SECRET_PARAMETER": JWT_SECRET}
    with pytest.raises(SettingsError, match=JWT_SECRET) as failure:
        read_secrets(environ, ssm(supabase_secret_key="secret"))
    assert SECRET_KEY not in str(failure.value)


def test_without_references_nothing_is_asked() -> None:
    assert read_secrets({"SUPABASE_SECRET_KEY": "given"}, answering()) == {}


def test_the_request_goes_to_the_region_and_is_signed_with_the_functions_own_identity() -> None:
    requests: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return found("key")

    client = httpx.Client(transport=httpx.MockTransport(note))
    read_secrets(ACCOUNT | NAMED, lambda: client)
    (request,) = requests
    assert str(request.url) == "https://ssm.eu-central-1.amazonaws.com/"
    assert json.loads(request.content) == {"Names": [SECRET_KEY], "WithDecryption": True}
    assert request.headers["x-amz-security-token"] == "session"
    authorization = request.headers["authorization"]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-central-1/ssm/aws4_request" in authorization


def test_what_may_pass_is_tried_again_after_growing_pauses() -> None:
    throttled = httpx.Response(400, json={"__type": "ThrottlingException", "message": "Rate exceeded"})
    pauses: list[float] = []
    connections = answering(throttled, httpx.ConnectError("away"), httpx.Response(503), found("key at last"))
    secrets = read_secrets(ACCOUNT | NAMED, connections, sleep=pauses.append, chance=lambda: 1.0)
    assert secrets == {"SUPABASE_SECRET_KEY": "key at last"}
    assert pauses == [1.0, 2.0, 4.0]


def test_what_will_not_pass_is_told_at_once() -> None:
    denied = httpx.Response(400, json={"__type": "AccessDeniedException", "message": "not authorized"})
    with pytest.raises(SettingsError, match="AccessDeniedException"):
        read_secrets(ACCOUNT | NAMED, answering(denied), sleep=lambda _: pytest.fail("it waited"))


def test_an_ssm_that_stays_away_is_a_wrong_setting_and_no_crash() -> None:
    away = [httpx.ConnectTimeout("away")] * 4
    with pytest.raises(SettingsError, match="could not be read"):
        read_secrets(ACCOUNT | NAMED, answering(*away), sleep=lambda _: None)


def test_elsewhere_than_on_lambda_a_reference_is_refused_with_advice() -> None:
    with pytest.raises(SettingsError, match="set the secret itself"):
        read_secrets(NAMED, answering())
