"""The environment: what is missing or wrong is said in one sentence, and ends the start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from realtime_likes.settings import Settings, SettingsError, load_settings

GOOD = {
    "SUPABASE_URL": "https://abc.supabase.co/",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "LIKES_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/likes-settle",
}


def load(**changes: str) -> Settings:
    return load_settings({**GOOD, **changes}, writes=True)


def test_a_small_environment_is_enough() -> None:
    settings = load()

    assert settings.rest_url == "https://abc.supabase.co/rest/v1"
    assert settings.jwks_url == "https://abc.supabase.co/auth/v1/.well-known/jwks.json"
    assert settings.jwt_issuer == "https://abc.supabase.co/auth/v1"
    assert (settings.jwt_secret, settings.allowed_origins, settings.drain_seconds) == (None, frozenset(), 58)
    assert (settings.log_level, settings.lambda_function) == ("WARNING", None)
    assert load(AWS_LAMBDA_FUNCTION_NAME="likes").log_level == "INFO"


def test_a_postgrest_next_door_is_reached_directly() -> None:
    assert load(REST_URL="http://127.0.0.1:3000/").rest_url == "http://127.0.0.1:3000"
    with pytest.raises(SettingsError, match="REST_URL must be an http or https URL"):
        load(REST_URL="127.0.0.1:3000")


def test_functions_that_only_read_hold_no_secret() -> None:
    settings = load_settings(GOOD, writes=False)

    assert settings.secret_key is None
    assert settings.queue_url is None
    load_settings({name: GOOD[name] for name in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY")}, writes=False)


def test_none_is_said_on_purpose() -> None:
    settings = load(JWT_ISSUER="none", LIKES_QUEUE_URL="None")

    assert (settings.jwt_issuer, settings.queue_url) == (None, None)


def test_origins_are_a_list() -> None:
    assert load(ALLOWED_ORIGINS=" https://a.example, http://localhost:3000 ,").allowed_origins == {
        "https://a.example",
        "http://localhost:3000",
    }
    assert load(ALLOWED_ORIGINS="*").allowed_origins == {"*"}


def test_secrets_do_not_show() -> None:
    shown = repr(load(SUPABASE_JWT_SECRET="s" * 40))

    assert "sb_secret_x" not in shown
    assert "sss" not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPABASE_URL", ""),
        ("SUPABASE_URL", "abc.supabase.co"),
        ("SUPABASE_URL", "ftp://abc.supabase.co"),
        ("SUPABASE_URL", "https://"),
        ("SUPABASE_URL", "https://abc.supabase.co?x=1"),
        ("SUPABASE_URL", "http://[::1"),
        ("SUPABASE_SECRET_KEY", ""),
        ("SUPABASE_SECRET_KEY", "two words"),
        ("SUPABASE_PUBLISHABLE_KEY", " "),
        ("SUPABASE_PUBLISHABLE_KEY", "schlüssel"),
        ("SUPABASE_JWT_SECRET", "short"),
        ("LIKES_QUEUE_URL", ""),
        ("LIKES_QUEUE_URL", "likes-settle"),
        ("ALLOWED_ORIGINS", "example.com"),
        ("ALLOWED_ORIGINS", "https://example.com/path"),
        ("DRAIN_SECONDS", "a minute"),
        ("DRAIN_SECONDS", "-1"),
        ("DRAIN_SECONDS", "nan"),
        ("DRAIN_SECONDS", "100000"),
        ("LOG_SAMPLE_RATE", "2"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} ") as caught:
        load(**{name: value})

    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("entry", ["main", "aws"])
@pytest.mark.parametrize("function", ["likes", "drain"])
def test_a_wrong_setting_ends_the_start_with_its_name(entry: str, function: str) -> None:
    environment = {"PATH": os.environ["PATH"], **GOOD, "LIKES_QUEUE_URL": ""}
    environment |= {"FUNCTION_TARGET": function, "AWS_LAMBDA_FUNCTION_NAME": "x", "_HANDLER": f"aws.{function}"}

    ended = subprocess.run(
        [sys.executable, "-c", f"import {entry}"],
        cwd="functions",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "LIKES_QUEUE_URL is missing: set it in the environment of the function." in ended.stderr.splitlines()[-1]
