"""What the tests share: an emulator of AWS, a PostgreSQL server with a database for each test, a seeded project."""

from collections.abc import Iterator

import pytest

from tests.integration.engine.cluster import Cluster
from tests.integration.engine.cluster import running as running_cluster
from tests.integration.engine.world import World
from tests.operations.emulator import Emulator
from tests.operations.emulator import running as running_emulator
from tests.operations.project import Project
from tests.operations.project import running as running_project


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        emulator.deploy()
        yield emulator


@pytest.fixture(scope="session")
def operations_cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def world(operations_cluster: Cluster) -> Iterator[World]:
    world = World(operations_cluster)
    yield world
    world.close()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Releases are pushed onto it, one after the other."""
    with running_project(tmp_path_factory.mktemp("project")) as project:
        yield project
