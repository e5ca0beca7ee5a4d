"""One run of the stack: what is started, in which order, what is told to the developer, and how it ends."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Coroutine
from typing import TypeVar

from local import database, parts, postgres, processes, queues, schedule
from local.console import say
from local.database import User
from local.folder import StateFolder, locked
from local.settings import FUNCTIONS, HOST, JWT_SECRET, PUBLISHABLE_KEY, SECRET_KEY, Settings
from local.supervisor import Supervisor

Result = TypeVar("Result")


async def run(settings: Settings) -> None:
    """Run the stack until Ctrl-C, SIGTERM or SIGHUP, then stop all of it.

    Raises:
        StackError: it could not be started, or a part of it died. Everything is stopped by then.
    """
    interrupted = _interruption()
    with locked(settings.folder) as folder:
        await _tidy(settings, folder)
        supervisor = Supervisor(folder, settings.root)
        life = asyncio.create_task(_live(settings, folder, supervisor))
        end = asyncio.create_task(interrupted.wait())
        try:
            await asyncio.wait({life, end}, return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()
            say("Stopping.")
        finally:
            life.cancel()
            await asyncio.wait({life})
            folder.forget()
            await supervisor.stop()


async def _tidy(settings: Settings, folder: StateFolder) -> None:
    processes.adopt_orphans()
    for part in await processes.end_noted(folder.processes):
        say(f"  {part} of an earlier run was still there, and was stopped.")
    folder.forget()
    if settings.reset:
        folder.clear()


async def _live(settings: Settings, folder: StateFolder, supervisor: Supervisor) -> None:
    begun = time.monotonic()
    say(f"Starting the local stack in {folder.path}")
    users, queue_url = await _unless_a_part_dies(supervisor, _start(settings, folder, supervisor))
    folder.describe(_description(settings, users, queue_url))
    _announce(settings, folder, users, time.monotonic() - begun)
    drain = f"http://{HOST}:{settings.ports.functions}/drain"
    await _together(
        supervisor.watch(),
        schedule.call_every_minute(drain, folder.new_log("schedule")),
        *([_crowd(settings, folder)] if settings.crowd else []),
    )


async def _start(settings: Settings, folder: StateFolder, supervisor: Supervisor) -> tuple[list[User], str]:
    """Start everything, each part after those that it needs. Returns the users and the URL of the queue."""
    _ = settings.ports  # A taken port is told before anything is started.
    cluster = await postgres.prepare(settings.root, folder.database)
    await supervisor.start(parts.postgres(settings, cluster))
    await database.prepare_roles(settings)
    await supervisor.start(parts.auth(settings))
    begun = time.monotonic()
    done = await database.prepare_schema(settings)
    say(f"  {'database':<12}{time.monotonic() - begun:5.1f} s  {done}")
    await supervisor.start(parts.rest(settings))
    await supervisor.start(parts.realtime(settings))
    await supervisor.start(parts.queue(settings))
    queue_url = await asyncio.to_thread(queues.make_queues, parts.sqs_endpoint(settings))
    await supervisor.start(parts.functions(settings, queue_url))
    users = await database.seeded_users(settings)
    await supervisor.start(parts.gateway(settings, users))
    return users, queue_url


def _description(settings: Settings, users: list[User], queue_url: str) -> dict[str, object]:
    """What docs/contracts.md promises of stack.json."""
    return {
        "url": settings.url,
        "publishable_key": PUBLISHABLE_KEY,
        "secret_key": SECRET_KEY,
        "jwt_secret": JWT_SECRET,
        "db_url": settings.database_url("postgres"),
        "functions": {name: f"{settings.url}/functions/v1/{name}" for name in FUNCTIONS},
        "sqs_endpoint": parts.sqs_endpoint(settings),
        "queue_url": queue_url,
        "users": [user.as_dict() for user in users],
        "pid": os.getpid(),
    }


def _announce(settings: Settings, folder: StateFolder, users: list[User], seconds: float) -> None:
    say(f"Ready after {seconds:.1f} s: {settings.url}")
    say(f"  publishable key  {PUBLISHABLE_KEY}")
    say(f"  secret key       {SECRET_KEY}")
    say(f"  database         {settings.database_url('postgres')}")
    if users:
        say(f"  sign in as       {', '.join(user.email for user in users[:3])} (password {users[0].password})")
    say(f"  logs             {folder.logs}")
    say("  Ctrl-C stops everything.")


async def _unless_a_part_dies(supervisor: Supervisor, work: Coroutine[None, None, Result]) -> Result:
    """The result of the work. If it fails and a part turns out to be dead, that is what is raised: it is the cause."""
    task, death = asyncio.create_task(work), asyncio.create_task(supervisor.watch())
    try:
        await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and task.exception() is not None:
            await asyncio.wait({death}, timeout=1)
        return death.result() if death.done() else task.result()
    finally:
        task.cancel()
        death.cancel()
        await asyncio.wait({task, death})


async def _together(*work: Coroutine[None, None, None]) -> None:
    """Run all of them until one fails, and raise that failure as it is (a task group would wrap it)."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _crowd(settings: Settings, folder: StateFolder) -> None:
    """Simulated users, whose figures appear in the developer's terminal. When they have gone the stack stays."""
    command = [sys.executable, "-m", "local.crowd", "--stack", str(folder.description), "-n", str(settings.crowd)]
    crowd = await asyncio.create_subprocess_exec(
        *processes.dying_with_us(command, signal.SIGTERM),
        stdin=asyncio.subprocess.DEVNULL,
        cwd=settings.root,
        process_group=0,
    )
    try:
        say(f"The crowd has gone (status {await crowd.wait()}).")
    finally:
        if crowd.returncode is None:
            crowd.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(crowd.wait(), 5)


def _interruption() -> asyncio.Event:
    """Set when the developer, the system or the terminal asks us to stop."""
    loop, interrupted = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # Started by nohup, which means it.
        loop.add_signal_handler(number, interrupted.set)
    return interrupted
