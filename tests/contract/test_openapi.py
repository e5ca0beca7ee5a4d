"""The running functions against docs/openapi.json: thousands of cases that Schemathesis makes up, good and bad ones.

Whatever is sent, the answer has a documented status, the documented shape, and is never our fault.
"""

from __future__ import annotations

import copy
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.stack import Stack

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())


def without_security(document: dict[str, Any]) -> dict[str, Any]:
    """The document with tokens as no part of a case: the test deals these out itself."""
    open_document = copy.deepcopy(document)
    del open_document["components"]["securitySchemes"]
    for methods in open_document["paths"].values():
        for operation in methods.values():
            del operation["security"]
    return open_document


SCHEMA = schemathesis.openapi.from_dict(without_security(DOCUMENT))
# A route that takes nothing in cannot be asked wrongly.
QUESTIONS = [
    (method, path, mode)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & operation.keys()
]
CASES_PER_MODE = 100
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SEEN: Counter[int] = Counter()


@pytest.fixture(scope="module")
def contents(stack: Stack) -> list[tuple[str, str]]:
    """Real contents, so that not every made-up request ends with a 404."""
    with psycopg.connect(stack.db_url) as database:
        found = database.execute(
            "(select 'post', id::text from public.posts limit 40) "
            "union all (select 'video', id::text from public.videos limit 20)"
        )
        return [(row[0], row[1]) for row in found]


@pytest.fixture(scope="module")
def tokens(stack: Stack) -> list[str]:
    return [token_of(stack, user.id) for user in stack.users]


def token_of(stack: Stack, user_id: str) -> str:
    claims = {"sub": user_id, "aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, stack.jwt_secret, algorithm="HS256")


def aim(part: Any, contents: list[tuple[str, str]], chance: random.Random) -> None:
    """Points what is well-formed at real content."""
    if isinstance(part, dict) and {"content_type", "content_id"} <= part.keys():
        part["content_type"], part["content_id"] = chance.choice(contents)
        if isinstance(part.get("intent"), int):
            part["intent"] %= int(time.time() * 1000)
    elif isinstance(part, dict):
        for inner in part.values():
            aim(inner, contents, chance)
    elif isinstance(part, list):
        for inner in part:
            aim(inner, contents, chance)


@pytest.mark.parametrize(("method", "path", "mode"), QUESTIONS, ids=lambda part: getattr(part, "value", part))
def test_any_request_gets_a_documented_answer(
    stack: Stack, contents: list[tuple[str, str]], tokens: list[str], method: str, path: str, mode: GenerationMode
) -> None:
    operation = SCHEMA[path][method.upper()]
    base_url = f"{stack.url}/functions/v1"

    @settings(
        max_examples=CASES_PER_MODE,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode), chance=st.randoms(use_true_random=False))
    def ask(case: schemathesis.Case[Any], chance: random.Random) -> None:
        positive = mode is GenerationMode.POSITIVE
        if positive and chance.random() < 0.8:
            aim(case.body, contents, chance)
            aim(case.query, contents, chance)
        token = chance.choice([*tokens, *tokens, "forged", None])
        assume(len(urlencode(case.query or {}, doseq=True)) < 4000)  # the server in front refuses longer lines itself
        response = case.call(base_url=base_url, headers={"Authorization": f"Bearer {token}"} if token else None)
        SEEN[response.status_code] += 1
        refused = response.status_code == 413  # made-up bodies can be larger than any; Schemathesis does not count this
        case.validate_response(response, checks=CHECKS if positive or refused else [*CHECKS, negative_data_rejection])

    ask()


def test_enough_was_asked() -> None:
    """Runs last: two thousand cases at least, and every kind of answer among them."""
    assert SEEN.total() >= 2000
    assert {200, 400, 401, 404} <= SEEN.keys()


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_other_methods_are_refused_with_the_right_ones(stack: Stack, path: str) -> None:
    documented = {method.upper() for method in DOCUMENT["paths"][path]}
    implied = {"OPTIONS"} | ({"HEAD"} if "GET" in documented else set())
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        if method not in documented:
            answer = httpx.request(method, f"{stack.url}/functions/v1{path}")
            assert answer.status_code == 405
            assert set(answer.headers["allow"].split(", ")) == documented | implied
