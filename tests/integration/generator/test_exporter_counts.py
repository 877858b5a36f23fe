"""The exporter's counts are exact, whatever is started, stopped or reset."""

import json
import subprocess
import time
from bisect import bisect_left
from pathlib import Path

import pytest
import requests

from firedrill.contract import CONTENT_TYPE, ENDPOINT_BOUNDS_SECONDS, Client, declared, format_bound
from firedrill.places import EXPORTER_PLUGIN
from firedrill.processes.ports import any_free
from tests import firedrill_process, required_programs
from tests.locust_process import SCRAPER, Locust
from tests.waiting import PATIENCE_SECONDS, poll_until

LOCUSTFILES = Path(__file__).parent / "locustfiles"
THEIRS = (firedrill_process.LOCUSTFILES / "theirs.py", EXPORTER_PLUGIN)
TIMES = (
    0.02,
    4.9,
    5.0,
    5.04,
    5.4,
    10.0,
    10.2,
    75.3,
    100.0,
    101.0,
    147.0,
    150.0,
    151.0,
    250.0,
    252.0,
    999.0,
    1000.5,
    3432.0,
    60_000.0,
    60_001.0,
)


def theirs(name):
    return (LOCUSTFILES / f"{name}.py", EXPORTER_PLUGIN)


def assert_accounted_for(metrics, target):
    """Assert that every request is counted.

    A user may be stopped between opening its connection and sending its request, which is then
    abandoned and never received.
    """
    answered = metrics.total("locust_requests_total")
    unanswered = metrics.total("locust_requests_abandoned_total")
    # Users that were told to stop finish their tasks first.
    outside = metrics.total("locust_requests_outside_load_total")
    assert answered <= target.received <= answered + unanswered + outside


def test_final_counts_equal_locusts_own_and_begin_at_zero(target, tmp_path):
    """Last minus first raw sample is exact, as series begin at 0 and the process waits for the last
    scrape.
    """
    arguments = (
        "--headless",
        "-u",
        4,
        "-r",
        4,
        "-H",
        target.url,
        "--json-file",
        tmp_path / "result",
    )
    launched = time.time()
    with Locust(*arguments, files=THEIRS) as locust:
        scrapes = []

        def both_seen():
            scrapes.append(locust.scrape(SCRAPER))
            return (
                min(
                    scrapes[-1].total("locust_requests_total", name=name) for name in ("/", "/fail")
                )
                > 2
            )

        poll_until(both_seen, "requests of both names")
        seen, stopped_at = time.time(), time.time()
        scrapes += locust.stop()
    own = {
        (row["name"], row["method"]): row
        for row in json.loads((tmp_path / "result.json").read_text())
    }
    assert {name for name, _ in own} == {"/", "/fail"}
    for (name, method), row in own.items():
        labels = {"name": name, "method": method}
        samples = [metrics.value("locust_requests_total", **labels) for metrics in scrapes]
        shown = [value for value in samples if value is not None]
        assert shown[0] == 0
        assert shown == sorted(shown)
        assert (
            shown[-1]
            == row["num_requests"]
            == scrapes[-1].value("locust_request_duration_seconds_count", **labels)
        )
        assert scrapes[-1].value("locust_request_failures_total", **labels) == row["num_failures"]
        assert (
            scrapes[-1].value("locust_response_body_bytes_total", **labels)
            == row["total_content_length"]
        )
        assert scrapes[-1].value("locust_request_duration_seconds_sum", **labels) == pytest.approx(
            row["total_response_time"] / 1000
        )
    last = scrapes[-1]
    assert (
        last.value("locust_request_errors_total", name="/fail", method="GET", error="HTTP 503")
        == own["/fail", "GET"]["num_failures"]
    )
    assert launched <= last.value("locust_test_start_time_seconds") <= seen
    assert stopped_at <= last.value("locust_test_end_time_seconds") <= time.time()
    assert_accounted_for(last, target)


def test_a_load_does_not_end_before_its_time(target):
    with Locust("--headless", "-u", 1, "-t", "1s", "-H", target.url, files=THEIRS) as locust:
        last = locust.scrape_until_the_end()[-1]
    assert (
        last.value("locust_test_end_time_seconds") - last.value("locust_test_start_time_seconds")
        >= 0.99
    )


