"""One composed stack for all tests that only look at it, and names of their own for those that change one."""

import secrets

import pytest

from tests import docker_engine
from tests.composed import Composed


@pytest.fixture(scope="session")
def images():
    """An engine, and images to build on."""
    with docker_engine.engine():
        docker_engine.images()
        yield docker_engine.IMAGES


@pytest.fixture(scope="session")
def stack(images, tmp_path_factory):
    """The shipped docker-compose.yml, three workers, everything but Grafana; up, and healthy."""
    with Composed(f"firedrill-test-{secrets.token_hex(3)}", tmp_path_factory.mktemp("compose"), images) as composed:
        composed.up(workers=3)
        composed.wait_until_healthy()
        yield composed
