"""The stack when something goes wrong: it says what, leaves no process behind, and starts again with its data."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from tests.stack import ROOT, Stack, StackProcess

_MIGRATION = "create table public.notes (note text); grant select, insert on public.notes to service_role;"


@pytest.fixture(scope="module")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one small migration, so that a start takes a few seconds."""
    project = tmp_path_factory.mktemp("supabase")
    (project / "migrations").mkdir()
    (project / "migrations" / "20260101000000_notes.sql").write_text(_MIGRATION)
    return project


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, supabase: Path) -> Iterator[StackProcess]:
    """The command that tests here start, stop and kill, always on the same folder, as a developer does."""
    process = StackProcess(tmp_path_factory.mktemp("faults"), ["--supabase", str(supabase)])
    yield process
    process.stop()


@pytest.fixture
def own(process: StackProcess) -> Stack:
    """The stack of that command, running. A test may leave it running, stopped or broken."""
    if not process.is_running:
        process.start()
    return process.wait_until_ready()


def test_the_ready_line_names_url_keys_and_logs(process: StackProcess, own: Stack) -> None:
    ready = process.output[process.output.index("Ready after") :]
    for fact in (own.url, own.publishable_key, own.secret_key, own.db_url, str(own.folder / "logs")):
        assert fact in ready
    assert "\x1b" not in process.output


def test_a_second_stack_on_the_folder_is_refused(own: Stack) -> None:
    second = StackProcess(own.folder / "second", ["--dir", str(own.folder)])
    assert complaint(second) == f"A stack is already running on {own.folder}: stop it first, or choose another --dir."
    assert httpx.get(f"{own.url}/local/config").is_success


def test_two_stacks_run_side_by_side_and_a_chosen_port_is_used(own: Stack, supabase: Path, tmp_path: Path) -> None:
    port = free_port()
    arguments = ["--supabase", str(supabase), "--port", str(port)]
    with StackProcess(tmp_path, arguments, command=[str(ROOT / "bin" / "dev")]) as process:
        other = process.wait_until_ready()
        assert other.url == f"http://127.0.0.1:{port}"
        assert f":{port + 1}/" in other.db_url
        note(other, "only here")
        assert "only here" not in notes(own)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_and_nothing_is_left(
    process: StackProcess, own: Stack, ending: signal.Signals
) -> None:
    processes = family(own)
    assert len(processes) > 10
    assert process.stop(ending) == 0
    assert are_gone(processes, within=0)
    assert not (own.folder / "stack.json").exists()


def test_ctrl_c_while_starting_stops_everything(process: StackProcess) -> None:
    process.start()
    while "auth" not in process.output:
        time.sleep(0.02)
    processes = psutil.Process(process.pid).children(recursive=True)
    assert process.stop() == 0
    assert are_gone(processes, within=0)


def test_data_survives_a_restart_takes_new_migrations_and_a_reset_removes_it(
    process: StackProcess, own: Stack, supabase: Path
) -> None:
    note(own, "kept")
    process.stop()
    added = supabase / "migrations" / "20260101000001_add_stars.sql"
    added.write_text("alter table public.notes add column stars int not null default 3;")
    process.start()
    with psycopg.connect(process.wait_until_ready().db_url) as database:
        assert database.execute("select stars from public.notes where note = 'kept'").fetchone() == (3,)
    process.stop()
    process.start("--reset")
    assert notes(process.wait_until_ready()) == []


@pytest.mark.parametrize(("word", "name"), [("bin/postgres", "postgres"), ("gunicorn", "functions")])
def test_a_part_that_dies_is_named_and_the_rest_stopped(
    process: StackProcess, own: Stack, word: str, name: str
) -> None:
    note(own, name)
    processes = family(own)
    part(own, word).kill()
    assert process.wait() == 1
    log = own.folder / "logs" / f"{name}.log"
    sentence = f"Error: {name} was killed by SIGKILL; its log is {log}. Everything else was stopped."
    assert process.output.splitlines()[-1] == sentence
    assert are_gone(processes, within=0)
    process.start()
    assert name in notes(process.wait_until_ready())


