"""Runs that were recorded: opened together, listed and pruned."""

import json
import subprocess

import pytest

from firedrill.errors import FiredrillError
from firedrill.prom import Prometheus
from firedrill.stack import ports
from firedrill.stack.overlay import labels
from tests import drilling
from tests.waiting import poll_until



@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """A folder with two recorded runs."""
    folder = tmp_path_factory.mktemp("two")
    file = drilling.profile(folder, users=2, seconds=6)
    for _ in range(2):
        assert drilling.start(folder / "runs", file).finish()[0] == 0
    return folder / "runs"


def test_several_runs_open_on_one_time_axis(two_runs):
    ids = sorted(path.name for path in two_runs.iterdir())
    port = ports.any_free()
    drill = drilling.start(two_runs, *ids, "--prometheus-port", port, command="open", with_ports=False)
    prom, query = Prometheus(f"http://127.0.0.1:{port}"), "count by (run) (last_over_time(locust_users[1h]))"

    def both():
        try:
            return {sample.labels["run"] for sample in prom.instant(query)} == set(labels(ids))
        except FiredrillError:
            return False

    poll_until(both, "both runs to be there", timeout_seconds=30)
    starts = prom.instant("min by (run) (min_over_time(timestamp(locust_users > 0)[1h:1s]))")
    drill.interrupt()
    code, _, errors = drill.finish()
    assert code == 0, errors
    assert abs(starts[0].value - starts[1].value) <= 2


def test_runs_are_listed_with_their_size_and_pruned_oldest_first(two_runs):
    def runs(*words):
        return subprocess.run([drilling.FIREDRILL, "runs", "--out", two_runs, *words], capture_output=True, text=True, check=True).stdout

    listed = json.loads(runs("--json"))
    assert [row["status"] for row in listed] == ["PASSED", "PASSED"]
    assert all(row["size_bytes"] > 10_000 for row in listed)
    assert listed[0]["id"] in runs("prune", "--keep", "1", "--dry-run")
    assert len(json.loads(runs("--json"))) == 2
