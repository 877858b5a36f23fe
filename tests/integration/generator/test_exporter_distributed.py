"""A master's metrics are exact sums over its workers."""

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil

from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE
from tests import firedrill_process, required_programs
from tests.locust_process import Locust, forked_options, worker_options
from tests.waiting import poll_until

HANGING = Path(__file__).parent / "locustfiles" / "hanging.py"
FORGIVING = HANGING.with_name("forgiving.py")
THEIRS = firedrill_process.LOCUSTFILES / "theirs.py"


def processes():
    """Return options for a master and two workers, forked from one process."""
    return (*forked_options(2), "--headless")


def all_are_reported(metrics):
    """Return whether both workers run three users each, and all processes reported."""
    workers = (
        metrics.value("locust_workers", state="running"),
        metrics.value("locust_workers", state="missing"),
    ) == (2, 0)
    users = (
        metrics.values("locust_worker_users") == [3, 3]
        and metrics.value("locust_users", user_class="BasicUser") == 6
    )
    fares = ("locust_worker_cpu_ratio", "locust_worker_loop_lag_seconds_total")
    return workers and users and all(len(metrics.values(name)) == 3 for name in fares)


def counted_to_the_request(target, result, scrapes):
    """Assert that Locust and the exporter counted every request."""
    (row,) = json.loads(result.read_text())
    last = scrapes[-1]
    assert last.total("locust_requests_total") == row["num_requests"]
    answered, abandoned = (
        last.total("locust_requests_total"),
        last.total("locust_requests_abandoned_total"),
    )
    # Users that were told to stop finish their tasks first.
    outside = last.total("locust_requests_outside_load_total")
    assert answered <= target.received <= answered + abandoned + outside


def test_requests_of_forked_workers_are_counted_exactly(target, tmp_path):
    load = ("-u", 6, "-r", 6, "-H", target.url, "--json-file", tmp_path / "result")
    with Locust(*processes(), *load, files=(FORGIVING, LOCUSTFILE)) as locust:
        metrics = locust.until(all_are_reported, "reports of both workers and their master")
        assert metrics.value("locust_worker_cpu_ratio", worker="master") is not None
        assert len(metrics.values("locust_worker_last_report_timestamp_seconds")) == 2
        scrapes = locust.stop()
    first = next(metrics for metrics in scrapes if metrics.values("locust_requests_total"))
    assert first.total("locust_requests_total") == 0
    counted_to_the_request(target, tmp_path / "result.json", scrapes)


def test_a_master_waits_for_a_worker_that_stands_still(target, tmp_path):
    """At the end it waits for longer than Locust does, unless it counts the worker as missing."""
    load = ("-u", 6, "-r", 6, "-H", target.url, "--json-file", tmp_path / "result")
    with Locust(*processes(), *load, files=(FORGIVING, LOCUSTFILE)) as locust:
        locust.until(all_are_reported, "both workers to have reported")
        (worker, _) = [child.pid for child in psutil.Process(locust.process.pid).children()]
        os.kill(worker, signal.SIGSTOP)
        try:
            locust.end_load()
            locust.until(
                lambda metrics: metrics.value("locust_test_end_time_seconds"), "the run to end"
            )
            poll_until(
                lambda: "the master still waits" in locust.log(), "its master to have waited"
            )
        finally:
            os.kill(worker, signal.SIGCONT)
        scrapes = locust.scrape_until_the_end()
    counted_to_the_request(target, tmp_path / "result.json", scrapes)


def test_hung_requests_of_workers_show_on_the_master(target):
    files = (FORGIVING, HANGING, EXPORTER_PLUGIN)
    master, worker = worker_options(2)
    with (
        Locust(
            *master,
            "--headless",
            "-u",
            8,
            "-r",
            8,
            "-H",
            target.url,
            files=files,
            FIREDRILL_STARVATION_SECONDS="0.5",
        ) as locust,
        Locust(*worker, files=files, exporter=False, FIREDRILL_STARVATION_SECONDS="0.5"),
        Locust(*worker, files=files, exporter=False, FIREDRILL_STARVATION_SECONDS="0.5"),
    ):
        metrics = locust.until(
            lambda metrics: metrics.value("locust_users_starved") == 8, "every user to starve"
        )
        assert (
            metrics.value("locust_requests_in_flight")
            == metrics.value("locust_requests_in_flight_age", le="+Inf")
            == 8
        )
        last = locust.stop()[-1]
    assert last.value("locust_requests_abandoned_total", stage="in_flight") == 8
    assert last.value("locust_requests_abandoned_age_seconds_count") == 8
    assert last.value("locust_requests_abandoned_age_seconds_bucket", le="0.5") == 0
    assert (
        last.total("locust_requests_in_flight") == 0
    )  # or no figure, where the last report is old
    assert last.total("locust_requests_total") == 8
    assert target.received == 16


