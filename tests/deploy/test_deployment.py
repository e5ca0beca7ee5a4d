"""bin/deploy into an account: a like by the deployed function, its wake-up, the schedule, the author's socket (C2).

The account is an emulator, the Supabase project behind it the local stack, whose own drain sleeps meanwhile: what is
settled here, the deployed drain has settled.
"""

import asyncio
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from realtime import RealtimeSubscribeStates
from supabase import AsyncClient, acreate_client

from infra import deploy
from infra.package import Package
from local.queues import CREDENTIALS
from tests.deploy.account import STACK, Account, emulated
from tests.stack import Stack, StackUser

ORIGIN = "https://app.example.com"
NEW_ORIGIN = "https://new.example.com"
# The schedule fires a minute after it was made.
SCHEDULE_SECONDS = 100


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with emulated(tmp_path_factory.mktemp("account")) as account:
        yield account


@pytest.fixture(scope="session")
def project(stack: Stack) -> Iterator[Stack]:
    """The local Supabase, with its own functions stopped in their tracks."""
    processes = psutil.Process(stack.pid).children(recursive=True)
    functions = [process for process in processes if "local.functions:build()" in process.cmdline()]
    assert functions
    for process in functions:
        process.suspend()
    yield stack
    for process in functions:
        process.resume()


@pytest.fixture(scope="session")
def urls(account: Account, project: Stack) -> dict[str, str]:
    """The outputs of the deployed stack."""
    account.put_parameters(
        "String",
        supabase_url=project.url,
        supabase_publishable_key=project.publishable_key,
        allowed_origins=ORIGIN,
    )
    account.put_parameters(
        "SecureString", supabase_secret_key=project.secret_key, supabase_jwt_secret=project.jwt_secret
    )
    done = account.deploy(project.db_url)
    assert done.returncode == 0, done.stdout + done.stderr
    return account.outputs()


@pytest.fixture(scope="session")
def repeated(account: Account, urls: dict[str, str], project: Stack) -> str:
    """A second deployment, with another parameter in SSM and another option; what it said."""
    del urls  # the first one
    account.put_parameters("String", allowed_origins=NEW_ORIGIN)
    done = account.deploy(project.db_url, "--param", "logLevel=DEBUG")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def bobs_post(project: Stack) -> str:
    """A post that nobody knows yet."""
    with psycopg.connect(project.db_url, autocommit=True) as connection:
        statement = "insert into public.posts (user_id, content) values (%s, 'deployed') returning id::text"
        row = connection.execute(statement, [project.user("bob").id]).fetchone()
    assert row is not None
    return str(row[0])


async def signed_in(project: Stack, user: StackUser) -> AsyncClient:
    client = await acreate_client(project.url, project.publishable_key)
    await client.auth.sign_in_with_password({"email": user.email, "password": user.password})
    return client


async def token_of(client: AsyncClient) -> str:
    session = await client.auth.get_session()
    assert session is not None
    return session.access_token


