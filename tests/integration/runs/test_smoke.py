"""One smoke run, and all that is to be found of it."""

import json

import pytest

from firedrill.interrupt import Interrupt
from firedrill.stack.reopened import Reopened
from tests import drilling


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """One smoke run, as (exit code, standard output, standard error, drill)."""
    drill = drilling.start(tmp_path_factory.mktemp("smoke"), "smoke", "--json")
    return (*drill.finish(), drill)


def test_smoke_passes_and_prints_its_run_json_and_nothing_else(smoke):
    code, output, errors, drill = smoke
    assert code == 0, errors
    assert json.loads(output) == drill.run().read()
    assert json.loads(output)["verdict"] == {"status": "PASSED", "reasons": []}


def test_progress_goes_to_stderr_as_plain_lines_where_it_is_no_terminal(smoke):
    lines = smoke[2].splitlines()
    assert any("s left: step 0, users 5" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_a_run_folder_holds_a_log_of_every_process_and_the_data(smoke):
    folder = smoke[3].folder()
    assert {"run.json", "api.log", "locust.log", "prometheus.log", "tsdb"} <= {path.name for path in folder.iterdir()}


def test_nothing_is_left_running(smoke):
    assert smoke[3].leftovers() == []


def test_every_side_counts_the_same_requests(smoke):
    """A user that is stopped in the very moment of asking gives its request up before or after the server has it; nobody else does."""
    run = smoke[3].run()
    figures = run.read()["figures"]
    counts, abandoned = figures["counts"], figures["honesty"]["abandoned"]
    assert (counts["client_requests"], counts["client_failures"]) == drilling.locust_total(run)
    assert abandoned["unreported"] == 0
    assert abandoned["in_flight"] <= 2
    assert counts["client_requests"] <= counts["server_finished"] <= counts["client_requests"] + abandoned["in_flight"]


def test_all_four_signals_are_measured_from_both_sides(smoke):
    figures = smoke[3].run().read()["figures"]
    for side in ("client", "server"):
        assert 0.005 < figures[side]["latency_seconds"]["p50"] < figures[side]["latency_seconds"]["p99"] < 1
        assert figures[side]["rate"] > 5
        assert figures[side]["error_ratio"] == 0
    assert 0 < figures["saturation"]["largest_ratio"]["workers"] < 1
    assert figures["client"]["offered_rate"] == pytest.approx(figures["client"]["rate"], rel=0.15)


def test_a_recorded_run_opens_again(smoke):
    recorded = smoke[3].run().recorded()
    with Interrupt() as interrupt, Reopened(recorded.data, interrupt) as reopened:
        total = sum(series.values()[-1] for series in reopened.prom.raw("locust_requests_total", recorded.start, recorded.end + 10))
    assert total == drilling.locust_total(smoke[3].run())[0]
