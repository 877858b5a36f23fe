"""Arrivals that do not wait for answers, in real Locust processes."""

import os
import signal
import threading
from contextlib import ExitStack

import pytest
import requests

from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, ROOT, SHAPE
from firedrill.stack.ports import any_free
from tests.locust_process import Locust
from tests.target import Target
from tests.waiting import poll_until

pytestmark = pytest.mark.stack
LOCUSTFILES = ROOT / "tests" / "locustfiles"
SCHEDULE = "locust_response_time_from_schedule_seconds"
SERVICE = "locust_request_duration_seconds"


@pytest.fixture
def target():
    with Target() as target:
        yield target


@pytest.fixture
def profile(tmp_path):
    def write(rate, seconds, max_in_flight=10, user="BasicUser"):
        path = tmp_path / "open.yaml"
        steps = f"steps: [{{start_time: 0s, rate: {rate}}}]"
        path.write_text(f"name: open\narrivals: open\nmax_in_flight: {max_in_flight}\nuser: {user}\n{steps}\nduration: {seconds}s\n")
        return path

    return write


def slower_than_a_second(page, histogram):
    """Share of the requests."""
    whole = page.total(f"{histogram}_count")
    return 1 - page.total(f"{histogram}_bucket", le="1.0") / whole


def test_a_stall_shows_in_the_time_from_schedule_and_hides_in_service_time(target, profile):
    """Three users are stuck for three seconds, which is less than 1 % of the requests; those that should have been sent are a third."""
    with Locust("--load-profile", profile(50, 8, max_in_flight=3), "--headless", "--stop-timeout", 1, "-H", target.url) as locust:
        locust.until(lambda page: page.total("locust_requests_total") > 50, "a second of load")
        target.gate.clear()
        threading.Timer(3, target.gate.set).start()
        last = locust.scrape_until_the_end()[-1]
    offered = last.value("locust_arrivals_offered_total")
    assert offered == pytest.approx(400, abs=10)
    assert last.value("locust_arrivals_unsent_total") <= 1
    assert last.value("locust_arrivals_started_total") >= offered - 1
    assert last.total(f"{SCHEDULE}_count") == last.total(f"{SERVICE}_count") == target.received
    assert slower_than_a_second(last, SERVICE) < 0.01
    assert slower_than_a_second(last, SCHEDULE) > 0.15


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_rate_is_the_same_by_any_number_of_workers(target, profile, workers):
    port = any_free()
    distributed = ("--processes", workers, "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port)
    load = ("--load-profile", profile(80, 3), "--headless", "--stop-timeout", 1, "-H", target.url)
    with Locust(*load, *distributed) as locust:
        locust.until(lambda page: page.value("locust_workers", state="running") == workers, "all of them to run")
        last = locust.scrape_until_the_end()[-1]
    offered = last.value("locust_arrivals_offered_total")
    assert offered == pytest.approx(240, abs=6)
    assert last.value("locust_arrivals_started_total") + last.value("locust_arrivals_unsent_total") == offered
    assert target.received == last.value("locust_arrivals_started_total")
    assert last.value("locust_arrival_lateness_seconds_count") == target.received


def test_a_worker_that_is_slow_to_begin_misses_nothing_of_its_share(target, profile):
    port = any_free()
    files = (LOCUSTFILES / "slow_start.py", SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", profile(40, 4, user="Patient"), "--headless", "--stop-timeout", 1, "-H", target.url)
    master = ("--master", "--expect-workers", 1, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    with (
        Locust(*load, *master, files=files) as locust,
        Locust("--worker", *load, "--master-host", "127.0.0.1", "--master-port", port, files=files, exporter=False) as worker,
    ):
        last = locust.scrape_until_the_end()[-1]
        assert "Unknown message" not in worker.log()
    assert last.value("locust_arrivals_offered_total") == pytest.approx(160, abs=4)
    assert last.value("locust_arrivals_unsent_total") == 0


def test_the_rate_stays_right_when_a_worker_is_killed_and_another_one_joins(target, profile):
    port = any_free()
    master = ("--master", "--expect-workers", 2, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port, "--load-profile", profile(40, 60))
    with ExitStack() as stack:
        load = ("--load-profile", profile(40, 60), "--headless", "--stop-timeout", 1, "-H", target.url)
        locust = stack.enter_context(Locust(*master, *load))
        first, _ = (stack.enter_context(Locust(*worker, exporter=False)) for _ in range(2))
        before = locust.until(lambda page: page.total("locust_requests_total") > 80, "both to send")
        os.killpg(first.process.pid, signal.SIGKILL)
        missing = locust.until(lambda page: page.value("locust_workers", state="missing") == 1, "the dead one to be missed")
        assert missing.total("locust_requests_total") >= before.total("locust_requests_total")
        assert (len(missing.values("locust_worker_memory_bytes")), len(missing.values("locust_worker_users"))) == (2, 2)
        lost = locust.until(lambda page: page.value("locust_arrivals_unsent_total") > 0, "what it did not send to be counted")
        # Four to five seconds of half of the rate.
        assert 50 <= lost.value("locust_arrivals_unsent_total") <= 180
        stack.enter_context(Locust(*worker, exporter=False))
        again = locust.until(lambda page: page.value("locust_workers", state="running") == 2, "the new one to run")
        since, sent = again.value("locust_arrivals_offered_total"), target.received
        later = locust.until(lambda page: page.value("locust_arrivals_offered_total") > since + 120, "three seconds of the rate")
        assert min(later.values("locust_worker_users")) == 0
        assert later.value("locust_arrivals_unsent_total") == lost.value("locust_arrivals_unsent_total")
        assert target.received - sent == pytest.approx(later.value("locust_arrivals_offered_total") - since, abs=40)
        os.killpg(locust.process.pid, signal.SIGKILL)
        # No page is left that could show the last values as if they were those of now.
        with pytest.raises(requests.ConnectionError):
            locust.scrape()


def test_a_worker_whose_master_plays_no_open_profile_says_why_it_stands_idle_and_is_missed_when_it_dies(target, profile):
    port = any_free()
    master = ("--master", "--expect-workers", 1, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port, "--load-profile", profile(40, 60))
    load = ("--headless", "-u", 2, "-r", 2, "-t", "20s", "-H", target.url)
    with Locust(*master, *load) as locust, Locust(*worker, exporter=False) as idle:
        poll_until(lambda: "was the master started with the same --load-profile?" in idle.log(), "the worker to say so")
        os.killpg(idle.process.pid, signal.SIGKILL)
        locust.until(lambda page: page.value("locust_workers", state="missing") == 1, "it to be missed")
    assert target.received == 0


def test_tasks_of_nested_sets_of_somebody_elses_users_are_arrivals(target, profile):
    files = (LOCUSTFILES / "checkout.py", SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", profile(30, 3), "--headless", "--stop-timeout", 1, "-H", target.url)
    with Locust(*load, files=files) as locust:
        last = locust.scrape_until_the_end()[-1]
    offered = last.value("locust_arrivals_offered_total")
    assert offered == pytest.approx(90, abs=6)
    assert last.value("locust_arrivals_started_total") == offered
    assert 0 < last.total("locust_request_failures_total") < last.total("locust_requests_total")


def test_an_unused_locustfile_import_keeps_closed_loops_closed(target, tmp_path):
    with Locust("--load-profile", "smoke", "--headless", "-H", target.url, files=(LOCUSTFILE,)) as locust:
        page = locust.until(lambda page: page.total("locust_requests_total") > 5, "requests")
    assert not page.values("locust_arrivals_offered_total")
    assert not page.values(f"{SCHEDULE}_count")