def test_the_test_ends_when_the_load_is_stopped(target):
    """Requests of users with time left are in flight at the end, and count when answered."""
    arguments = ("--headless", "-u", 2, "-r", 2, "--stop-timeout", 600, "-H", target.url)
    with Locust(*arguments, files=theirs("hanging")) as locust:
        locust.until(
            lambda metrics: metrics.value("locust_requests_in_flight_age", le="+Inf") == 2,
            "both users to hang",
        )
        locust.until(
            lambda metrics: metrics.total("locust_requests_total") == 2,
            "their first requests to be counted",
        )
        locust.end_load()
        metrics = locust.until(
            lambda metrics: metrics.values("locust_test_end_time_seconds"), "the test to end"
        )
        answered = time.time()
        target.release.set()
        last = locust.scrape_until_the_end()[-1]
    assert metrics.value("locust_requests_in_flight") == 2
    assert (
        metrics.total("locust_requests_abandoned_total")
        == last.total("locust_requests_abandoned_total")
        == 0
    )
    assert (metrics.total("locust_requests_total"), last.total("locust_requests_total")) == (2, 4)
    assert (
        metrics.value("locust_test_end_time_seconds")
        == last.value("locust_test_end_time_seconds")
        <= answered
    )


def test_users_have_their_time_to_stop(target):
    """A request that a user still waits for after its time is abandoned, at that age or more."""
    arguments = ("--headless", "-u", 2, "-r", 2, "--stop-timeout", 2, "-H", target.url)
    with Locust(*arguments, files=theirs("hanging")) as locust:
        locust.until(
            lambda metrics: metrics.value("locust_requests_in_flight_age", le="+Inf") == 2,
            "both users to hang",
        )
        locust.until(
            lambda metrics: metrics.total("locust_requests_total") == 2,
            "their first requests to be counted",
        )
        last = locust.stop()[-1]
    assert last.value("locust_requests_abandoned_total", stage="in_flight") == 2
    assert last.value("locust_requests_in_flight") == 0
    assert last.value("locust_requests_abandoned_age_seconds_bucket", le="1.0") == 0
    assert last.value("locust_requests_abandoned_age_seconds_sum") >= 2 * 1.99


def test_a_locustfile_that_raises_shows_locusts_own_traceback(tmp_path):
    (tmp_path / "broken.py").write_text('raise RuntimeError("broken on import")\n')
    with Locust(
        "--headless", files=(tmp_path / "broken.py", EXPORTER_PLUGIN), exporter=False
    ) as locust:
        assert locust.wait() == 1
        assert "RuntimeError: broken on import" in locust.log()


def test_a_histogram_equals_the_reported_times():
    with Locust(
        "--headless",
        "-u",
        1,
        files=theirs("given_times"),
        TIMES=" ".join(map(str, TIMES)),
        FIREDRILL_MAX_NAMES="5",
    ) as locust:
        metrics = locust.until(
            lambda metrics: metrics.value(
                "locust_request_failures_total", method="TELL", name="other"
            ),
            "the times to be reported",
        )
    reported = {"method": "TELL", "name": "times"}
    for index, bound in enumerate(ENDPOINT_BOUNDS_SECONDS):
        within = sum(bisect_left(ENDPOINT_BOUNDS_SECONDS, time / 1000) <= index for time in TIMES)
        assert (
            metrics.value(
                "locust_request_duration_seconds_bucket", le=format_bound(bound), **reported
            )
            == within
        ), bound
    assert metrics.value("locust_request_duration_seconds_bucket", le="+Inf", **reported) == len(
        TIMES
    )
    assert metrics.value("locust_request_duration_seconds_sum", **reported) == pytest.approx(
        sum(TIMES) / 1000
    )
    assert metrics.value("locust_requests_total", **reported) == len(TIMES) + 1
    assert metrics.value("locust_requests_untimed_total", **reported) == 1

    # Names are escaped, and capped at five: what comes later is `other`.
    assert metrics.value("locust_requests_total", method="", name='name "0"\n\\') == 1
    assert metrics.value("locust_exporter_folded_names") == 7
    assert metrics.value("locust_requests_total", method="", name="other") == 6
    errors = {
        error: metrics.value(
            "locust_request_errors_total", method="TELL", name="other", error=error
        )
        for error in ("timeout", "ConnectionRefusedError", "other")
    }
    assert set(errors.values()) == {1}

    # Nothing shows when this client's requests start.
    assert not metrics.values("locust_requests_in_flight")
    assert not metrics.values("locust_users_starved")
    assert not metrics.values("locust_requests_abandoned_total")


def test_locusts_own_rounding_moves_times_into_other_buckets():
    with Locust(
        "--headless", "-u", 1, files=theirs("given_times"), TIMES="5.4", FIREDRILL_EXACT_BUCKETS="0"
    ) as locust:
        metrics = locust.until(
            lambda metrics: metrics.value("locust_requests_total", name="times"),
            "the time to be reported",
        )
    assert metrics.value("locust_request_duration_seconds_bucket", le="0.005", name="times") == 1
    assert metrics.value("locust_request_duration_seconds_sum", name="times") == pytest.approx(
        0.0054
    )


