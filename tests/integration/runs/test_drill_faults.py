"""A drill whose profile sets faults: what was injected is what both sides measure, and run.json says when."""

import pytest

from firedrill.interrupt import Interrupt
from firedrill.stack.reopened import Reopened
from tests import drilling


FAULTS = """\
faults:
  - {start_time: 0s, for: 1m, errors: 20%}
  - {start_time: 2s, for: 30s, latency: 300ms}
  - {start_time: 20s, for: 5s, stop: true}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A drill of 9 s with two faults, and a third whose time never comes."""
    folder = tmp_path_factory.mktemp("faults")
    file = drilling.profile(folder, users=20, seconds=30, slo="{errors: 50%}", think_time="0.1s..0.2s")
    file.write_text(file.read_text() + FAULTS)
    drill = drilling.start(folder / "runs", file, "--threads", "32", "--duration", "9s")
    assert drill.finish()[0] == 4
    assert drill.leftovers() == []
    return drill.run()


def of_both_sides(run, *queries):
    """The value of each query at the end of what was injected."""
    with Interrupt() as interrupt, Reopened(run.recorded().data, interrupt) as reopened:
        return [reopened.prom.number(query, run.read()["window"]["end"] - 1) for query in queries]


def test_faults_that_were_set_are_recorded_with_the_times_they_had(run):
    document = run.read()
    window, (errors, latency) = document["window"], document["faults"]
    assert (errors["fault"], errors["size"], latency["fault"], latency["size"]) == ("errors", 0.2, "latency", 0.3)
    assert 0 <= errors["start"] - window["start"] < 3
    assert 2 <= latency["start"] - window["start"] < 4
    assert errors["end"] == latency["end"] >= window["end"], "they ended with the load"


def test_a_fault_whose_time_never_came_makes_the_run_invalid(run):
    reasons = run.read()["verdict"]["reasons"]
    assert [(reason["code"], reason["text"]) for reason in reasons] == [
        ("fault_not_set", "the fault due after 20 s (stop) was not set: the load had ended")
    ]


def test_both_sides_measure_what_was_injected(run):
    client, server, fastest, active = of_both_sides(
        run,
        "sum(rate(locust_request_failures_total[4s])) / sum(rate(locust_requests_total[4s]))",
        'sum(rate(http_server_response_time_seconds_count{http_response_status_code="500",http_route="/"}[4s]))'
        ' / sum(rate(http_server_response_time_seconds_count{http_route="/"}[4s]))',
        "histogram_quantile(0.01, sum by (le) (rate(locust_request_duration_seconds_bucket[4s])))",
        'max(api_fault_active{fault="latency"})',
    )
    assert client == pytest.approx(0.2, abs=0.03)
    assert server == pytest.approx(0.2, abs=0.03)
    assert fastest >= 0.25, "the bucket that 0.3 s falls into begins here"
    assert active == 0.3
