"""Every test gets a database of its own."""

from collections.abc import Iterator

import pytest

from tests.integration.engine.cluster import Cluster, running
from tests.integration.engine.world import World


@pytest.fixture(scope="session")
def engine_cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


@pytest.fixture
def world(engine_cluster: Cluster) -> Iterator[World]:
    world = World(engine_cluster)
    yield world
    world.close()
