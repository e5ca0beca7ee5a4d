"""What every caller may rely on, through both entry points: the routes and answers of docs/contracts.md."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.unit.functions.doors import Api
from tests.unit.functions.fake_likes import FakeLikes, Key
from tests.unit.functions.fake_postgrest import PUBLISHABLE_KEY, FakePostgrest

NOTIFICATION: dict[str, Any] = {
    "id": "5a4d4a1c-7fb0-4b8b-9a53-6f62a5a1a111",
    "type": "like",
    "title": "New Like!",
    "message": "bob liked your post",
    "data": {
        "contentType": "post",
        "contentId": "5a4d4a1c-7fb0-4b8b-9a53-6f62a5a1a112",
        "likerId": "5a4d4a1c-7fb0-4b8b-9a53-6f62a5a1a113",
        "likerUsername": "bob",
        "likerIds": ["5a4d4a1c-7fb0-4b8b-9a53-6f62a5a1a113"],
        "likerCount": 1,
        "totalLikes": 1,
    },
    "createdAt": "2026-11-22T20:58:10.123Z",
    "isRead": False,
}


@pytest.fixture
def post(likes_db: FakeLikes) -> Key:
    return likes_db.add_content("post", author="ada")


def content(key: Key, **more: Any) -> dict[str, Any]:
    return {"content_type": key[0], "content_id": key[1], **more}


def test_a_like_answers_the_new_state_and_the_author(
    api: Api, likes_db: FakeLikes, post: Key, bob: str, bobs_token: str
) -> None:
    answer = api("likes", "POST", json_body=content(post, liked=True, intent=1000), token=bobs_token)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    author_id = likes_db.contents[post].author_id
    assert answer.json == content(
        post,
        liked=True,
        total_likes=1,
        changed=True,
        version=1,
        intent=1000,
        viewers=0,
        author={"id": author_id, "username": "ada", "display_name": "Ada"},
    )
    assert likes_db.likes[post, bob].liked


def test_a_like_without_a_wish_toggles(api: Api, post: Key, bobs_token: str) -> None:
    first = api("likes", "POST", json_body=content(post, intent=1), token=bobs_token)
    second = api("likes", "POST", json_body=content(post, intent=2), token=bobs_token)

    assert (first.json["liked"], second.json["liked"]) == (True, False)
    assert second.json["total_likes"] == 0


def test_a_late_retry_changes_nothing_and_is_told_the_state(api: Api, post: Key, bobs_token: str) -> None:
    api("likes", "POST", json_body=content(post, liked=True, intent=7), token=bobs_token)
    late = api("likes", "POST", json_body=content(post, liked=False, intent=6), token=bobs_token)

    assert late.status == 200
    assert (late.json["liked"], late.json["changed"], late.json["intent"]) == (True, False, 7)


def test_an_upper_case_id_names_the_same_content(api: Api, post: Key, bobs_token: str) -> None:
    answer = api("likes", "POST", json_body=content((post[0], post[1].upper())), token=bobs_token)

    assert answer.status == 200
    assert answer.json["content_id"] == post[1]


def test_a_like_costs_one_request_to_the_database(
    api: Api, post: Key, bobs_token: str, postgrest: FakePostgrest
) -> None:
    for intent in range(1, 6):
        assert api("likes", "POST", json_body=content(post, intent=intent), token=bobs_token).status == 200

    assert [path for path, _ in postgrest.requests] == ["/rest/v1/rpc/toggle_like"] * 5
    assert postgrest.connections == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content_type"),
        ({"content_type": "post"}, "content_id"),
        ({"content_type": "comment", "content_id": str(uuid.uuid4())}, "content_type"),
        ({"content_type": "post", "content_id": "not-a-uuid"}, "content_id"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()) + "\n"}, "content_id"),
        ({"content_type": "post", "content_id": 7}, "content_id"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "liked": "true"}, "liked"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "liked": 1}, "liked"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "liked": None}, "liked"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "intent": "5"}, "intent"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "intent": 1.5}, "intent"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "intent": -1}, "intent"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "intent": 2**53}, "intent"),
        ({"content_type": "post", "content_id": str(uuid.uuid4()), "user_id": "me"}, "user_id"),
    ],
)
def test_a_bad_field_is_named(api: Api, bobs_token: str, body: dict[str, Any], field: str) -> None:
    answer = api("likes", "POST", json_body=body or None, body=b"{}" if not body else None, token=bobs_token)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert field in [error["field"] for error in answer.json["errors"]]
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_an_error_never_quotes_what_came(api: Api, bobs_token: str) -> None:
    answer = api("likes", "POST", json_body={"content_type": "<script>", "content_id": "<script>"}, token=bobs_token)

    assert answer.status == 400
    assert b"script" not in answer.body


def test_unknown_content_is_not_found(api: Api, bobs_token: str) -> None:
    key = ("video", str(uuid.uuid4()))
    for answer in (
        api("likes", "POST", json_body=content(key), token=bobs_token),
        api("likes", path="/status", query=content(key)),
        api("likes", path="/likers", query=content(key)),
        api("authors", query=content(key)),
    ):
        assert (answer.status, answer.code) == (404, "content_not_found")


def test_private_content_is_there_for_those_who_may_see_it_only(
    api: Api, likes_db: FakeLikes, bobs_token: str, mint: Any
) -> None:
    secret = likes_db.add_content(author="ada", private=True)
    adas_token = mint(likes_db.add_user("ada"))

    for function, path in (("likes", "/status"), ("authors", "/")):
        assert api(function, path=path, query=content(secret), token=adas_token).status == 200
        assert api(function, path=path, query=content(secret), token=bobs_token).status == 404
        assert api(function, path=path, query=content(secret)).status == 404


def test_refusals_of_the_database_keep_their_code(
    api: Api, likes_db: FakeLikes, post: Key, bob: str, bobs_token: str
) -> None:
    future = api("likes", "POST", json_body=content(post, intent=2**53 - 1), token=bobs_token)
    likes_db.blocked.add(bob)
    blocked = api("likes", "POST", json_body=content(post), token=bobs_token)
    cursor = api("likes", path="/liked", query={"cursor": "forged"}, token=bobs_token)

    assert (future.status, future.code) == (400, "intent_in_future")
    assert (blocked.status, blocked.code) == (403, "blocked")
    assert (cursor.status, cursor.code) == (400, "invalid_cursor")


def test_a_rate_limit_says_when_to_come_back(
    api: Api, likes_db: FakeLikes, post: Key, bob: str, bobs_token: str
) -> None:
    likes_db.limited[bob] = 17

    answer = api("likes", "POST", json_body=content(post), token=bobs_token)

    assert (answer.status, answer.code) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "17"


def test_anyone_may_read_the_status_of_public_content(api: Api, likes_db: FakeLikes, post: Key, bob: str) -> None:
    likes_db.toggle_like(bob, *post)
    likes_db.settle_likes([content(post)])

    answer = api("likes", path="/status", query=content(post))

    assert answer.status == 200
    assert answer.json["liked"] is False


def test_the_publishable_key_as_token_means_anonymous(api: Api, post: Key) -> None:
    assert api("likes", path="/status", query=content(post), token=PUBLISHABLE_KEY).status == 200
    refused = api("likes", "POST", json_body=content(post), token=PUBLISHABLE_KEY)
    assert (refused.status, refused.code) == (401, "token_missing")


def test_reads_carry_the_callers_own_token(api: Api, post: Key, bobs_token: str, postgrest: FakePostgrest) -> None:
    api("likes", "POST", json_body=content(post, liked=True), token=bobs_token)
    postgrest.requests.clear()
    answer = api("likes", path="/status", query=content(post), token=bobs_token)

    assert answer.json["liked"] is True
    (_, headers) = postgrest.requests[0]
    assert headers["authorization"] == f"Bearer {bobs_token}"
    assert headers["apikey"] == PUBLISHABLE_KEY


def test_a_page_of_statuses_leaves_out_what_is_not_visible(api: Api, likes_db: FakeLikes, post: Key) -> None:
    video, hidden = likes_db.add_content("video"), likes_db.add_content(private=True)

    answer = api("likes", "POST", "/status", json_body={"items": [content(k) for k in (post, hidden, video)]})

    assert [(i["content_type"], i["content_id"]) for i in answer.json["items"]] == [post, video]
    assert likes_db.calls["get_like_status"] == 1


def test_a_page_has_a_hundred_items_at_most(api: Api, likes_db: FakeLikes) -> None:
    keys = [likes_db.add_content() for _ in range(101)]

    for function, path in (("likes", "/status"), ("authors", "/")):
        most = api(function, "POST", path, json_body={"items": [content(key) for key in keys[:100]]})
        more = api(function, "POST", path, json_body={"items": [content(key) for key in keys]})
        none = api(function, "POST", path, json_body={"items": []})
        assert (most.status, len(most.json["items"])) == (200, 100)
        assert (more.status, more.json["errors"][0]["field"]) == (400, "items")
        assert none.json == {"items": []}


def test_liked_content_comes_in_pages(api: Api, likes_db: FakeLikes, bob: str, bobs_token: str) -> None:
    keys = [likes_db.add_content("video" if n else "post") for n in range(3)]
    for key in keys:
        likes_db.toggle_like(bob, *key)

    first = api("likes", path="/liked", query={"max": 2}, token=bobs_token).json
    rest = api("likes", path="/liked", query={"max": 2, "cursor": first["next_cursor"]}, token=bobs_token).json
    videos = api("likes", path="/liked", query={"content_type": "video"}, token=bobs_token).json

    assert [i["content_id"] for i in first["items"] + rest["items"]] == [key[1] for key in keys]
    assert rest["next_cursor"] is None
    assert first["items"][0]["liked_at"] == "2026-11-22T20:58:10.123456Z"
    assert len(videos["items"]) == 2


@pytest.mark.parametrize("query", [{"max": 0}, {"max": 101}, {"max": "2_0"}, {"max": " 2"}, {"max": "x"}, {"page": 1}])
def test_a_bad_page_is_refused(api: Api, bobs_token: str, query: dict[str, object]) -> None:
    answer = api("likes", path="/liked", query=query, token=bobs_token)

    assert (answer.status, answer.json["errors"][0]["field"]) == (400, next(iter(query)))


def test_likers_are_named(api: Api, likes_db: FakeLikes, post: Key, bob: str) -> None:
    likes_db.toggle_like(bob, *post)

    answer = api("likes", path="/likers", query=content(post))

    assert [liker["username"] for liker in answer.json["likers"]] == ["bob"]
    assert (answer.json["total_likes"], answer.json["next_cursor"]) == (1, None)


def test_authors_are_looked_up_once_in_five_minutes(api: Api, likes_db: FakeLikes, post: Key) -> None:
    other = likes_db.add_content("video", author="eve")

    one = api("authors", query=content(post))
    many = api("authors", "POST", json_body={"items": [content(other), content(post), content(other)]})
    again = api("authors", query=content(other))

    assert (one.json["username"], again.json["username"]) == ("ada", "eve")
    assert [i["author"]["username"] for i in many.json["items"]] == ["eve", "ada"]
    assert likes_db.calls == {"get_content_author": 1, "get_content_authors": 1}


def test_notifications_are_listed_and_read(api: Api, likes_db: FakeLikes, bob: str, bobs_token: str) -> None:
    second = {**NOTIFICATION, "id": str(uuid.uuid4())}
    likes_db.notifications[bob] = [dict(NOTIFICATION), second]

    page = api("notifications", token=bobs_token).json
    one = api("notifications", "POST", "/read", json_body={"ids": [second["id"]]}, token=bobs_token).json
    rest = api("notifications", "POST", "/read", body=b"{}", token=bobs_token).json

    assert page["notifications"][0] == {**NOTIFICATION, "createdAt": "2026-11-22T20:58:10.123000Z"}
    assert (page["unread_count"], page["next_cursor"]) == (2, None)
    assert (one, rest) == ({"marked": 1, "unread_count": 1}, {"marked": 1, "unread_count": 0})


def test_a_content_is_muted_and_notifications_are_switched_off(
    api: Api, likes_db: FakeLikes, post: Key, bob: str, bobs_token: str
) -> None:
    muted = api("notifications", "POST", "/mute", json_body=content(post), token=bobs_token)
    off = api("notifications", "POST", "/settings", json_body={"enabled": False}, token=bobs_token)
    assert (muted.json, off.json) == ({"muted": True}, {"enabled": False})
    assert likes_db.muted == {(bob, post)}
    assert likes_db.disabled == {bob}

    api("notifications", "POST", "/mute", json_body=content(post, muted=False), token=bobs_token)
    api("notifications", "POST", "/settings", json_body={"enabled": True}, token=bobs_token)
    assert not likes_db.muted
    assert not likes_db.disabled


def test_health_tells_versions_and_asks_the_database(api: Api, likes_db: FakeLikes) -> None:
    answer = api("health")

    assert answer.status == 200
    assert answer.json["status"] == "ok"
    assert {"version", "python", "database_ms"} < answer.json.keys()
    assert likes_db.calls == {"get_like_status": 1}
    api("health")
    assert likes_db.calls == {"get_like_status": 1}, "the answer is remembered: anyone may ask"


def test_health_without_a_database_is_a_503(api: Api, postgrest: FakePostgrest) -> None:
    postgrest.fail_next(503, {"code": "PGRST002", "message": "no schema cache"})

    assert api("health").code == "database_unavailable"
    assert api("health").status == 200, "a failure is not remembered"


@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        ("likes", "POST", "/"),
        ("likes", "GET", "/liked"),
        ("notifications", "GET", "/"),
        ("notifications", "POST", "/read"),
    ],
)
def test_users_only(api: Api, function: str, method: str, path: str) -> None:
    answer = api(function, method, path)

    assert (answer.status, answer.code) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_wrong_method_is_told_the_right_ones(api: Api) -> None:
    answer = api("likes", "DELETE", "/status")

    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_wrong_path_is_not_found(api: Api) -> None:
    answer = api("likes", "GET", "/nothing/here")

    assert (answer.status, answer.code) == (404, "not_found")
    assert api("likes", "OPTIONS", "/nothing").status == 404


def test_head_is_get_without_a_body(api: Api, post: Key) -> None:
    answer = api("likes", "HEAD", "/status/", query=content(post))

    assert (answer.status, answer.body) == (200, b"")


def test_problems_have_the_shape_of_rfc_9457(api: Api) -> None:
    problem = json.loads(api("likes", "POST", "/").body)

    assert problem.keys() == {"type", "title", "status", "code", "detail", "request_id"}
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Unauthorized", 401)
