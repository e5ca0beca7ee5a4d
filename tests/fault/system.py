"""The system as real processes, with doors at which a test takes hold of what the functions send and receive.

    likes function ── to_queue ──► SQS ◄── from_queue ── drain ── to_database ──► PostgREST ──► PostgreSQL ──► Realtime

It starts the parts of the local stack one by one, without the supervisor, who would stop all when one is killed.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import boto3
import psycopg

from local import database, parts, postgres, processes, queues
from local.postgres import SUPERUSER
from local.settings import HOST, Settings, role_token
from local.supervisor import Part
from local.tools import answers
from tests.fault.proxy import Proxy, pass_on
from tests.stack import ROOT

_HERE: Final = Path(__file__).parent
# Shorter than the deployment's minute, so that a killed drain's messages are back while the test watches.
VISIBILITY_SECONDS: Final = 2
_DRAIN_SECONDS: Final = 58

# Commit times give the order of events. A crash keeps what was committed, as far as the operating system lives on.
_POSTGRES: Final = ("-c", "track_commit_timestamp=on", "-c", "fsync=off")


class Running:
    """A process of the system."""

    def __init__(self, name: str, argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        base = processes.base_environment(folder / "tmp")
        with (folder / "logs" / f"{name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**base, **environment},
                process_group=0,
            )

    def begin(self) -> None:
        """Its input ends: a drain begins."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End it and everything that it started, and wait until that is done."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, with_signal)
        self._process.wait(30)
        self.begin()


