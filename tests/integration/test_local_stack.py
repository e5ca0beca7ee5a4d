"""The running stack, asked from outside: described, closed to the network, and like a hosted Supabase project."""

import asyncio
import json
import stat
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import aiohttp
import boto3
import httpx
import jwt
import psutil
import psycopg
import pytest
from supabase import create_client

from tests.stack import ROOT, Stack, StackUser


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url) as client:
        yield client


@pytest.fixture
def database(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        yield connection


def token_of(stack: Stack, user: StackUser) -> str:
    client = create_client(stack.url, stack.publishable_key)
    session = client.auth.sign_in_with_password({"email": user.email, "password": user.password}).session
    assert session is not None
    return session.access_token


def with_key(key: str, token: str | None = None) -> dict[str, str]:
    return {"apikey": key} | ({"Authorization": f"Bearer {token}"} if token else {})


# --- its description


def test_the_description_is_private_and_complete(stack: Stack) -> None:
    file = stack.folder / "stack.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {
        *("url", "publishable_key", "secret_key", "jwt_secret", "db_url", "functions", "sqs_endpoint", "queue_url"),
        *("users", "pid"),
    }
    assert {"likes", "authors", "drain"} <= set(stack.functions)
    assert len(stack.users) == 50


def test_every_described_user_can_sign_in(stack: Stack, http: httpx.Client) -> None:
    for user in (stack.users[0], stack.users[-1]):
        answer = http.post(
            "/auth/v1/token?grant_type=password",
            json={"email": user.email, "password": user.password},
            headers=with_key(stack.publishable_key),
        )
        assert answer.json()["user"]["id"] == user.id


def test_the_page_learns_where_it_is_and_who_can_sign_in(stack: Stack, http: httpx.Client) -> None:
    config = http.get("/local/config").json()
    first = stack.users[0]
    assert config["url"] == stack.url
    assert config["publishable_key"] == stack.publishable_key
    assert config["users"][0] == {"email": first.email, "username": first.username, "password": first.password}
    assert stack.secret_key not in json.dumps(config)


