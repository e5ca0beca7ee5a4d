"""Which token stands for a caller, by the key and the Authorization header that were sent."""

import jwt
import pytest

from local.gateway.keys import KeyRing
from local.settings import JWT_SECRET, role_token

PUBLISHABLE, SECRET, USER = "sb_publishable_p", "sb_secret_s", "Bearer a.user.token"


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing({PUBLISHABLE: "anon.jwt", SECRET: "service.jwt"})


@pytest.mark.parametrize(
    ("authorization", "apikey", "sent_on"),
    [
        (None, PUBLISHABLE, "Bearer anon.jwt"),
        (None, SECRET, "Bearer service.jwt"),
        # supabase-js repeats the key as a bearer token when nobody is signed in.
        (f"Bearer {PUBLISHABLE}", PUBLISHABLE, "Bearer anon.jwt"),
        (USER, PUBLISHABLE, USER),
        (USER, SECRET, USER),
        (USER, None, USER),
        (None, "legacy.anon.jwt", "Bearer legacy.anon.jwt"),
        # For the part behind to refuse.
        (None, "sb_secret_unknown", "Bearer sb_secret_unknown"),
        (f"Bearer {SECRET}", None, f"Bearer {SECRET}"),
        (None, None, None),
    ],
)
def test_a_users_token_wins_and_else_the_key_decides(
    keys: KeyRing, authorization: str | None, apikey: str | None, sent_on: str | None
) -> None:
    assert keys.authorization(authorization, apikey) == sent_on


def test_role_tokens_are_signed_with_the_stacks_secret() -> None:
    claims = jwt.decode(role_token("service_role"), JWT_SECRET, algorithms=["HS256"])
    assert claims["role"] == "service_role"
    assert claims["iss"] == "supabase-demo"
