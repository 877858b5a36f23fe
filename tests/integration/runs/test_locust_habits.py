"""A run as Locust users know it: a folder of users, hosts of classes, options after two dashes."""

import pytest

from tests import firedrill_process, run_json
from tests.target_server import Target

SHOP = """
from locust import HttpUser, constant, events, tag, task

@events.init_command_line_parser.add_listener
def add_tenant(parser):
    parser.add_argument("--tenant", default="nobody")

class Shop(HttpUser):
    host = "{host}"
    wait_time = constant(0.2)

    @tag("checkout")
    @task
    def checkout(self):
        self.client.get("/", name=f"checkout of {{self.environment.parsed_options.tenant}}")

    @tag("browse")
    @task
    def browse(self):
        self.client.get("/", name="browse")
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_options_after_two_dashes_reach_every_process(tmp_path, workers):
    profile = firedrill_process.write_profile(tmp_path, users=2, seconds=6, slo="{errors: 100%}")
    (tmp_path / "users").mkdir()
    with Target() as target:
        (tmp_path / "users" / "shop.py").write_text(SHOP.format(host=target.url))
        words = ("--workers", workers, "--locustfile", tmp_path / "users")
        drill = firedrill_process.start(
            tmp_path / "runs", profile, *words, locust=("--tags", "checkout", "--tenant", "acme")
        )
        _, output, errors = drill.finish()
    document = run_json.content(drill.run())
    assert f"target: {target.url}" in errors, output
    names = [endpoint["name"] for endpoint in document["figures"]["endpoints"]]
    assert names == ["checkout of acme"], errors
