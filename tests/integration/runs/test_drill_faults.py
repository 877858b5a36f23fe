"""In a run with faults both sides measure what was injected, and run.json has their times."""

import pytest

from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.limits import TAIL_SECONDS
from tests import firedrill_process, run_json, verdicts

USERS = 20
FAULTS = """\
faults:
  - {start_time: 0s, for: 1m, errors: 20%}
  - {start_time: 2s, for: 30s, latency: 300ms}
  - {start_time: 25s, for: 5s, stop: true}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Play 12 s with two faults, and a third whose time does not come."""
    folder = tmp_path_factory.mktemp("faults")
    file = firedrill_process.write_profile(
        folder, users=USERS, seconds=30, slo="{errors: 50%}", think_time="0.1s..0.2s"
    )
    file.write_text(file.read_text() + FAULTS)
    drill = firedrill_process.start(folder / "runs", file, "--threads", "32", "--duration", "12s")
    code, output, _ = drill.finish()
    assert verdicts.status_and_reasons(code, run_json.content(drill.run())) == (
        "INVALID",
        ["fault_not_set"],
    ), output
    assert drill.leftovers() == []
    return drill.run()


@pytest.fixture(scope="module")
def prom(run):
    """Reopen the run in a Prometheus."""
    with Interrupt() as interrupt, RecordedPrometheus(run.recorded().data, interrupt) as reopened:
        yield reopened.prom


def gained(prom, run, fault, selector, since=0.0):
    """Return the increase of a counter from a second after a fault was set until the end.

    By then no request is left that began before the fault.
    """
    since = max(
        since,
        next(
            window["start"]
            for window in run_json.content(run)["faults"]
            if window["fault"] == fault
        )
        + 1,
    )
    total = 0.0
    for series in prom.raw(selector, since, run_json.content(run)["window"]["end"] + TAIL_SECONDS):
        values = series.values()
        assert values == sorted(values), "a counter"
        total += values[-1] - values[0]
    return total


def test_faults_are_recorded_with_the_times_they_had(run):
    document = run_json.content(run)
    window, (errors, latency) = document["window"], document["faults"]
    assert (errors["fault"], errors["size"], latency["fault"], latency["size"]) == (
        "errors",
        0.2,
        "latency",
        0.3,
    )
    assert errors["start"] >= window["start"]
    assert latency["start"] >= window["start"] + 2
    assert errors["end"] == latency["end"] >= window["end"], "they ended with the load"


def test_a_fault_whose_time_never_came_makes_the_run_invalid(run):
    texts = {
        reason["code"]: reason["text"] for reason in run_json.content(run)["verdict"]["reasons"]
    }
    assert (
        texts["fault_not_set"] == "the fault due after 25 s (stop) was not set: the load had ended"
    )


def test_both_sides_count_the_injected_errors(run, prom):
    """The API fails every fifth request in the order of their arrival. Those in flight at the two
    ends may be missing.
    """
    status = 'http_server_response_time_seconds_count{http_route="/"%s}'
    since, end = (
        run_json.content(run)["faults"][0]["start"] + 1,
        run_json.content(run)["window"]["end"] + TAIL_SECONDS,
    )
    for all_of_them, failed_ones in (
        ("locust_requests_total", "locust_request_failures_total"),
        (status % "", status % ',http_response_status_code="500"'),
    ):
        # A new series is shown as 0 first, whatever it holds: both counts begin at its second
        # sample.
        known = max(series.points[1][0] for series in prom.raw(failed_ones, since, end))
        asked, failed = (
            gained(prom, run, "errors", selector, known - 0.5)
            for selector in (all_of_them, failed_ones)
        )
        assert asked > 2 * USERS
        assert failed == pytest.approx(0.2 * asked, abs=0.2 * USERS + 2)


def test_no_request_is_faster_than_the_injected_latency(run, prom):
    answered, fast = (
        gained(prom, run, "latency", f'locust_request_duration_seconds_bucket{{le="{le}"}}')
        for le in ("+Inf", "0.25")
    )
    assert (answered > 0, fast) == (True, 0)
    active = prom.raw(
        'api_fault_active{fault="latency"}',
        run_json.content(run)["faults"][1]["start"],
        run_json.content(run)["window"]["end"],
    )
    assert {value for series in active for value in series.values()} == {0.3}
