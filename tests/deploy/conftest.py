"""What is deployed: the zip and the template of each stage, made once by what bin/deploy uses."""

from collections.abc import Callable
from functools import cache

import pytest

from infra.package import Package, build
from infra.template import Template, synthesize


@pytest.fixture(scope="session")
def package() -> Package:
    """The zip for arm64, where bin/deploy puts it."""
    return build("arm64")


@pytest.fixture(scope="session")
def template_of(package: Package) -> Callable[..., Template]:
    """The template for a stage and options, offline."""
    assert package.path.exists(), "serverless.yml names it"
    return cache(lambda stage, *options: synthesize(["--stage", stage, *options]))


@pytest.fixture(params=["dev", "prod"])
def template(request: pytest.FixtureRequest, template_of: Callable[..., Template]) -> Template:
    """The template of each stage."""
    return template_of(request.param)
