"""Secrets that are read from SSM (moto's) at the start: which are read, and what is said of missing ones."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from realtime_likes.parameters import read_secrets
from realtime_likes.settings import SettingsError

SECRET_KEY = "/likes/test/supabase-secret-key"
JWT_SECRET = "/likes/test/supabase-jwt-secret"


@pytest.fixture
def secret_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The secret key, as an operator puts it into SSM."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        boto3.client("ssm").put_parameter(Name=SECRET_KEY, Value="sb_secret_of_ssm", Type="SecureString")
        yield "sb_secret_of_ssm"


def test_a_secret_is_read_decrypted_from_the_parameter_that_the_environment_names(secret_key: str) -> None:
    environ = {"SUPABASE_SECRET_KEY_PARAMETER": SECRET_KEY, "SUPABASE_JWT_SECRET_PARAMETER": ""}
    assert read_secrets(environ) == {"SUPABASE_SECRET_KEY": secret_key}


def test_without_references_nothing_is_asked() -> None:
    # there is neither a region nor an emulator here: a question would fail
    assert read_secrets({"SUPABASE_SECRET_KEY": "given"}) == {}


@pytest.mark.usefixtures("secret_key")
def test_a_missing_parameter_is_named() -> None:
    environ = {"SUPABASE_SECRET_KEY_PARAMETER": SECRET_KEY, "SUPABASE_JWT_SECRET_PARAMETER": JWT_SECRET}
    with pytest.raises(SettingsError, match=JWT_SECRET) as failure:
        read_secrets(environ)
    assert SECRET_KEY not in str(failure.value)


def test_an_unreachable_ssm_is_a_wrong_setting_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9")
    with pytest.raises(SettingsError, match="could not be read"):
        read_secrets({"SUPABASE_SECRET_KEY_PARAMETER": SECRET_KEY})
