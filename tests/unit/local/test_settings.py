"""What one run is told: its ports."""

import dataclasses
import socket
from pathlib import Path

import pytest

from local.errors import StackError
from local.settings import Settings


def settings(port: int) -> Settings:
    return Settings(Path(), Path(), Path(), port)


def test_every_part_has_a_port_of_its_own_and_keeps_it() -> None:
    some = settings(0)
    ports = dataclasses.astuple(some.ports)
    assert len(set(ports)) == len(ports)
    assert dataclasses.astuple(some.ports) == ports


def test_the_database_takes_the_port_after_the_chosen_one() -> None:
    ports = settings(19170).ports
    assert (ports.gateway, ports.database) == (19170, 19171)


@pytest.mark.parametrize("offset", [0, -1])
def test_a_taken_port_of_either_is_named(offset: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 19180))
        taken.listen()
        with pytest.raises(StackError, match="Port 19180 is taken"):
            _ = settings(19180 + offset).ports
