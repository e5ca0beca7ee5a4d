"""The settings as the stack gives them, and the opaque keys."""

import json
import time
from typing import Any

import pytest

from local.realtime.core.settings import PLANS, Settings
from local.realtime.core.tokens import Token
from local.realtime.environment import RandomIds, read_environment
from local.realtime.keys import OpaqueKeys
from tests.unit.realtime.world import SECRET, mint

NEEDED = {"REALTIME_PORT": "4000", "REALTIME_DB_URL": "postgresql://x", "REALTIME_JWT_SECRET": SECRET}


def test_little_is_needed() -> None:
    environment = read_environment(NEEDED)
    assert (environment.host, environment.port, environment.database_url) == ("127.0.0.1", 4000, "postgresql://x")
    assert environment.settings == Settings()


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_must_be_there(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        read_environment({key: value for key, value in NEEDED.items() if key != name})


@pytest.mark.parametrize(
    ("variables", "field", "value"),
    [
        ({"REALTIME_MAX_EVENTS_PER_SECOND": "7"}, "events_per_second", 7),
        ({"REALTIME_CHANNEL_ERROR_BACKOFF_MS": "5000"}, "channel_backoff", 5),
        ({"REALTIME_PRIVATE_ONLY": "true"}, "private_only", True),
        ({"REALTIME_PRIVATE_ONLY": "false"}, "private_only", False),
        ({"REALTIME_PLAN": "free"}, "events_per_second", 100),
        ({"REALTIME_PLAN": "free"}, "channel_backoff", 5),
        ({"REALTIME_PLAN": "pro", "REALTIME_MAX_EVENTS_PER_SECOND": "7"}, "events_per_second", 7),
        ({"REALTIME_MAX_CHANNELS_PER_CLIENT": ""}, "max_channels", 100),
    ],
)
def test_a_plan_gives_defaults_that_variables_override(variables: dict[str, str], field: str, value: Any) -> None:
    assert getattr(read_environment(NEEDED | variables).settings, field) == value


@pytest.mark.parametrize("bad", [{"REALTIME_PLAN": "golden"}, {"REALTIME_PORT": "x"}, {"REALTIME_JWKS": "{"}])
def test_nonsense_is_refused(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever its words, the start ends with them)
        read_environment(NEEDED | bad)


def test_a_larger_plan_allows_more() -> None:
    free, pro, team = PLANS["free"], PLANS["pro"], PLANS["team"]
    assert free.max_users < pro.max_users < team.max_users
    assert free.payload_limit < pro.payload_limit


@pytest.mark.parametrize("shape", [lambda key: {"keys": [key]}, lambda key: [key]])
def test_keys_of_the_project_are_read(shape: Any) -> None:
    key = {"kty": "oct", "kid": "k", "k": "c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2ggZm9yIGFsbA"}
    verifier = read_environment(NEEDED | {"REALTIME_JWKS": json.dumps(shape(key))}).verifier
    token = mint("secret that is long enough for all", headers={"kid": "k"})
    assert isinstance(verifier.verify(token, 0), Token)


class TestOpaqueKeys:
    environment = read_environment(NEEDED | {"REALTIME_PUBLISHABLE_KEY": "sb_p", "REALTIME_SECRET_KEY": "sb_s"})
    keys: OpaqueKeys = environment.keys

    @pytest.mark.parametrize(("key", "role"), [("sb_p", "anon"), ("sb_s", "service_role")])
    def test_a_key_stands_for_a_role(self, key: str, role: str) -> None:
        token = self.environment.verifier.verify(self.keys.connect_key(key), time.time())
        assert isinstance(token, Token)
        assert token.claims["role"] == role

    def test_other_keys_pass_unchanged(self) -> None:
        assert self.keys.connect_key("sb_other") == "sb_other"

    @pytest.mark.parametrize(
        ("headers", "authorization"),
        [
            ({}, None),
            ({"authorization": "Bearer jwt", "apikey": "sb_s"}, "Bearer jwt"),
            ({"apikey": "jwt"}, "Bearer jwt"),
            ({"authorization": "Bearer sb_x", "apikey": "jwt"}, "Bearer jwt"),
            ({"authorization": "Bearer sb_x"}, "Bearer sb_x"),
        ],
    )
    def test_authorization_comes_from_the_key_unless_it_is_a_token(
        self, headers: dict[str, str], authorization: str | None
    ) -> None:
        assert self.keys.authorization(headers).get("authorization") == authorization

    def test_a_key_of_the_project_becomes_a_token(self) -> None:
        expected = f"Bearer {self.keys.connect_key('sb_s')}"
        assert self.keys.authorization({"authorization": "Bearer sb_s"})["authorization"] == expected


def test_ids_have_the_forms_of_the_real_server() -> None:
    ids = RandomIds()
    assert len(ids.presence_ref()) == 16
    assert len(ids.presence_key()) == 36
    assert ids.presence_ref() != ids.presence_ref()