def test_a_pace_that_cannot_be_kept_is_counted():
    with Locust("--headless", "-u", 4, "-r", 4, files=theirs("paced")) as locust:
        begun = "locust_pacing_intervals_total"
        metrics = locust.until(
            lambda metrics: min(metrics.values(begun)) > 2, "some intervals of both"
        )
    assert metrics.value("locust_pacing_missed_total", user_class="Hasty") == metrics.value(
        begun, user_class="Hasty"
    )
    assert metrics.value("locust_pacing_missed_total", user_class="Steady") == 0
    assert {labels["user_class"] for name, labels, _ in metrics.samples if name == begun} == {
        "Hasty",
        "Steady",
    }
    assert not metrics.values("locust_pacing_missed_total", user_class="Unpaced")


def test_counters_survive_stop_restart_and_reset_from_the_web_page(target):
    web = f"http://127.0.0.1:{any_free()}"
    port = web.rsplit(":", 1)[1]
    with Locust("--web-host", "127.0.0.1", "--web-port", port, "-H", target.url) as locust:
        counts = []

        def requests_made(metrics):
            counts.append(metrics.total("locust_requests_total"))
            return counts[-1]

        def post(path, **form: float):
            assert requests.post(web + path, data=form, timeout=PATIENCE_SECONDS).status_code == 200

        assert locust.get(web).status_code == 200
        post("/swarm", user_count=5, spawn_rate=5)
        locust.until(lambda metrics: requests_made(metrics) >= 5, "the first requests")
        requests.get(f"{web}/stats/reset", timeout=PATIENCE_SECONDS)
        post("/stats/reset")
        seen = counts[-1]
        metrics = locust.until(
            lambda metrics: requests_made(metrics) > seen, "requests after the reset"
        )
        assert metrics.value("locust_stats_resets_total", reason="ui") == 1
        post("/stop")
        stopped = locust.scrape()
        requests_made(stopped)
        assert stopped.value("locust_state", state="stopped") == 1
        assert stopped.values("locust_test_end_time_seconds")
        post("/swarm", user_count=5, spawn_rate=5)
        metrics = locust.until(
            lambda metrics: requests_made(metrics) > stopped.total("locust_requests_total"),
            "requests after the restart",
        )
        assert metrics.value("locust_stats_resets_total", reason="start") == 2
        assert not metrics.values("locust_test_end_time_seconds")
        post("/stop")
        final = locust.scrape()
        requests_made(final)
        assert counts == sorted(counts)
        assert_accounted_for(final, target)
        own = requests.get(f"{web}/stats/requests/csv", timeout=PATIENCE_SECONDS).text.splitlines()
        assert int(own[-1].split(",")[2]) < final.total("locust_requests_total")


@pytest.mark.parametrize(
    ("profile", "load"), [("", ("-u", 2, "-r", 2)), ("open", ("--load-profile", "open"))]
)
def test_prometheus_accepts_the_exporters_metrics(target, profile, load):
    promtool = required_programs.require("promtool")
    with Locust(
        "--headless",
        *load,
        "-H",
        target.url.replace("://", "://me:secret@"),
        FIREDRILL_RUN_ID="r-1",
    ) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total") > 1, "requests"
        )
        answer = locust.get()
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        assert answer.headers["Content-Encoding"] == "gzip"
        assert locust.get(locust.url.replace("/metrics", "/")).status_code == 404
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=metrics.text,
        capture_output=True,
        text=True,
        check=False,
    )
    # The contract has these two labels: the ages of what is in flight, and objectives by quantile.
    complaints = {line for line in checked.stderr.splitlines() if 'should not have "' not in line}
    assert not complaints
    names = {name for name, _, _ in metrics.samples}
    assert names <= {name for metric in declared(Client) for name in metric.series_names()}
    assert bool(metrics.values("locust_arrival_lateness_seconds_count")) == bool(profile)
    assert (
        metrics.value(
            "locust_test_info",
            run_id="r-1",
            profile=profile,
            host=target.url,
            version=metrics_version(metrics),
        )
        == 1
    )
    assert "secret" not in metrics.text
    assert target.run_ids == {"r-1"}
    assert (
        metrics.value("locust_worker_cpu_ratio", worker="local") is None
        or metrics.value("locust_worker_cpu_ratio", worker="local") < 1
    )
    assert metrics.value("locust_worker_memory_bytes", worker="local") > 10_000_000


def metrics_version(metrics):
    return next(
        labels["version"] for name, labels, _ in metrics.samples if name == "locust_test_info"
    )
