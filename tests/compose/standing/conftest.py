"""A composed stack for all tests that only read it, or leave it as it was."""

import pytest

from tests.compose.composed import Composed

GENTLE = (
    "name: gentle\nthink_time: 0.5s..1s\nsteps:\n  - {start_time: 0s, users: 9, spawn_rate: 9}\n"
)
"""A small load that lasts until it is stopped; other tests run beside it."""


@pytest.fixture(scope="package")
def stack(images, tmp_path_factory):
    """Run the shipped docker-compose.yml with three workers and without Grafana."""
    profiles = tmp_path_factory.mktemp("profiles")
    (profiles / "gentle.yaml").write_text(GENTLE)
    for path in (profiles, profiles / "gentle.yaml"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    variables = {"LOAD_PROFILES": str(profiles), "LOAD_PROFILE": "gentle", "EXPECT_WORKERS": "3"}
    with Composed("test", tmp_path_factory.mktemp("compose"), images, **variables) as composed:
        composed.up(workers=3)
        composed.wait_until_healthy()
        yield composed