class System:
    """The running parts. To the tests' World it is the database server."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(ROOT, folder / "state", _without_seed(folder / "supabase"), port=0)
        for name in ("logs", "tmp"):
            (self.settings.folder / name).mkdir(parents=True)
        self._ends = ExitStack()
        self._running: dict[str, Running] = {}
        self._drains: list[Running] = []

    @contextmanager
    def running(self) -> Iterator["System"]:
        with self._ends:
            self._start()
            yield self

    def _start(self) -> None:
        settings = self.settings
        self._cluster = asyncio.run(postgres.prepare(ROOT, settings.folder / "postgres"))
        self.start_database()
        asyncio.run(database.prepare_roles(settings))
        self.start(parts.auth(settings))
        self._running["auth"].kill()  # it has made its tables, and nobody signs in here
        asyncio.run(database.prepare_schema(settings))
        for part in (parts.rest(settings), parts.realtime(settings), parts.queue(settings)):
            self.start(part)
        self.queue_url = queues.make_queues(parts.sqs_endpoint(settings))
        self._prepare_queues()
        rest = f"http://{HOST}:{settings.ports.rest}"
        self.to_queue, self.from_queue, self.to_database = (
            self._ends.enter_context(Proxy(upstream).running())
            for upstream in (parts.sqs_endpoint(settings), parts.sqs_endpoint(settings), rest)
        )
        self.likes_url = self.start_functions()
        self._warm_drain()

    def _prepare_queues(self) -> None:
        # never through our proxies' environment: what a developer has set must change nothing
        self._sqs = boto3.client(
            "sqs",
            endpoint_url=parts.sqs_endpoint(self.settings),
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        attributes: Any = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        self._sqs.set_queue_attributes(QueueUrl=self.queue_url, Attributes=attributes)
        self.elsewhere_url = self._sqs.create_queue(QueueName="elsewhere")["QueueUrl"]

    # Parts

    def start(self, part: Part) -> Running:
        """Start a part and wait until it serves."""
        running = Running(part.name, part.argv, part.environment, self.settings.folder)
        self._running[part.name] = running
        self._ends.callback(running.kill)
        asyncio.run(asyncio.wait_for(part.ready(), part.deadline))
        return running

    def start_database(self) -> None:
        """Start PostgreSQL, for the first time or after a crash."""
        part = parts.postgres(self.settings, self._cluster)
        self.start(replace(part, argv=[*part.argv, *_POSTGRES]))

    def crash_database(self) -> None:
        """Every session ends, nothing is written any more, no goodbye."""
        self._running["postgres"].kill(signal.SIGQUIT)

    def start_functions(self, name: str = "functions", skew: float = 0) -> str:
        """Start the functions; returns where the likes function is."""
        part = parts.functions(self.settings, self.queue_url)
        address = f"{HOST}:{self.settings.ports.functions}"
        if name != part.name:  # auth has gone, and its port is free
            address = f"{HOST}:{self.settings.ports.auth}"
        argv = [address if word == f"{HOST}:{self.settings.ports.functions}" else word for word in part.argv]
        environment = {**part.environment, **self._of_functions(), "AWS_ENDPOINT_URL_SQS": self.to_queue.url}
        environment |= _skewed(environment, skew)
        ready = answers(f"http://{address}/")
        self.start(replace(part, name=name, argv=argv, environment=environment, ready=ready))
        return f"http://{address}/likes"

    def kill_functions(self) -> None:
        """As when the machine under it goes away."""
        self._running["functions"].kill()

    def start_drain(self, skew: float = 0) -> Running:
        """One drain, as the schedule starts it, on a warm machine: the next is warmed up meanwhile."""
        running = self._warm_drain(skew) if skew else self._drains[-1]
        running.begin()
        if not skew:
            self._warm_drain()
        return running

    def _warm_drain(self, skew: float = 0) -> Running:
        part = parts.functions(self.settings, self.queue_url)
        environment = {
            **part.environment,
            **self._of_functions(),
            "REST_URL": self.to_database.url,
            "AWS_ENDPOINT_URL_SQS": self.from_queue.url,
            "DRAIN_SECONDS": str(_DRAIN_SECONDS),
        }
        environment |= _skewed(environment, skew)
        argv = processes.dying_with_us([sys.executable, str(_HERE / "drain_once.py")], signal.SIGTERM)
        running = Running("drain", argv, environment, self.settings.folder)
        self._ends.callback(running.kill)
        self._drains.insert(0 if skew else len(self._drains), running)
        return running

    def kill_drains(self) -> None:
        """None but the warm one is left for the next test."""
        for drain in self._drains[:-1]:
            drain.kill()
        del self._drains[:-1]

    def _of_functions(self) -> dict[str, str]:
        """They meet PostgREST directly: the gateway is no part of what fails here."""
        rest = f"http://{HOST}:{self.settings.ports.rest}"
        return {"REST_URL": rest, "SUPABASE_SECRET_KEY": role_token("service_role")}

    def open_doors(self) -> None:
        """Let everything through again."""
        for proxy in (self.to_queue, self.from_queue, self.to_database):
            proxy.rule = pass_on

    # Queue

    def messages(self, queue_url: str | None = None) -> int:
        """How many messages there are: waiting, delayed or in somebody's hands."""
        names: list[Any] = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        found = self._sqs.get_queue_attributes(QueueUrl=queue_url or self.queue_url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)

    def dead_messages(self) -> int:
        """How many ended in the dead-letter queue."""
        return self.messages(self._sqs.get_queue_url(QueueName="likes-settle-dead")["QueueUrl"])

    def put_message(self, body: str) -> None:
        """Somebody sends a message."""
        self._sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    # As the database server of a World

    def url(self, name: str, role: str = "postgres") -> str:
        return self.settings.database_url(role).removesuffix("postgres") + name

    def copy(self) -> str:
        """All tests share one database: there is one PostgREST."""
        return "postgres"

    def drop(self, name: str) -> None:
        """It stays."""

    def wait_for_api(self) -> None:
        """Until PostgREST has found the database again."""
        end = time.monotonic() + 60
        while not self._api_answers():
            assert time.monotonic() < end, "PostgREST has not come back"
            time.sleep(0.05)

    def _api_answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres", SUPERUSER), connect_timeout=2):
                pass
            asyncio.run(asyncio.wait_for(parts.rest(self.settings).ready(), 1))
        except (psycopg.OperationalError, TimeoutError):
            return False
        return True


def _skewed(environment: Mapping[str, str], skew: float) -> dict[str, str]:
    path = os.pathsep.join((str(_HERE / "skewed"), environment.get("PYTHONPATH", "")))
    return {"PYTHONPATH": path, "CLOCK_SKEW_SECONDS": str(skew)} if skew else {}


def _without_seed(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "migrations").symlink_to(ROOT / "supabase" / "migrations")
    return folder
