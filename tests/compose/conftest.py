"""An engine, and images to build on."""

import pytest

from tests.compose import docker_engine


@pytest.fixture(scope="session")
def images():
    """An engine, and images to build on."""
    with docker_engine.engine():
        docker_engine.images()
        yield docker_engine.IMAGES
