"""A user's modules beside the locustfile stay theirs, whatever they are called, and never take
the place of Firedrill's or Python's.
"""

import pytest

from firedrill.places import ROOT
from tests import firedrill_process, run_json, verdicts
from tests.target_server import Target

OUR_NAMES = sorted(
    {file.stem for folder in ("load", "exporters") for file in (ROOT / folder).rglob("*.py")}
    - {"__init__", "firedrill_plugin"}
    | {"api", "load"}
)
"""Names of Firedrill's modules that a user may have as well: all without Firedrill's name."""

SHADOWS = ("locust", "http", "logging", "flask")
"""Modules that Locust and Firedrill import, and that a user's folder should not provide."""

LOCUSTFILE = """
import importlib

from locust import HttpUser, constant, task

for name in {names}:
    assert importlib.import_module(name).OWNER == "user", name

class Clerk(HttpUser):
    wait_time = constant(0.1)

    @task
    def page(self):
        for name in {names}:
            assert importlib.import_module(name).OWNER == "user", name
        self.client.get("/")
"""

OPEN = """name: open
arrivals: open
max_in_flight: 8
steps: [{start_time: 0s, rate: 10}]
duration: 5s
slo: {p99: 30s}
alerts: {}
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_modules_beside_a_locustfile_keep_their_names(tmp_path, workers):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in OUR_NAMES:
        (theirs / f"{name}.py").write_text('OWNER = "user"\n')
    for name in SHADOWS:
        (theirs / f"{name}.py").write_text(
            f'raise RuntimeError("{name}.py of the working directory was imported")\n'
        )
    (theirs / "clerks.py").write_text(LOCUSTFILE.format(names=OUR_NAMES))
    (theirs / "open.yaml").write_text(OPEN)
    words = (theirs / "open.yaml", "--locustfile", "clerks.py", "--workers", workers)
    with Target() as target:
        drill = firedrill_process.start(
            tmp_path / "runs", *words, "--target", target.url, folder=theirs
        )
        code, output, errors = drill.finish()
    assert verdicts.passed(code, run_json.content(drill.run())), output + errors


def test_the_bundled_api_is_started_where_a_user_has_an_api(tmp_path):
    """The working directory and the user's PYTHONPATH have an `api` of their own."""
    (tmp_path / "api.py").write_text('raise RuntimeError("the user\'s api.py was started")\n')
    words = ("smoke", "--duration", "3s")
    environment = {"PYTHONPATH": str(tmp_path)}
    drill = firedrill_process.start(
        tmp_path / "runs", *words, environment=environment, folder=tmp_path
    )
    _, output, errors = drill.finish()
    assert drill.folder(), output + errors
    assert run_json.content(drill.run())["figures"]["counts"]["client_requests"] > 0, errors