def test_users_of_workers_have_their_time_to_stop(target):
    """Locust's own master ends half a second after its workers, whatever is unreported."""
    load = ("-u", 4, "-r", 4, "--stop-timeout", 2, "-H", target.url)
    with Locust(*processes(), *load, files=(FORGIVING, HANGING, EXPORTER_PLUGIN)) as locust:
        both = ("locust_requests_in_flight", "locust_requests_total")
        locust.until(
            lambda metrics: [metrics.total(name) for name in both] == [4, 4],
            "every user to hang with its second request",
        )
        last = locust.stop()[-1]
    assert (
        last.value("locust_requests_abandoned_total", stage="in_flight")
        == last.total("locust_requests_total")
        == 4
    )
    assert (
        last.total("locust_requests_in_flight") == 0
    )  # or no figure, where the last report is old
    assert last.value("locust_requests_abandoned_age_seconds_bucket", le="1.0") == 0
    assert last.value("locust_requests_abandoned_age_seconds_sum") >= 4 * 1.99


def test_requests_of_a_worker_with_another_exporter_version_count(target):
    master, worker = worker_options(1)
    older = (THEIRS, HANGING.with_name("older_exporter.py"))
    with (
        Locust(
            *master,
            "--headless",
            "-u",
            2,
            "-r",
            2,
            "-H",
            target.url,
            files=(FORGIVING, THEIRS, EXPORTER_PLUGIN),
        ) as locust,
        Locust(*worker, files=older, exporter=False),
    ):
        counted = "its requests to count, and the master to tell how it fares"
        locust.until(
            lambda metrics: (
                metrics.total("locust_requests_total") > 10
                and metrics.values("locust_worker_cpu_ratio")
            ),
            counted,
        )
        poll_until(lambda: "runs another version of the exporter" in locust.log(), "the warning")
        last = locust.stop()[-1]
        log = locust.log()
    assert last.total("locust_requests_total") > 10
    assert len(last.values("locust_worker_cpu_ratio")) == 1  # its own
    assert log.count("runs another version of the exporter") == 1
    assert "Traceback" not in log


def test_absurd_reports_of_a_worker_are_all_counted():
    """A number of more than 64 bits, or a name that is no text, would end a worker's reports."""
    promtool = required_programs.require("promtool")
    files = (FORGIVING, HANGING.with_name("absurd.py"), EXPORTER_PLUGIN)
    master, worker = worker_options(1)
    with (
        Locust(*master, "--headless", "--only-summary", "-u", 1, files=files) as locust,
        Locust(*worker, files=files, exporter=False) as reporting,
    ):
        metrics = locust.until(
            lambda metrics: metrics.total("locust_request_errors_total") == 7,
            "all of it to be reported",
        )
        assert "Traceback" not in reporting.log() + locust.log()
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=metrics.text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert metrics.total("locust_requests_total") == 7 + 6 + 7 + 2 + 6 + 9 + 5 + 2
    assert (
        metrics.value("locust_requests_untimed_total", name="timeless")
        == metrics.value("locust_requests_total", name="timeless")
        == 7
    )
    assert metrics.value("locust_request_duration_seconds_sum", name="timeless") == 0
    assert metrics.value("locust_response_body_bytes_total", name="lengthless") == 0
    assert metrics.value("locust_request_duration_seconds_count", name="lengthless") == 6
    usual = {"name": "usual", "method": "GET"}
    assert metrics.value("locust_response_body_bytes_total", **usual) == 1 + 10**15
    assert metrics.value("locust_requests_total", name="usual", method="") == 2
    assert (
        metrics.value("locust_requests_total", name="usual", method=r"\udcff")
        == metrics.total("locust_requests_total", name=r"\udcff")
        == 1
    )
    assert (
        metrics.value("locust_request_duration_seconds_bucket", le="60.0", **usual) == 7 - 2 + 2 + 5
    )
    assert metrics.value("locust_request_duration_seconds_bucket", le="+Inf", **usual) == 7 + 2 + 5
    long = [
        labels["name"]
        for name, labels, value in metrics.samples
        if name == "locust_requests_total" and labels["name"].startswith("long")
    ]
    assert [len(name) for name in long] == [200, 200]
    assert len(set(long)) == 2
    assert [metrics.total("locust_request_failures_total", name=name) for name in long] == [1, 1]


def test_a_reset_loses_nothing_that_workers_had_not_reported(target):
    """--reset-stats clears the statistics of the workers as well, when all users are there."""
    load = ("-u", 20, "-r", 10, "--reset-stats", "-H", target.url)
    with Locust(*processes(), *load, files=(FORGIVING, THEIRS, EXPORTER_PLUGIN)) as locust:
        metrics = locust.until(
            lambda metrics: metrics.value("locust_stats_resets_total", reason="spawn") == 1,
            "the reset",
        )
        before = metrics.total("locust_requests_total")
        locust.until(
            lambda metrics: metrics.total("locust_requests_total") > before + 100,
            "requests after the reset",
        )
        last = locust.stop()[-1]
    assert last.value("locust_stats_resets_total", reason="spawn") == 1
    answered = last.total("locust_requests_total")
    assert answered <= target.received <= answered + last.total("locust_requests_abandoned_total")
    assert last.total("locust_request_errors_total") == last.total("locust_request_failures_total")
