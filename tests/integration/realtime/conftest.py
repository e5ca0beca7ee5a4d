"""A PostgreSQL and a Realtime server of their own, with the roles of the local stack and policies of every kind."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
import pytest_asyncio

from local import postgres
from tests.integration.realtime.wire import SECRET, Wire

ROOT = Path(__file__).parents[3]
PUBLISHABLE_KEY = "sb_publishable_test"
SECRET_KEY = "sb_secret_test"

# auth.uid() as the platform has it; the local stack takes the rest of schema auth from Supabase's own server.
AUTH = """
create function auth.uid() returns uuid language sql stable as
$$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
"""
POLICIES = """
create policy read_own on realtime.messages for select to authenticated
  using (realtime.topic() = 'user:' || (select auth.uid())::text);
create policy read on realtime.messages for select to authenticated
  using (realtime.topic() ~ '^(room|read):' or (realtime.topic() like 'presence:%' and extension = 'presence'));
create policy write on realtime.messages for insert to authenticated
  with check (realtime.topic() like 'room:%' or (realtime.topic() like 'presence:%' and extension = 'presence'));
create policy read_by_header on realtime.messages for select to authenticated
  using (realtime.topic() like 'header:%' and current_setting('request.headers', true)::jsonb ->> 'x-pass' = 'yes');
create policy read_broken on realtime.messages for select to authenticated
  using (case when realtime.topic() like 'broken:%' then 1 / (length(topic) * 0) = 1 else false end);
create table public.likes (id int primary key, n int);
create function public.tell() returns trigger language plpgsql security definer as $$
begin
  perform realtime.broadcast_changes('room:changes', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
  return null;
end $$;
create trigger tell after insert or update or delete on public.likes for each row execute function public.tell();
"""


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Database:
    """The server under a temporary folder; a test may stop and start it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._cluster = asyncio.run(postgres.prepare(ROOT, folder))
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, role: str = "supabase_admin") -> str:
        return f"postgresql://{role}:postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        command = [*self._cluster.command(self.port), "-c", "fsync=off"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/")
        wait_until(self._accepts)

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(self._cluster.farewell[0][0])
            self._process.wait(timeout=20)

    def run(self, sql: str, role: str = "supabase_admin") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def _accepts(self) -> bool:
        try:
            return bool(self.run("select 1"))
        except psycopg.OperationalError:
            return False


class RealtimeServer:
    """`python -m local.realtime` as the stack starts it."""

    def __init__(self, database: Database, **variables: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {
            "REALTIME_PORT": str(self.port),
            "REALTIME_DB_URL": database.url(),
            "REALTIME_JWT_SECRET": SECRET,
            "REALTIME_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "REALTIME_SECRET_KEY": SECRET_KEY,
        }
        command = [sys.executable, "-m", "local.realtime"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment | variables)
        try:
            wait_until(self.healthy)
        except BaseException:
            self.process.kill()
            raise

    def healthy(self) -> bool:
        try:
            with urlopen(f"{self.url}/healthcheck", timeout=5) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            return False

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for something another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="realtime-test-"))
    folder.chmod(0o755)
    database = Database(folder)
    database.start()
    try:
        for sql in ((ROOT / "local/sql/roles.sql").read_text(), AUTH, (ROOT / "local/realtime/schema.sql").read_text()):
            database.run(sql)
        database.run(POLICIES, role="postgres")
        yield database
    finally:
        database.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server(database: Database) -> Iterator[RealtimeServer]:
    """The server that tests share as long as they need no settings of their own."""
    server = RealtimeServer(database)
    yield server
    server.stop()


@pytest.fixture
def serve(database: Database) -> Iterator[Callable[..., RealtimeServer]]:
    """Starts servers with other settings."""
    with ExitStack() as stack:

        def start(**variables: str) -> RealtimeServer:
            server = RealtimeServer(database, **variables)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture(params=["1.0.0", "2.0.0"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def connect(server: RealtimeServer) -> AsyncIterator[Callable[..., object]]:
    """Opens raw sockets, by default to the shared server, and closes them in the end."""
    wires: list[Wire] = []

    async def open_wire(version: str = "2.0.0", to: RealtimeServer = server, **options: object) -> Wire:
        wire = await Wire.open(to.url, version, **options)  # type: ignore[arg-type]
        wires.append(wire)
        return wire

    yield open_wire
    for wire in wires:
        await wire.close()
