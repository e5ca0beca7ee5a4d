"""Every rule holds for both versions of the protocol, unless a test says otherwise."""

import pytest

from tests.unit.realtime.world import VERSIONS, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)