def test_the_page_is_served(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "no-cache" in answer.headers["Cache-Control"]


# --- its processes


def test_nothing_listens_to_the_network(stack: Stack) -> None:
    supervisor = psutil.Process(stack.pid)
    listening = [
        connection.laddr.ip
        for process in (supervisor, *supervisor.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 8
    assert set(listening) == {"127.0.0.1"}


def test_the_stack_takes_less_than_700_megabytes(stack: Stack) -> None:
    supervisor = psutil.Process(stack.pid)
    family = (supervisor, *supervisor.children(recursive=True))
    assert sum(process.memory_full_info().pss for process in family) < 700 * 2**20


# --- its database


def test_postgres_is_no_superuser_but_may_do_what_a_project_owner_does(database: psycopg.Connection) -> None:
    rights = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    row = database.execute(f"select {rights} from pg_roles where rolname = current_user").fetchone()
    assert row == (False, True, True, True, True)


@pytest.mark.parametrize(
    ("setting", "value"), [("TimeZone", "UTC"), ("wal_level", "logical"), ("fsync", "on"), ("server_version_num", "17")]
)
def test_the_server_is_set_up_as_supabase_has_it(database: psycopg.Connection, setting: str, value: str) -> None:
    row = database.execute("select current_setting(%s)", [setting]).fetchone()
    assert row is not None
    assert row[0].startswith(value)


def test_a_new_function_is_open_to_everyone_until_it_is_revoked(
    stack: Stack, database: psycopg.Connection, http: httpx.Client
) -> None:
    """Hosted default privileges grant by name: revoking from public alone is not enough, and tests have to notice."""
    database.execute("create function public.probe_open() returns int language sql as 'select 1'")
    try:
        database.execute("revoke execute on function public.probe_open from public")
        headers = with_key(stack.publishable_key)
        assert eventually(lambda: http.post("/rest/v1/rpc/probe_open", headers=headers).status_code == 200)
        database.execute("revoke execute on function public.probe_open from anon")
        assert http.post("/rest/v1/rpc/probe_open", headers=headers).status_code == 401
    finally:
        database.execute("drop function public.probe_open")


def test_migrations_are_recorded_as_the_official_tool_does(database: psycopg.Connection) -> None:
    rows = database.execute("select version, name, cardinality(statements) from supabase_migrations.schema_migrations")
    files = sorted((ROOT / "supabase" / "migrations").glob("*.sql"))
    recorded = sorted(rows.fetchall())
    assert [f"{version}_{name}.sql" for version, name, _ in recorded] == [file.name for file in files]
    assert all(statements > 1 for _, _, statements in recorded)


# --- its APIs


def test_each_key_gets_its_role_and_a_token_wins_over_the_key(
    stack: Stack, database: psycopg.Connection, http: httpx.Client
) -> None:
    database.execute("create function public.probe_role() returns text language sql as 'select auth.role()'")
    try:
        user = stack.users[0]

        def role(headers: dict[str, str]) -> str:
            return http.post("/rest/v1/rpc/probe_role", headers=headers).text

        assert eventually(lambda: role(with_key(stack.publishable_key)) == '"anon"')
        assert role(with_key(stack.secret_key)) == '"service_role"'
        # The official clients repeat the key as a bearer token.
        assert role(with_key(stack.secret_key, stack.secret_key)) == '"service_role"'
        assert role(with_key(stack.publishable_key, token_of(stack, user))) == '"authenticated"'
        assert role({}) in ("null", '"anon"')
    finally:
        database.execute("drop function public.probe_role")


def test_policies_see_the_user_of_the_token(stack: Stack, database: psycopg.Connection, http: httpx.Client) -> None:
    database.execute("create function public.probe_uid() returns uuid language sql as 'select auth.uid()'")
    try:
        user = stack.users[1]
        headers = with_key(stack.publishable_key, token_of(stack, user))
        assert eventually(lambda: http.post("/rest/v1/rpc/probe_uid", headers=headers).text == f'"{user.id}"')
    finally:
        database.execute("drop function public.probe_uid")


def test_an_unknown_key_is_refused(http: httpx.Client) -> None:
    assert http.get("/rest/v1/posts?limit=1", headers=with_key("sb_secret_wrong")).status_code == 401


def test_times_of_the_auth_api_are_iso_8601(stack: Stack) -> None:
    client = create_client(stack.url, stack.publishable_key)
    answer = client.auth.sign_in_with_password({"email": stack.users[0].email, "password": stack.users[0].password})
    assert answer.user is not None
    assert isinstance(answer.user.created_at, datetime)


def test_someone_new_can_sign_up_and_gets_a_profile(stack: Stack, database: psycopg.Connection) -> None:
    client = create_client(stack.url, stack.publishable_key)
    name = f"new{time.time_ns() % 10**9}"
    answer = client.auth.sign_up(
        {"email": f"{name}@example.com", "password": "a long secret", "options": {"data": {"username": name}}}
    )
    assert answer.user is not None
    row = database.execute("select username from public.users where id = %s", [answer.user.id]).fetchone()
    assert row == (name,)


@pytest.mark.parametrize("path", ["/rest/v1/posts", "/auth/v1/token", "/realtime/v1/api/broadcast"])
def test_any_page_may_call_the_apis(http: httpx.Client, path: str) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = http.options(path, headers={**asked, "Access-Control-Request-Headers": "apikey,x-client-info"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-client-info" in answer.headers["Access-Control-Allow-Headers"]


def test_answers_carry_one_allowed_origin(stack: Stack, http: httpx.Client) -> None:
    headers = {**with_key(stack.publishable_key), "Origin": "https://shop.example"}
    for path in ("/rest/v1/posts?limit=1", "/auth/v1/settings"):
        assert http.get(path, headers=headers).headers.get_list("Access-Control-Allow-Origin") == ["*"]


def test_functions_answer_under_their_names(stack: Stack, http: httpx.Client) -> None:
    assert httpx.post(stack.functions["likes"], json={}).status_code == 401
    assert http.get("/functions/v1/nothing").status_code == 404


async def test_a_socket_takes_the_publishable_key_and_a_forged_one_is_refused(stack: Stack) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{stack.url}/realtime/v1/websocket?vsn=1.0.0&apikey="
        async with session.ws_connect(url + stack.publishable_key) as socket:
            await socket.send_json({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"})
            reply = await asyncio.wait_for(socket.receive_json(), 5)
            assert reply["payload"]["status"] == "ok"
        forged = jwt.encode({"role": "service_role", "exp": time.time() + 60}, "not the secret of this stack, by far")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(url + forged)
        assert refusal.value.status == 401


# --- its queue and schedule


def test_messages_that_fail_five_times_go_to_the_dead_letter_queue(stack: Stack) -> None:
    sqs = boto3.client(
        "sqs",
        endpoint_url=stack.sqs_endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    attributes = sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes["RedrivePolicy"])
    assert int(redrive["maxReceiveCount"]) == 5
    assert redrive["deadLetterTargetArn"].endswith(":likes-settle-dead")


def test_a_wake_up_is_drained_without_waiting_for_the_next_minute(stack: Stack) -> None:
    sqs = boto3.client(
        "sqs",
        endpoint_url=stack.sqs_endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    body = json.dumps({"content_type": "post", "content_id": "00000000-0000-4000-8000-000000000000"})
    sqs.send_message(QueueUrl=stack.queue_url, MessageBody=body)

    def is_empty() -> bool:
        counts = sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["All"])["Attributes"]
        return counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"

    assert eventually(is_empty, within=20)


def eventually(is_true: Callable[[], bool], within: float = 10) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + within
    while not (now := is_true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return now
