"""A master's page is the truth about its workers."""

import json
import os
import signal
import subprocess
import time

import psutil
import pytest

from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, ROOT
from firedrill.stack.ports import any_free
from tests import needs
from tests.locust_process import Locust
from tests.target import Target
from tests.waiting import poll_until

HANGING = ROOT / "tests" / "locustfiles" / "hanging.py"
FORGIVING = HANGING.with_name("forgiving.py")


@pytest.fixture
def target():
    with Target() as target:
        yield target


def processes():
    """Options for a master and two workers, forked from one process."""
    port = any_free()
    return ("--processes", 2, "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port, "--headless")


def tells_of_all(page):
    """Whether both workers have reported their three users each, and every process how it fares."""
    users = page.values("locust_worker_users") == [3, 3] and page.value("locust_users", user_class="BasicUser") == 6
    fares = ("locust_worker_cpu_ratio", "locust_worker_loop_lag_seconds_total")
    return users and all(len(page.values(name)) == 3 for name in fares)


def counted_to_the_request(target, result, pages):
    """In Locust's own result as on the page."""
    (row,) = json.loads(result.read_text())
    last = pages[-1]
    assert last.total("locust_requests_total") == row["num_requests"]
    answered, abandoned = last.total("locust_requests_total"), last.total("locust_requests_abandoned_total")
    assert answered <= target.received <= answered + abandoned


def test_processes_are_counted_to_the_request(target, tmp_path):
    load = ("-u", 6, "-r", 6, "-t", "5s", "-H", target.url, "--json-file", tmp_path / "result")
    with Locust(*processes(), *load, files=(LOCUSTFILE,)) as locust:
        page = locust.until(tells_of_all, "both workers and their master to be told of")
        assert page.value("locust_worker_cpu_ratio", worker="master") is not None
        assert page.value("locust_workers", state="missing") == 0
        assert page.value("locust_workers", state="running") == 2
        assert len(page.values("locust_worker_last_report_timestamp_seconds")) == 2
        pages = locust.scrape_until_the_end()
    first = next(page for page in pages if page.values("locust_requests_total"))
    assert first.total("locust_requests_total") == 0
    counted_to_the_request(target, tmp_path / "result.json", pages)


def test_a_worker_that_stands_still_while_the_run_ends_is_waited_for(target, tmp_path):
    """For longer than Locust and we once waited, by a master that does not miss it in the meantime."""
    load = ("-u", 6, "-r", 6, "-H", target.url, "--json-file", tmp_path / "result")
    with Locust(*processes(), *load, files=(FORGIVING, LOCUSTFILE)) as locust:
        locust.until(tells_of_all, "both workers to have reported")
        (worker, _) = [child.pid for child in psutil.Process(locust.process.pid).children()]
        os.kill(worker, signal.SIGSTOP)
        try:
            locust.process.terminate()
            locust.until(lambda page: page.value("locust_test_end_time_seconds"), "the run to end")
            ended = time.monotonic()
            poll_until(lambda: time.monotonic() > ended + 2.8, "its master to have waited")
        finally:
            os.kill(worker, signal.SIGCONT)
        pages = locust.scrape_until_the_end()
    counted_to_the_request(target, tmp_path / "result.json", pages)


def test_what_hangs_on_workers_shows_on_the_master_and_is_abandoned_exactly(target):
    port = any_free()
    files = (HANGING, EXPORTER_PLUGIN)
    master = ("--master", "--expect-workers", 2, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port)
    with (
        Locust(
            *master, "--headless", "-u", 8, "-r", 8, "-t", "5s", "-H", target.url, files=files, FIREDRILL_STARVATION_SECONDS="0.5"
        ) as locust,
        Locust(*worker, files=files, exporter=False, FIREDRILL_STARVATION_SECONDS="0.5"),
        Locust(*worker, files=files, exporter=False, FIREDRILL_STARVATION_SECONDS="0.5"),
    ):
        page = locust.until(lambda page: page.value("locust_users_starved") == 8, "every user to starve")
        assert page.value("locust_requests_in_flight") == page.value("locust_requests_in_flight_age", le="+Inf") == 8
        last = locust.scrape_until_the_end()[-1]
    assert last.value("locust_requests_abandoned_total", stage="in_flight") == 8
    assert last.value("locust_requests_abandoned_age_seconds_count") == 8
    assert last.value("locust_requests_abandoned_age_seconds_bucket", le="0.5") == 0
    assert last.value("locust_requests_in_flight") == 0
    assert last.total("locust_requests_total") == 8
    assert target.received == 16


def test_users_of_workers_have_their_time_to_stop_and_are_counted_after_it(target):
    """Left to itself, a master ends half a second after it told its workers to, whatever they have still to report."""
    load = ("-u", 4, "-r", 4, "-t", "3s", "--stop-timeout", 2, "-H", target.url)
    with Locust(*processes(), *load, files=(HANGING, EXPORTER_PLUGIN)) as locust:
        last = locust.scrape_until_the_end()[-1]
    assert last.value("locust_requests_abandoned_total", stage="in_flight") == last.total("locust_requests_total") == 4
    assert last.value("locust_requests_in_flight") == 0


def test_a_worker_with_another_version_of_the_exporter_is_named_once_and_its_requests_count(target):
    port = any_free()
    master = ("--master", "--expect-workers", 1, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port)
    theirs = ROOT / "tests" / "locustfiles" / "theirs.py"
    older = (theirs, ROOT / "tests" / "locustfiles" / "older_exporter.py")
    with (
        Locust(*master, "--headless", "-u", 2, "-r", 2, "-t", "3s", "-H", target.url, files=(theirs, EXPORTER_PLUGIN)) as locust,
        Locust(*worker, files=older, exporter=False),
    ):
        last = locust.scrape_until_the_end()[-1]
        log = locust.log()
    assert last.total("locust_requests_total") > 10
    assert len(last.values("locust_worker_cpu_ratio")) == 1  # its own
    assert log.count("has another version of the exporter") == 1
    assert "Traceback" not in log


def test_absurd_reports_reach_the_master_as_a_page_that_prometheus_accepts_and_none_is_lost():
    """A number of more than 64 bits, or a name that is no text, would end all that the worker reports, for good."""
    promtool, port = needs.program("promtool"), any_free()
    files = (ROOT / "tests" / "locustfiles" / "absurd.py", EXPORTER_PLUGIN)
    master = ("--master", "--expect-workers", 1, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port)
    with (
        Locust(*master, "--headless", "--only-summary", "-u", 1, "-t", "60s", files=files) as locust,
        Locust(*worker, files=files, exporter=False) as reporting,
    ):
        page = locust.until(lambda page: page.total("locust_request_errors_total") == 7, "all of it to be told")
        assert "Traceback" not in reporting.log() + locust.log()
    checked = subprocess.run([promtool, "check", "metrics"], input=page.text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert page.total("locust_requests_total") == 7 + 6 + 7 + 2 + 6 + 9 + 5 + 2
    assert page.value("locust_requests_untimed_total", name="timeless") == page.value("locust_requests_total", name="timeless") == 7
    assert page.value("locust_request_duration_seconds_sum", name="timeless") == 0
    assert page.value("locust_response_body_bytes_total", name="lengthless") == 0
    assert page.value("locust_request_duration_seconds_count", name="lengthless") == 6
    usual = {"name": "usual", "method": "GET"}
    assert page.value("locust_response_body_bytes_total", **usual) == 1 + 10**15
    assert page.value("locust_requests_total", name="usual", method="") == 2
    assert page.value("locust_requests_total", name="usual", method=r"\udcff") == page.total("locust_requests_total", name=r"\udcff") == 1
    assert page.value("locust_request_duration_seconds_bucket", le="60.0", **usual) == 7 - 2 + 2 + 5
    assert page.value("locust_request_duration_seconds_bucket", le="+Inf", **usual) == 7 + 2 + 5
    long = [labels["name"] for name, labels, value in page.samples if name == "locust_requests_total" and labels["name"].startswith("long")]
    assert [len(name) for name in long] == [200, 200]
    assert len(set(long)) == 2
    assert [page.total("locust_request_failures_total", name=name) for name in long] == [1, 1]


def test_what_workers_had_not_reported_survives_a_reset(target):
    """--reset-stats clears the statistics of the workers as well, when all users are there."""
    load = ("-u", 20, "-r", 10, "-t", "5s", "--reset-stats", "-H", target.url)
    with Locust(*processes(), *load, files=(ROOT / "tests" / "locustfiles" / "theirs.py", EXPORTER_PLUGIN)) as locust:
        last = locust.scrape_until_the_end()[-1]
    assert last.value("locust_stats_resets_total", reason="spawn") == 1
    answered = last.total("locust_requests_total")
    assert answered <= target.received <= answered + last.total("locust_requests_abandoned_total")
    assert last.total("locust_request_errors_total") == last.total("locust_request_failures_total")
