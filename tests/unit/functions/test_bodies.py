"""Bodies of every kind: nothing but one plain JSON object of the right shape gets in, and nothing crashes."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aws
from realtime_likes.body import MAX_BODY_BYTES
from tests.unit.functions.doors import Answer, Api
from tests.unit.functions.fake_likes import FakeLikes, Key

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ID = str(uuid.uuid4())


@pytest.fixture
def post(likes_db: FakeLikes) -> Key:
    return likes_db.add_content()


def like(api: Api, token: str, body: bytes, **headers: str) -> Answer:
    return api("likes", "POST", body=body, token=token, headers=headers)


def padded(post: Key, size: int) -> bytes:
    text = json.dumps({"content_type": post[0], "content_id": post[1]})
    return (text[:-1] + " " * (size - len(text)) + "}").encode()


def test_sixteen_kilobytes_are_the_most(api: Api, post: Key, bobs_token: str, likes_db: FakeLikes) -> None:
    assert like(api, bobs_token, padded(post, MAX_BODY_BYTES)).status == 200
    for size in (MAX_BODY_BYTES + 1, 2_000_000):
        answer = like(api, bobs_token, padded(post, size))
        assert (answer.status, answer.code) == (413, "body_too_large")
    assert likes_db.calls == {"toggle_like": 1}


@pytest.mark.parametrize("length", ["0", "1", "99999999999999999999", "-5", "x", "\u0663"])
def test_the_declared_length_is_not_believed(lambda_api: Api, post: Key, bobs_token: str, length: str) -> None:
    answer = like(lambda_api, bobs_token, padded(post, MAX_BODY_BYTES + 1), **{"content-length": length})

    assert answer.code == "body_too_large"


def test_a_body_too_large_by_its_own_word_is_not_read(lambda_api: Api, post: Key, bobs_token: str) -> None:
    answer = like(lambda_api, bobs_token, padded(post, 100), **{"content-length": "9999999"})

    assert answer.code == "body_too_large"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/jsonx"},
        {"content-type": "application/problem+json"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": " "},
    ],
)
def test_only_plain_json_is_taken(api: Api, post: Key, bobs_token: str, headers: dict[str, str]) -> None:
    answer = like(api, bobs_token, padded(post, 200), **headers)

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", 'application/json; charset="UTF-8"'])
def test_json_by_any_spelling_is_taken(api: Api, post: Key, bobs_token: str, kind: str) -> None:
    assert like(api, bobs_token, padded(post, 200), **{"content-type": kind}).status == 200


GOOD = f'"content_type": "post", "content_id": "{ID}"'


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"{",
        b"[]",
        b"null",
        b'"post"',
        b"17",
        b"{}{}",
        f"{{{GOOD},}}".encode(),
        f'{{{GOOD}, "liked": true, "liked": false}}'.encode(),
        f'{{{GOOD}, "content_id": "{ID}"}}'.encode(),
        f'{{{GOOD}, "intent": NaN}}'.encode(),
        f'{{{GOOD}, "intent": Infinity}}'.encode(),
        f'{{{GOOD}, "intent": 1e999}}'.encode(),
        f'{{{GOOD}, "intent": {"9" * 5000}}}'.encode(),
        f'{{{GOOD}, "liked": {"[" * 5000}{"]" * 5000}}}'.encode(),
        b'{"a":' * 2500 + b"1" + b"}" * 2500,
        b"\xef\xbb\xbf{" + GOOD.encode() + b"}",
        f"{{{GOOD}}}".encode("utf-16"),
        b'{"content_type": "\xff"}',
        b'{"content_type": "post\\u0000", "content_id": "' + ID.encode() + b'"}',
        b'{"content_type": "post", "content_id": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"constructor": {"prototype": 1}, "__proto__": 1}',
    ],
)
def test_what_is_no_json_of_one_meaning_is_refused(
    lambda_api: Api, likes_db: FakeLikes, bobs_token: str, body: bytes
) -> None:
    answer = like(lambda_api, bobs_token, body)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert not likes_db.calls


def test_a_body_that_is_no_base64_is_refused(environment: pytest.MonkeyPatch, bobs_token: str) -> None:
    del environment
    event = {
        "rawPath": "/",
        "headers": {"authorization": f"Bearer {bobs_token}", "content-type": "application/json"},
        "requestContext": {"http": {"method": "POST"}},
        "body": "%%%",
        "isBase64Encoded": True,
    }
    assert aws.likes(event, None)["statusCode"] == 400  # type: ignore[arg-type]  # no context is needed


def test_many_errors_are_cut_short(lambda_api: Api, bobs_token: str) -> None:
    body = {"x" * 5000: 1, **{f"field{n}": n for n in range(200)}}
    answer = lambda_api("likes", "POST", json_body=body, token=bobs_token)

    assert len(answer.json["errors"]) == 20
    assert max(len(error["field"]) for error in answer.json["errors"]) <= 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "content_type": st.just("post") | JSON,
        "content_id": st.just(ID) | st.uuids().map(str) | JSON,
        "liked": st.booleans() | JSON,
        "intent": st.integers(-10, 2**60) | JSON,
        "items": st.lists(JSON, max_size=3),
        "ids": st.lists(st.uuids().map(str) | JSON, max_size=3) | JSON,
        "muted": JSON,
        "enabled": JSON,
    },
)
ROUTES = st.sampled_from(
    [
        ("likes", "/"),
        ("likes", "/status"),
        ("authors", "/"),
        ("notifications", "/read"),
        ("notifications", "/mute"),
        ("notifications", "/settings"),
    ]
)


@FUZZ
@given(route=ROUTES, body=FIELDS | JSON)
def test_any_json_gets_a_documented_answer(lambda_api: Api, bobs_token: str, route: tuple[str, str], body: Any) -> None:
    function, path = route
    answer = lambda_api(function, "POST", path, body=json.dumps(body).encode(), token=bobs_token)

    assert answer.status in (200, 400, 404)


@FUZZ
@given(route=ROUTES, body=st.binary(min_size=1, max_size=300))
def test_any_bytes_get_a_400(lambda_api: Api, bobs_token: str, route: tuple[str, str], body: bytes) -> None:
    function, path = route
    answer = Api(lambda_api.door)(function, "POST", path, body=body, token=bobs_token)

    assert answer.status in (200, 400) if body.strip() == b"{}" else answer.status == 400


@FUZZ
@given(query=st.text(max_size=60))
def test_any_query_gets_a_documented_answer(lambda_api: Api, bobs_token: str, query: str) -> None:
    for path in ("/status", "/liked", "/likers"):
        answer = lambda_api("likes", path=f"{path}?{query}", token=bobs_token)
        assert answer.status in (200, 400, 404)


@pytest.mark.parametrize(
    "query", ["content_type=post&content_type=post", "a=%ff", "&".join(f"f{n}=1" for n in range(30))]
)
def test_a_query_of_two_meanings_is_refused(lambda_api: Api, query: str) -> None:
    assert lambda_api("likes", path=f"/status?{query}").code == "invalid_request"