async def hears_notifications(client: AsyncClient, user: StackUser) -> "asyncio.Queue[dict[str, Any]]":
    """What comes on the private channel of a user, once it is joined."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    joined = asyncio.Event()
    options: Any = {"config": {"private": True}}
    channel = client.channel(f"user:{user.id}", options)
    channel.on_broadcast("notification:new", lambda message: heard.put_nowait(message["payload"]))

    def note(state: RealtimeSubscribeStates, _error: Exception | None) -> None:
        if state is RealtimeSubscribeStates.SUBSCRIBED:
            joined.set()

    await channel.subscribe(note)
    await asyncio.wait_for(joined.wait(), 20)
    return heard


def wait_until(condition: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_missing_parameters_are_told_before_anything_is_changed(
    account: Account, package: Package, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": account.endpoint}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deploy, "build", lambda *_, **__: package)
    monkeypatch.setattr(sys, "argv", ["bin/deploy", "--stage", "prod"])
    assert deploy.main() == 1
    told = capsys.readouterr().err
    assert "put-parameter --name /realtime-likes/prod/supabase-url --type String" in told
    assert "put-parameter --name /realtime-likes/prod/supabase-secret-key --type SecureString" in told
    assert account.client("cloudformation").list_stacks()["StackSummaries"] == []


def test_the_database_is_up_to_date_and_every_function_is_ready(
    account: Account, urls: dict[str, str], project: Stack
) -> None:
    with account.http(urls["HealthLambdaFunctionUrl"]) as health:
        answer = health.get("/")
        assert answer.status_code == 200, answer.text
    with psycopg.connect(project.db_url) as connection:
        assert connection.execute("select count(*) from likes.settings").fetchone() == (1,)


def test_the_public_functions_verify_tokens_and_answer_cors_themselves(account: Account, urls: dict[str, str]) -> None:
    for name in ("Likes", "Notifications"):
        with account.http(urls[f"{name}LambdaFunctionUrl"]) as function:
            refused = function.get("/liked" if name == "Likes" else "/", headers={"Origin": ORIGIN})
            assert (refused.status_code, refused.json()["code"]) == (401, "token_missing")
            assert refused.headers["access-control-allow-origin"] == ORIGIN
    with account.http(urls["LikesLambdaFunctionUrl"]) as likes:
        asks = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
        assert "access-control-allow-origin" not in likes.options("/", headers=asks).headers


def test_the_drain_has_no_url(account: Account, urls: dict[str, str]) -> None:
    listed = account.client("lambda").list_function_url_configs(FunctionName=f"{STACK}-drain")
    assert listed["FunctionUrlConfigs"] == []
    assert "DrainLambdaFunctionUrl" not in urls


def test_a_second_deployment_takes_changed_parameters_and_finds_the_database_up_to_date(
    account: Account, urls: dict[str, str], repeated: str
) -> None:
    assert "up to date" in repeated
    assert account.outputs() == urls, "no URL has changed"
    with account.http(urls["LikesLambdaFunctionUrl"]) as likes:
        answer = likes.get("/liked", headers={"Origin": NEW_ORIGIN})
        assert answer.headers["access-control-allow-origin"] == NEW_ORIGIN


@pytest.mark.usefixtures("repeated")
def test_a_rollback_brings_back_the_release_before(account: Account) -> None:
    assert account.setting("likes", "LOG_LEVEL") == "DEBUG"
    osls = "node_modules/.bin/osls"
    listed = account.run(osls, "deploy", "list", "--stage", "dev")
    before, _last = sorted(re.findall(r"Timestamp: (\d+)", listed.stdout))
    done = account.run(osls, "rollback", "--stage", "dev", "--timestamp", before)
    assert done.returncode == 0, done.stdout + done.stderr
    assert account.setting("likes", "LOG_LEVEL") == "INFO"


async def test_a_like_is_answered_woken_for_and_told_to_the_author_by_the_scheduled_drain(
    account: Account, urls: dict[str, str], project: Stack, bobs_post: str
) -> None:
    alice, bob = project.user("alice"), project.user("bob")
    liker, author = await signed_in(project, alice), await signed_in(project, bob)
    sqs = account.client("sqs")
    try:
        heard = await hears_notifications(author, bob)
        answer = await asyncio.to_thread(like, account, urls, bobs_post, await token_of(liker))
        assert answer.status_code == 200, answer.text
        assert answer.json() | {"liked": True, "total_likes": 1, "changed": True} == answer.json()
        assert answer.json()["author"]["id"] == bob.id

        await asyncio.to_thread(wait_until, lambda: waiting(sqs, urls["QueueUrl"]) == 1, 10)

        told = await asyncio.wait_for(heard.get(), SCHEDULE_SECONDS)
        assert told["data"]["contentId"] == bobs_post
        assert told["data"]["likerUsername"] == "alice"
        await asyncio.to_thread(wait_until, lambda: waiting(sqs, urls["QueueUrl"]) == 0, 20)
        assert waiting(sqs, urls["DeadLetterQueueUrl"]) == 0
    finally:
        await liker.auth.sign_out()
        await author.remove_all_channels()


def like(account: Account, urls: dict[str, str], post: str, token: str) -> httpx.Response:
    with account.http(urls["LikesLambdaFunctionUrl"]) as likes:
        body = {"content_type": "post", "content_id": post, "liked": True}
        return likes.post("/", json=body, headers={"Authorization": f"Bearer {token}"})


def waiting(sqs: Any, url: str) -> int:
    """The messages of a queue, due or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    names.append("ApproximateNumberOfMessagesNotVisible")
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


@pytest.mark.usefixtures("urls")
def test_removing_it_leaves_nothing(account: Account) -> None:
    done = account.run("node_modules/.bin/osls", "remove", "--stage", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    assert account.client("lambda").list_functions()["Functions"] == []
    assert account.client("sqs").list_queues().get("QueueUrls", []) == []
    assert account.client("events").list_rules()["Rules"] == []
    assert account.client("iam").list_roles()["Roles"] == []
    assert account.client("logs").describe_log_groups()["logGroups"] == []
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert account.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert account.client("sns").list_topics()["Topics"] == []
