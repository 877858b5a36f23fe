"""An engine, and images to build on."""

import pytest

from tests import needs
from tests.compose import base_images, docker_engine


@pytest.fixture(scope="session")
def images():
    """An engine, and images to build on."""
    with docker_engine.engine():
        if missing := base_images.missing():
            needs.give_up(f"the images {', '.join(missing)} (python -m tests.machine)")
        yield base_images.NAMES
