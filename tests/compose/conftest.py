"""A Docker engine, images to build on, and runs in containers."""

from contextlib import ExitStack

import pytest

from firedrill.processes import ports
from firedrill.stack.containers import container_stack, engine
from tests import firedrill_process, required_programs
from tests.compose import base_images, docker_engine
from tests.compose.composed import leftovers


@pytest.fixture(scope="session")
def images():
    """Give the base images, on an engine that runs."""
    with docker_engine.engine():
        if missing := base_images.missing():
            required_programs.skip_for_want_of(
                f"the images {', '.join(missing)} (python -m tests.machine)"
            )
        yield base_images.NAMES


@pytest.fixture
def start(images, tmp_path):
    """Return a function that starts `firedrill run WORDS… --docker`.

    It returns the process, with the port of Locust's web page among its `ports`. What a failed test
    leaves is removed.
    """
    with ExitStack() as left:

        def started(*words, environment=None):
            web = ports.any_free()
            own = {**images, **(environment or {})}
            drill = firedrill_process.start(
                tmp_path / "runs",
                *words,
                "--docker",
                "--web-port",
                web,
                environment=own,
                docker=True,
            )
            drill.ports["--web-port"] = web
            left.callback(_remove, drill, images)
            return drill

        yield started


def _remove(drill, images):
    with drill.process as process:
        process.kill()
    project = drill.folder() and container_stack.project_name(drill.folder())
    if project and leftovers(project):
        engine.Project(project, images).down(volumes=True)
