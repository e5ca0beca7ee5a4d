"""The frame that all functions share: CORS, request ids, security headers, logs without secrets, figures."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

import aws
from realtime_likes import compose
from realtime_likes.errors import InvalidRequestError
from tests.unit.functions.conftest import Mint
from tests.unit.functions.doors import Api, FrameworkDoor
from tests.unit.functions.fake_likes import FakeLikes, Key
from tests.unit.functions.fake_postgrest import JWT_SECRET, SECRET_KEY, FakePostgrest

APP = "https://app.example"


@pytest.fixture
def post(likes_db: FakeLikes) -> Key:
    return likes_db.add_content()


def preflight(api: Api, origin: str, **headers: str) -> Any:
    asked = {"origin": origin, "access-control-request-method": "POST", **headers}
    return api("likes", "OPTIONS", "/", headers=asked)


def test_an_allowed_origin_may_send_and_read(api: Api, post: Key) -> None:
    allowed = preflight(api, APP)
    answer = api(
        "likes", path="/status", query={"content_type": post[0], "content_id": post[1]}, headers={"origin": APP}
    )

    assert (allowed.status, allowed.body) == (204, b"")
    assert allowed.headers["access-control-allow-origin"] == APP
    assert allowed.headers["access-control-allow-methods"] == "OPTIONS, POST"
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert "content-type" not in allowed.headers
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-expose-headers"] == "retry-after, x-request-id"
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers


def test_errors_can_be_read_by_the_page_too(api: Api) -> None:
    answer = api("likes", "POST", headers={"origin": APP})

    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.evil.com", "null", "http://app.example", "https://APP.example"],
)
def test_another_origin_gets_no_permission(api: Api, origin: str) -> None:
    refused, answer = preflight(api, origin), api("health", headers={"origin": origin})

    for given in (refused, answer):
        assert not [name for name in given.headers if name.startswith("access-control")]
        assert "Origin" in given.headers["vary"]
    assert (refused.status, answer.status) == (204, 200)


def test_a_star_allows_every_origin(lambda_api: Api, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALLOWED_ORIGINS", "*")

    assert preflight(lambda_api, "https://anywhere.example").headers["access-control-allow-origin"] == "*"


def test_options_without_cors_lists_the_methods(api: Api) -> None:
    answer = api("authors", "OPTIONS", "/")

    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_every_answer_is_guarded(api: Api) -> None:
    for answer in (api("health"), api("health", path="/none"), api("likes", "POST"), preflight(api, APP)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert uuid.UUID(answer.headers["x-request-id"])


def test_a_sane_request_id_is_kept(api: Api) -> None:
    answer = api("likes", "POST", headers={"x-request-id": "req-2026.11:22_a"})

    assert answer.headers["x-request-id"] == answer.json["request_id"] == "req-2026.11:22_a"


@pytest.mark.parametrize("offered", ["short", "x" * 65, "<script>alert(1)</script>", 'a"b"c"d"e', "two words here"])
def test_any_other_request_id_is_replaced(api: Api, offered: str) -> None:
    assert uuid.UUID(api("health", headers={"x-request-id": offered}).headers["x-request-id"])


def test_an_unexpected_error_says_nothing_but_its_id(
    lambda_api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(*_: Any) -> Any:
        raise ZeroDivisionError("inner workings")

    monkeypatch.setattr("realtime_likes.handlers.health.HealthHandlers.health", explode)
    answer = lambda_api("health", headers={"x-request-id": "find-me-in-the-log"})

    assert (answer.status, answer.code) == (500, "internal")
    assert b"inner" not in answer.body
    logged = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (logged["request_id"], logged["level"]) == ("find-me-in-the-log", "ERROR")
    assert "inner workings" in logged["exception"]


def test_a_broken_contract_of_the_database_is_logged_without_its_data(
    lambda_api: Api, postgrest: FakePostgrest, post: Key, bobs_token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    postgrest.fail_next(200, {"liked": "somebody's secret"})
    body = {"content_type": post[0], "content_id": post[1]}
    answer = lambda_api("likes", "POST", json_body=body, token=bobs_token)

    logged = capsys.readouterr().out
    assert (answer.status, answer.code) == (500, "internal")
    assert "total_likes" in logged, "where it is wrong"
    assert "somebody's secret" not in logged + answer.body.decode()


def test_no_log_line_holds_a_secret(
    lambda_api: Api,
    environment: pytest.MonkeyPatch,
    postgrest: FakePostgrest,
    post: Key,
    bob: str,
    mint: Mint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.setenv("LOG_LEVEL", "DEBUG")
    environment.setenv("LIKES_QUEUE_URL", "http://127.0.0.1:9/q")
    environment.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    good, expired = mint(bob), mint(bob, exp=5)
    body = {"content_type": post[0], "content_id": post[1], "liked": True}
    lambda_api("likes", "POST", json_body=body, token=good)
    lambda_api("likes", "POST", json_body=body, token=expired)
    lambda_api("likes", path=f"/status?token={good}", token=good)
    postgrest.fail_next(500, {"code": "XX000", "message": f"{good} {SECRET_KEY} bob@example.com {JWT_SECRET}"})
    lambda_api("likes", "POST", json_body=body, token=good)
    postgrest.fail_next(502, f"<html>{SECRET_KEY} {good}</html>".encode())
    lambda_api("likes", "POST", json_body=body, token=good)

    logged = capsys.readouterr().out
    assert len(logged.splitlines()) >= 8
    for secret in (good, expired, good.split(".")[1], SECRET_KEY, "bob@example.com", "ada@example.com"):
        assert secret not in logged
    assert all(json.loads(line)["service"] == "likes" for line in logged.splitlines())


@pytest.fixture
def on_lambda(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_LAMBDA_FUNCTION_NAME", "realtime-likes-dev-likes")
    environment.delenv("_HANDLER", raising=False)


def emf(output: str) -> dict[str, Any]:
    (line,) = [json.loads(line) for line in output.splitlines() if "_aws" in line]
    return dict(line)


@pytest.mark.usefixtures("on_lambda")
def test_a_like_is_counted_and_timed_on_lambda(
    lambda_api: Api, post: Key, bobs_token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"content_type": post[0], "content_id": post[1], "liked": True}
    lambda_api("likes", "POST", json_body=body, token=bobs_token)

    line = emf(capsys.readouterr().out)
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "RealtimeLikes"
    assert line["service"] == "realtime-likes-dev-likes"
    assert line["LikesChanged"] == [1]
    assert line["RequestMilliseconds"][0] > 0
    units = {m["Name"]: m["Unit"] for m in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert units["RequestMilliseconds"] == "Milliseconds"


@pytest.mark.usefixtures("on_lambda")
def test_refusals_and_failures_are_counted(
    lambda_api: Api,
    likes_db: FakeLikes,
    postgrest: FakePostgrest,
    post: Key,
    bob: str,
    bobs_token: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = {"content_type": post[0], "content_id": post[1], "intent": 1}
    lambda_api("likes", "POST", json_body=body, token=bobs_token)
    capsys.readouterr()
    lambda_api("likes", "POST", json_body=body, token=bobs_token)
    repeated = emf(capsys.readouterr().out)
    # an average is a rate only if those without an error count, too
    assert (repeated["LikesUnchanged"], repeated["ServerErrors"]) == ([1], [0])

    likes_db.limited[bob] = 3
    lambda_api("likes", "POST", json_body=body, token=bobs_token)
    limited = emf(capsys.readouterr().out)
    assert (limited["RateLimited"], limited["ClientErrors"]) == ([1], [1])

    postgrest.fail_next(503, {"code": "PGRST000"})
    lambda_api("likes", "POST", json_body=body, token=bobs_token)
    assert emf(capsys.readouterr().out)["ServerErrors"] == [1]


def test_elsewhere_a_line_of_the_log_sums_up_the_figures_of_each_request(
    environment: pytest.MonkeyPatch, post: Key, bobs_token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("LOG_LEVEL", "INFO")
    body = {"content_type": post[0], "content_id": post[1], "liked": True}
    api = Api(FrameworkDoor(environment))
    ids = [api("likes", "POST", json_body=body, token=bobs_token).headers["x-request-id"] for _ in range(2)]

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    changed, unchanged = [line for line in lines if line["message"] == "figures"]
    assert [changed["request_id"], unchanged["request_id"]] == ids
    assert (changed["figures"]["LikesChanged"], unchanged["figures"]["LikesUnchanged"]) == (1, 1)
    assert "LikesChanged" not in unchanged["figures"], "each line tells of its own request"
    assert changed["figures"]["RequestMilliseconds"] > 0


def test_elsewhere_it_is_quiet(api: Api, post: Key, bobs_token: str, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"content_type": post[0], "content_id": post[1], "liked": True}
    assert api("likes", "POST", json_body=body, token=bobs_token).status == 200

    assert capsys.readouterr().out == ""


def test_the_drain_runs_through_both_entry_points(
    environment: pytest.MonkeyPatch, likes_db: FakeLikes, bob: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("DRAIN_SECONDS", "0.2")
    posts = [likes_db.add_content() for _ in range(2)]

    main: Any = importlib.import_module("main")
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 5200)

    for post, run in ((posts[0], lambda: main.drain(None)), (posts[1], lambda: aws.drain({}, context))):
        likes_db.toggle_like(bob, *post)
        likes_db.due.clear()
        report = run()
        assert report["ItemsSwept"] >= 1
        assert likes_db.announced[post][0] == 1
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("on_lambda")
def test_the_drain_publishes_its_figures_on_lambda(capsys: pytest.CaptureFixture[str]) -> None:
    compose.drain().run(0.1)

    line = emf(capsys.readouterr().out)
    assert line["BudgetUsed"] == [0.5]


def test_errors_without_their_own_words_have_general_ones() -> None:
    assert str(InvalidRequestError()) == "The request is not valid."


ALLOWED_AT_START = {
    "aws", "realtime_likes",
    # what answering a like needs, and what these bring along
    "aws_lambda_powertools", "cachetools", "cryptography", "httpx", "jwt", "postgrest", "pydantic",
    "annotated_types", "botocore", "certifi", "cython_runtime", "deprecation", "idna", "jmespath", "multidict",
    "packaging", "propcache", "pydantic_core", "typing_extensions", "typing_inspection", "yarl",
    # httpx' command line: imported where all of it is installed, which is for development only
    "click", "markdown_it", "mdurl", "pygments", "rich",
}  # fmt: skip


def test_the_likes_function_imports_no_more_than_it_needs(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_LAMBDA_FUNCTION_NAME", "likes")
    environment.setenv("_HANDLER", "aws.likes")
    listing = "import sys; before = set(sys.modules); import aws;print('\\n'.join(sorted(set(sys.modules) - before)))"
    ran = subprocess.run(
        [sys.executable, "-c", listing],
        cwd="functions",
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )

    modules = ran.stdout.split()
    packages = {name for module in modules if not (name := module.partition(".")[0]).startswith("_")}
    assert packages - sys.stdlib_module_names - ALLOWED_AT_START == set()
    assert not [m for m in modules if m.startswith(("boto3", "supabase", "flask", "realtime."))]
    # the bare package only: Powertools leaves a mark in its user agent
    assert [m for m in modules if m.startswith("botocore")] in ([], ["botocore"])
    assert "aws_lambda_powertools.utilities.parser" not in modules
    assert "aws_xray_sdk" not in modules
