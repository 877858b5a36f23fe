"""A run of the smoke profile's load, and everything that it records."""

import json

import pytest

from firedrill.interrupt import Interrupt
from firedrill.places import ROOT
from firedrill.prometheus.recorded_data import RecordedPrometheus
from tests import firedrill_process, run_json, verdicts
from tests.integration.runs import locust_statistics

BUNDLED = ROOT / "load" / "profiles" / "smoke.yaml"
USERS = 5


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Play the smoke profile with an SLO that no stall breaks.

    Return (exit code, standard output, standard error, process).
    """
    folder = tmp_path_factory.mktemp("smoke")
    kept = [
        line
        for line in BUNDLED.read_text().splitlines()
        if not line.startswith(("slo:", "alerts:"))
    ]
    (folder / "smoke.yaml").write_text(
        "\n".join((*kept, f"slo: {firedrill_process.PATIENT_SLO}", ""))
    )
    drill = firedrill_process.start(folder / "runs", folder / "smoke.yaml", "--json")
    return (*drill.finish(), drill)


def test_smoke_passes_and_prints_its_run_json(smoke):
    code, output, errors, drill = smoke
    assert json.loads(output) == run_json.content(drill.run())
    assert verdicts.status_and_reasons(code, json.loads(output)) == ("PASSED", []), errors


def test_progress_goes_to_stderr_as_plain_lines(smoke):
    lines = smoke[2].splitlines()
    assert any("s left: step 0, users " in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_a_run_folder_holds_logs_and_data(smoke):
    folder = smoke[3].folder()
    assert {"run.json", "api.log", "locust.log", "prometheus.log", "tsdb"} <= {
        path.name for path in folder.iterdir()
    }


def test_nothing_is_left_running(smoke):
    assert smoke[3].leftovers() == []


def test_every_side_counts_the_same_requests(smoke):
    """A user that is stopped during a request gives that request up, before or after the server has
    it.
    """
    run = smoke[3].run()
    figures = run_json.content(run)["figures"]
    counts, abandoned = figures["counts"], figures["honesty"]["abandoned"]
    assert (
        counts["client_requests"],
        counts["client_failures"],
    ) == locust_statistics.request_totals(run)
    assert abandoned["unreported"] == 0
    assert abandoned["in_flight"] <= USERS
    assert (
        counts["client_requests"]
        <= counts["server_finished"]
        <= counts["client_requests"] + run_json.beside_the_load(figures)
    )


def test_all_four_signals_are_measured_from_both_sides(smoke):
    figures = run_json.content(smoke[3].run())["figures"]
    for side in ("client", "server"):
        assert (
            0.005
            < figures[side]["latency_seconds"]["p50"]
            <= figures[side]["latency_seconds"]["p99"]
        )
        assert figures[side]["rate"] > 0
        assert figures[side]["error_ratio"] == 0
    assert figures["saturation"]["largest_ratio"]["workers"] > 0
    assert figures["client"]["offered_rate"] > 0


def test_a_recorded_run_opens_again(smoke):
    recorded = smoke[3].run().recorded()
    with Interrupt() as interrupt, RecordedPrometheus(recorded.data, interrupt) as reopened:
        total = sum(
            series.values()[-1]
            for series in reopened.prom.raw(
                "locust_requests_total", recorded.start, recorded.end + 10
            )
        )
    assert total == locust_statistics.request_totals(smoke[3].run())[0]
