"""The way to PostgREST: errors become ours, the connection is kept, only what is safe is done twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from realtime_likes import postgrest_database
from realtime_likes.connections import Connections, Http
from realtime_likes.errors import (
    BlockedError,
    ContentNotFoundError,
    DatabaseUnavailableError,
    IntentInFutureError,
    InternalError,
    InvalidCursorError,
    InvalidRequestError,
    LikesError,
    RateLimitedError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    TooManyItemsError,
    UserNotFoundError,
)
from realtime_likes.models import Content, LikeRequest
from realtime_likes.postgrest_database import CallerDatabase, ServiceDatabase
from realtime_likes.tokens import Caller
from tests.unit.functions.conftest import Mint
from tests.unit.functions.fake_likes import FakeLikes, Key
from tests.unit.functions.fake_postgrest import PUBLISHABLE_KEY, SECRET_KEY, FakePostgrest

ANONYMOUS = Caller(None, PUBLISHABLE_KEY)
USER = str(uuid.uuid4())


@pytest.fixture
def http() -> Iterator[Http]:
    with postgrest_database.open_http(httpx.create_ssl_context()) as client:
        yield client


@pytest.fixture
def service(postgrest: FakePostgrest, http: Http) -> ServiceDatabase:
    return ServiceDatabase(http, f"{postgrest.url}/rest/v1", SECRET_KEY)


@pytest.fixture
def reader(postgrest: FakePostgrest, http: Http) -> CallerDatabase:
    return CallerDatabase(http, f"{postgrest.url}/rest/v1", PUBLISHABLE_KEY)


@pytest.fixture
def post(likes_db: FakeLikes) -> Key:
    return likes_db.add_content()


def wish(post: Key, intent: int | None = None, *, liked: bool = True) -> LikeRequest:
    given = {} if intent is None else {"intent": intent}
    return LikeRequest(content_type=post[0], content_id=post[1], liked=liked, **given)  # type: ignore[arg-type]


def says(code: str | None, message: str = "x", **more: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "details": None, "hint": None, **more}


REFUSALS: list[tuple[int, Any, type[LikesError]]] = [
    (400, says("PT400", "invalid_request"), InvalidRequestError),
    (400, says("PT400", "intent_in_future"), IntentInFutureError),
    (400, says("PT400", "too_many_items"), TooManyItemsError),
    (400, says("PT400", "invalid_cursor"), InvalidCursorError),
    (401, says("PT401", "token_missing"), TokenMissingError),
    (403, says("PT403", "blocked"), BlockedError),
    (404, says("PT404", "content_not_found"), ContentNotFoundError),
    (404, says("PT404", "user_not_found"), UserNotFoundError),
    (429, says("PT429", "rate_limited", details='{"retry_after": 3}'), RateLimitedError),
    (429, says("rate_limited", "Too many", details={"retry_after": 3}), RateLimitedError),
    (503, says("PGRST000", "could not connect"), DatabaseUnavailableError),
    (503, says("PGRST002", "no schema cache"), DatabaseUnavailableError),
    (504, says("PGRST003", "no connection in time"), DatabaseUnavailableError),
    (500, says("57P01", "terminating connection"), DatabaseUnavailableError),
    (500, says("57014", "statement timeout"), DatabaseUnavailableError),
    (500, says("53300", "too many connections"), DatabaseUnavailableError),
    (500, says("40P01", "deadlock"), DatabaseUnavailableError),
    (500, says("08006", "connection failure"), DatabaseUnavailableError),
    (500, says("55P03", "lock not available"), DatabaseUnavailableError),
    (429, b"<html>slow down</html>", DatabaseUnavailableError),
    (502, b"<html>Bad Gateway</html>", DatabaseUnavailableError),
    (521, b"", DatabaseUnavailableError),
    (200, b"<html>a portal</html>", DatabaseUnavailableError),
    (200, b"\xff\xfe\x00", DatabaseUnavailableError),
    (404, says("PGRST202", "no such function"), InternalError),
    (404, says("42P01", "no such table"), InternalError),
    (403, says("42501", "permission denied"), InternalError),
    (404, says("PT404", "something_new"), InternalError),
    (500, says("XX000", "internal error"), InternalError),
    (401, says(None, "Invalid API key"), InternalError),
    (400, b"what?", InternalError),
    (500, [], DatabaseUnavailableError),
    (200, [], InternalError),
    (200, {"liked": True}, InternalError),
    (200, None, InternalError),
]


@pytest.mark.parametrize(("status", "body", "expected"), REFUSALS)
def test_every_answer_of_postgrest_becomes_one_of_our_errors(
    postgrest: FakePostgrest, service: ServiceDatabase, post: Key, status: int, body: Any, expected: type[LikesError]
) -> None:
    postgrest.fail_next(status, body)

    with pytest.raises(expected) as caught:
        service.toggle_like(USER, wish(post))

    assert type(caught.value) is expected
    assert service.toggle_like(USER, wish(post)).liked, "the next one works"


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ('{"retry_after": 7}', 7),
        ('{"retry_after": 0.2}', 1),
        ({"retry_after": 2.5}, 3),
        ('{"retry_after": -4}', 1),
        ('{"retry_after": 1e99}', 3600),
        ('{"retry_after": null}', 1),
        ("soon", 1),
        ("[]", 1),
        (None, 1),
    ],
)
def test_the_seconds_to_wait_come_from_the_details(
    postgrest: FakePostgrest, service: ServiceDatabase, post: Key, details: Any, seconds: int
) -> None:
    postgrest.fail_next(429, says("PT429", "rate_limited", details=details))

    with pytest.raises(RateLimitedError) as caught:
        service.toggle_like(USER, wish(post))

    assert caught.value.retry_after == seconds


def test_a_refused_token_is_the_callers_affair_and_a_refused_key_is_ours(
    postgrest: FakePostgrest, reader: CallerDatabase, service: ServiceDatabase, post: Key
) -> None:
    expired, broken = says("PGRST303", "JWT expired"), says("PGRST301", "No suitable key or wrong key type")
    caller, items = Caller(USER, "a.b.c"), [Content(content_type="post", content_id=post[1])]

    for body, expected in ((expired, TokenExpiredError), (broken, TokenInvalidError)):
        postgrest.fail_next(401, body)
        with pytest.raises(expected):
            reader.get_like_status(caller, items)
    for call in (lambda: service.toggle_like(USER, wish(post)), lambda: reader.get_like_status(ANONYMOUS, items)):
        postgrest.fail_next(401, broken)
        with pytest.raises(InternalError):
            call()


def test_a_hint_of_the_database_is_passed_on(postgrest: FakePostgrest, service: ServiceDatabase, post: Key) -> None:
    postgrest.fail_next(400, says("PT400", "intent_in_future", hint="Set the clock."))

    with pytest.raises(IntentInFutureError, match=r"Set the clock\."):
        service.toggle_like(USER, wish(post))


def test_one_connection_serves_all_calls(
    postgrest: FakePostgrest, service: ServiceDatabase, reader: CallerDatabase, post: Key, mint: Mint
) -> None:
    for intent in range(5):
        service.toggle_like(USER, wish(post, intent + 1))
        reader.get_like_status(ANONYMOUS, [])
        reader.get_like_status(Caller(USER, mint(USER)), [])

    assert (postgrest.connections, len(postgrest.requests)) == (1, 15)


def test_a_silent_database_is_given_up_on_in_time(
    postgrest: FakePostgrest, service: ServiceDatabase, post: Key
) -> None:
    with Connections(httpx.create_ssl_context(), httpx.Timeout(0.4)) as impatient:
        waiting = ServiceDatabase(impatient, f"{postgrest.url}/rest/v1", SECRET_KEY)
        postgrest.hang_next()
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            waiting.toggle_like(USER, wish(post, 1))

    assert 0.3 < time.monotonic() - started < 4
    assert len(postgrest.requests) == 1, "a timeout is not tried again: the caller has waited enough"
    assert service.toggle_like(USER, wish(post, 1)).liked


def test_deployed_timeouts_end_before_a_browser_gives_up() -> None:
    with postgrest_database.open_http(httpx.create_ssl_context()) as client:
        assert client.timeout == httpx.Timeout(connect=2, read=5, write=5, pool=5)


def test_a_refused_connection_is_unavailable(http: Http, post: Key) -> None:
    nobody = ServiceDatabase(http, "http://127.0.0.1:9/rest/v1", SECRET_KEY)

    with pytest.raises(DatabaseUnavailableError):
        nobody.toggle_like(USER, wish(post))


def test_a_connection_that_died_while_idle_costs_nothing(
    postgrest: FakePostgrest, service: ServiceDatabase, post: Key, likes_db: FakeLikes
) -> None:
    service.toggle_like(USER, wish(post, 1))
    postgrest.drop_next()

    assert service.toggle_like(USER, wish(post, 2, liked=False)).changed
    assert likes_db.total(post) == 0


def test_a_like_with_intent_is_tried_again_and_done_once(
    postgrest: FakePostgrest, service: ServiceDatabase, post: Key, likes_db: FakeLikes
) -> None:
    postgrest.drop_next(after_doing=True)

    answer = service.toggle_like(USER, wish(post, 5))

    assert (answer.liked, answer.intent) == (True, 5)
    assert (likes_db.calls["toggle_like"], likes_db.total(post)) == (2, 1)


def test_a_like_without_intent_is_never_tried_twice(
    postgrest: FakePostgrest, service: ServiceDatabase, post: Key, likes_db: FakeLikes
) -> None:
    postgrest.drop_next(after_doing=True)
    with pytest.raises(DatabaseUnavailableError):
        service.toggle_like(USER, LikeRequest(content_type="post", content_id=post[1]))

    assert (likes_db.calls["toggle_like"], likes_db.total(post)) == (1, 1)


def test_a_connection_that_breaks_twice_is_given_up(postgrest: FakePostgrest, reader: CallerDatabase) -> None:
    postgrest.drop_next()
    postgrest.drop_next()
    with pytest.raises(DatabaseUnavailableError):
        reader.get_like_status(ANONYMOUS, [])
    assert list(reader.get_like_status(ANONYMOUS, [])) == []


def test_metrics_are_numbers_only(service: ServiceDatabase) -> None:
    assert service.like_metrics() == {"unsettled_contents": 0, "budget_used": 0.5}