def test_killing_the_supervisor_takes_the_parts_along_and_the_next_start_works(
    process: StackProcess, own: Stack
) -> None:
    note(own, "before the kill")
    processes = family(own)
    os.kill(own.pid, signal.SIGKILL)
    process.wait()
    process.start()  # At once: what is still going down has to be waited for.
    assert "before the kill" in notes(process.wait_until_ready())
    assert are_gone(processes)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = f"Port {port} is taken: stop what listens there, or choose another with --port."
        assert complaint(StackProcess(tmp_path, ["--port", str(port)])) == sentence


def test_a_missing_tool_is_named(tmp_path: Path, supabase: Path) -> None:
    without_node = os.environ | {"PATH": str(folder_of_tools(tmp_path, ("setpriv", "test", "true", "sh")))}
    process = StackProcess(tmp_path / "state", ["--supabase", str(supabase)], without_node)
    assert complaint(process) == "Node.js is missing: install version 20 or newer."


def test_a_broken_migration_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    misnamed, broken = migrations / "broken.sql", migrations / "20260101000001_broken.sql"
    process = StackProcess(tmp_path / "state", ["--supabase", str(migrations.parent)])

    misnamed.write_text("create table public.more (id int);\n\n-- A comment.\nselect nothing from nowhere;")
    assert complaint(process) == "The migration broken.sql needs a name like 20261122120000_what_it_does.sql."
    misnamed.rename(broken)
    assert complaint(process) == (
        '20260101000001_broken.sql failed: relation "nowhere" does not exist. (SQLSTATE 42P01) '
        "In: select nothing from nowhere"
    )
    broken.unlink()
    with process, psycopg.connect(process.wait_until_ready().db_url) as database:
        assert database.execute("select to_regclass('public.more')").fetchone() == (None,)


def test_a_database_that_dies_under_a_migration_is_named(tmp_path: Path) -> None:
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20260101000000_slow.sql").write_text("select pg_sleep(60);")
    with StackProcess(tmp_path / "state", ["--supabase", str(migrations.parent)]) as process:
        while "auth" not in process.output:
            time.sleep(0.02)
        children = psutil.Process(process.pid).children()
        next(child for child in children if child.name() == "postgres").kill()
        assert process.wait() == 1
        assert process.output.splitlines()[-1].startswith("Error: postgres was killed by SIGKILL; its log is ")


def complaint(process: StackProcess) -> str:
    """What a start that fails says in the end."""
    process.start()
    assert process.wait() == 1
    return process.output.splitlines()[-1].removeprefix("Error: ")


def part(stack: Stack, word: str) -> psutil.Process:
    """The part whose command line has the word."""
    return next(child for child in psutil.Process(stack.pid).children() if any(word in arg for arg in child.cmdline()))


def family(stack: Stack) -> list[psutil.Process]:
    supervisor = psutil.Process(stack.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def are_gone(processes: list[psutil.Process], within: float = 15) -> bool:
    """Whether all have ended in time; a zombie has."""
    deadline = time.monotonic() + within
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def note(stack: Stack, text: str) -> None:
    headers = {"apikey": stack.secret_key}
    httpx.post(f"{stack.url}/rest/v1/notes", json={"note": text}, headers=headers).raise_for_status()


def notes(stack: Stack) -> list[str]:
    answer = httpx.get(f"{stack.url}/rest/v1/notes?select=note", headers={"apikey": stack.secret_key})
    return [row["note"] for row in answer.json()]


def free_port() -> int:
    """A port whose successor is most likely free, too: below the range of outgoing connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1]) % 10000 + 10000


def folder_of_tools(parent: Path, names: tuple[str, ...]) -> Path:
    """A folder with links to these programs and nothing else."""
    path = parent / "bin"
    path.mkdir()
    for name in names:
        for folder in (Path("/usr/bin"), Path("/bin")):
            if (folder / name).exists() and not (path / name).exists():
                (path / name).symlink_to(folder / name)
    return path
