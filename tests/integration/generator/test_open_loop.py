"""Arrivals that do not wait for answers, in real Locust processes."""

import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress

import pytest
import requests

from firedrill.drill.live import ANSWERED, WAITING_INCLUDED
from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, ROOT, SHAPE
from firedrill.stack.ports import any_free
from tests import drilling
from tests.locust_process import Locust
from tests.target import Target
from tests.waiting import poll_until

sys.path.append(str(ROOT / "load"))
from backlog import PATIENCE_SECONDS, SETTLED_SECONDS, STOP_SECONDS  # found where Locust finds it
from shares import GIVEN_AHEAD_SECONDS, GIVING_SECONDS

LOCUSTFILES = ROOT / "tests" / "locustfiles"
SCHEDULE = "locust_response_time_from_schedule_seconds"


@pytest.fixture
def target():
    with Target() as target:
        yield target


@pytest.fixture
def profile(tmp_path):
    def write(rate, seconds, max_in_flight=10, user="BasicUser", until=None):
        """`until` is when the last arrival is due, in seconds; the rest of the time is a pause."""
        path = tmp_path / "open.yaml"
        pause = f", {{start_time: {until}s, rate: 0}}" if until else ""
        steps = f"steps: [{{start_time: 0s, rate: {rate}}}{pause}]"
        path.write_text(f"name: open\narrivals: open\nmax_in_flight: {max_in_flight}\nuser: {user}\n{steps}\nduration: {seconds}s\n")
        return path

    return write


def test_a_stall_shows_while_it_lasts_and_in_the_time_from_schedule_and_hides_in_service_time(target, profile, tmp_path):
    """Three users are stuck for three seconds, which is less than 1 % of the requests; those that should have been sent are a third."""
    drill = drilling.start(tmp_path / "runs", profile(50, 8, max_in_flight=3), "--target", target.url)
    drill.wait_for_requests()
    prom = drill.prometheus()
    poll_until(lambda: prom.number("sum(increase(locust_requests_total[5s])) > 50"), "a second of load")
    target.gate.clear()
    threading.Timer(3, target.gate.set).start()
    poll_until(lambda: prom.number(f"max({WAITING_INCLUDED}) > 1.5"), "the stall to show")
    assert not target.gate.is_set()
    assert prom.number(f"max({ANSWERED})") < 0.5
    drill.finish()
    figures = drill.run().read()["figures"]
    assert (figures["arrivals"]["offered"], figures["arrivals"]["unsent"]) == (50 * 8, 0)
    assert figures["arrivals"]["started"] == figures["counts"]["client_requests"] == 50 * 8
    assert figures["client"]["latency_seconds"]["p99"] < 0.5
    for waiting in ("from_schedule", "including_waiting"):
        assert figures["client"][f"latency_{waiting}_seconds"]["p95"] > 1


def test_an_api_that_hangs_when_the_load_ends_has_failed_and_what_waited_for_it_voids_nothing(target, profile, tmp_path):
    file = profile(50, 8)
    file.write_text(f"{file.read_text()}slo: {{p99: 250ms}}\n")
    # Three seconds before the end, so that nothing is dropped for its age.
    target.clears_at = 50 * 5
    drill = drilling.start(tmp_path / "runs", file, "--target", target.url)
    code, said, _ = drill.finish()
    run = drill.run().read()
    client, arrivals = run["figures"]["client"], run["figures"]["arrivals"]
    assert drilling.failed(code, run), said
    assert arrivals["offered"] == pytest.approx(50 * 8, rel=0.05)
    assert arrivals["started"] + arrivals["left"] + arrivals["unsent"] == arrivals["offered"]
    assert arrivals["unsent"] <= 0.05 * arrivals["offered"]
    assert arrivals["started"] == pytest.approx(50 * 5 + 10, abs=10), "what was answered, and the ten slots"
    assert "p99" in client["at_least"]
    assert client["latency_including_waiting_seconds"]["p99"] > 1
    assert client["latency_from_schedule_seconds"]["p99"] < client["latency_including_waiting_seconds"]["p99"]
    assert f"({arrivals['left']:.0f} never sent: still waiting at the end)" in " ".join(said.split())


def test_a_breakpoint_raises_the_rate_until_the_slo_breaks_and_reports_where(tmp_path):
    """One request after the other, of 50 ms each, is 20 a second: 12 are three fifths of that, 24 too many."""
    profile = tmp_path / "breakpoint.yaml"
    ramp = "ramp: {add_rate: 12, every: 3s}\nmax_in_flight: 200\nabort_on_slo: true\nslo: {p95: 250ms}\n"
    profile.write_text(f"name: breakpoint\narrivals: open\n{ramp}")
    with Target(seconds_each=0.05) as narrow:
        drill = drilling.start(tmp_path / "runs", profile, "--target", narrow.url)
        code, said, _ = drill.finish()
    run = drill.run().read()
    aborted = run["aborted"]
    assert drilling.failed(code, run), said
    assert (aborted["objective"], aborted["step"], aborted["load"], aborted["held"]) == ("p95", 1, "24/s", "12/s")
    assert "the SLO (p95) broke at 24/s (step 1, 3.0 s after the start); it had held at 12/s; the load was ended there" in " ".join(
        said.split()
    )
    # Ended within seconds, though the ramp itself has no end.
    assert run["window"]["end"] - run["window"]["start"] < 30


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_rate_is_the_same_by_any_number_of_workers(target, profile, workers):
    port = any_free()
    distributed = ("--processes", workers, "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port)
    # A worker's clock is set by a message: what is due in the moment before the end may be due after it.
    load = ("--load-profile", profile(80, 3, until=2), "--headless", "--stop-timeout", 1, "-H", target.url)
    with Locust(*load, *distributed) as locust:
        locust.until(lambda page: page.value("locust_workers", state="running") == workers, "all of them to run")
        last = locust.scrape_until_the_end()[-1]
    offered = last.value("locust_arrivals_offered_total")
    assert offered == 80 * 2
    assert last.value("locust_arrivals_started_total") + last.value("locust_arrivals_unsent_total") == offered
    assert last.value("locust_arrivals_unsent_total") <= 0.05 * offered, "the rate was held"
    assert target.received == last.value("locust_arrivals_started_total")
    assert last.value("locust_arrival_lateness_seconds_count") == target.received


def test_a_worker_that_is_slow_to_begin_misses_nothing_of_its_share(target, profile):
    port = any_free()
    files = (LOCUSTFILES / "slow_start.py", SHAPE, EXPORTER_PLUGIN)
    # The pause is for what is not promised: that a clock which a message has set is right to less than a stop takes.
    load = ("--load-profile", profile(40, 4, user="Patient", until=3), "--headless", "--stop-timeout", 1, "-H", target.url)
    master = ("--master", "--expect-workers", 1, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    with (
        Locust(*load, *master, files=files) as locust,
        Locust("--worker", *load, "--master-host", "127.0.0.1", "--master-port", port, files=files, exporter=False) as worker,
    ):
        last = locust.scrape_until_the_end()[-1]
        assert "Unknown message" not in worker.log()
    offered, started, unsent = (last.value(f"locust_arrivals_{fate}_total") for fate in ("offered", "started", "unsent"))
    assert (offered, started, unsent) == (target.received, target.received, 0)
    assert target.received == 40 * 3


def test_users_that_compute_and_never_wait_leave_the_page_and_the_end_their_turn(target, profile):
    files = (LOCUSTFILES / "computing.py", SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", profile(100, 4, user="Computing"), "--headless", "--stop-timeout", 1, "-H", target.url)
    began = time.monotonic()
    with Locust(*load, files=files) as locust:
        locust.until(lambda page: page.value("locust_arrivals_waiting_age", le="+Inf") > 50, "a second's arrivals too many to wait")
        last = locust.scrape_until_the_end()[-1]
    assert time.monotonic() - began < 15
    offered = last.value("locust_arrivals_offered_total")
    assert offered == 100 * 4
    assert last.value("locust_arrivals_started_total") + last.value("locust_arrivals_unsent_total") == offered


def test_of_50_000_names_as_many_have_a_time_from_schedule_as_have_any_other_figure(profile):
    files = (LOCUSTFILES / "namer.py", SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", profile(1, 60, max_in_flight=1, user="Namer", until=1), "--headless", "--only-summary")
    with Locust(*load, files=files) as locust:
        page = locust.until(lambda page: page.value("locust_requests_total", method="DONE") == 1, "all names to be told", 40)
    since_due = {labels["name"] for name, labels, _ in page.samples if name == f"{SCHEDULE}_count"}
    assert len(since_due) == 200 + 1
    assert since_due <= {labels["name"] for name, labels, _ in page.samples if name == "locust_requests_total"}
    # All but the three that were told without a time.
    assert page.total(f"{SCHEDULE}_count") == page.total("locust_requests_total") - 3 == 50_000 + 1


HALF, WHOLE = 20, 40
"""Arrivals a second of each of two workers, and of both."""

REPORT_SECONDS = 0.5
"""What a worker shows on the page may be so old."""

JITTER_SECONDS = 0.25
"""By which a timer may be late on a busy machine."""


@pytest.fixture
def two_workers(target, profile):
    """A master and its workers, to which others may be added."""
    port = any_free()
    master = ("--master", "--expect-workers", 2, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)

    with ExitStack() as stack:

        def start(seconds):
            played = ("--load-profile", profile(WHOLE, seconds))
            worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port, *played)
            locust = stack.enter_context(Locust(*master, *played, "--headless", "--stop-timeout", 1, "-H", target.url))

            def join():
                return stack.enter_context(Locust(*worker, exporter=False))

            return locust, join, (join(), join())

        yield start


def test_the_rate_stays_right_when_a_worker_is_killed_and_another_one_joins(target, two_workers):
    locust, join, (first, _) = two_workers(60)
    before = locust.until(lambda page: page.total("locust_requests_total") > 80, "both to send")
    os.killpg(first.process.pid, signal.SIGKILL)
    killed = time.monotonic()
    missing = locust.until(lambda page: page.value("locust_workers", state="missing") == 1, "the dead one to be missed")
    assert missing.total("locust_requests_total") >= before.total("locust_requests_total")
    assert (len(missing.values("locust_worker_memory_bytes")), len(missing.values("locust_worker_users"))) == (2, 2)
    assert sorted(missing.values("locust_worker_state", state="missing")) == [0, 1]
    join()
    locust.until(lambda page: page.value("locust_workers", state="running") == 2, "the new one to run")
    now_right(locust, target)
    # Locust misses it 3 to 5 s after its end. What it had been given by then lasts for 1 to 1.5 s more, and what it had not told for 0.5 s.
    least, longest = 3 + GIVEN_AHEAD_SECONDS - GIVING_SECONDS - JITTER_SECONDS, 5 + GIVEN_AHEAD_SECONDS + REPORT_SECONDS + JITTER_SECONDS
    counted = killed + longest + SETTLED_SECONDS
    lost = locust.until(lambda _: time.monotonic() > counted, "what the dead one did not send to be counted")
    assert HALF * least - 1 <= lost.value("locust_arrivals_unsent_total") <= HALF * longest + 1


def now_right(locust, target):
    """Three seconds of the rate, by the clock and by what arrived: each page may be behind by a report, and the first one need not be."""
    since, sent, began = locust.scrape().value("locust_arrivals_started_total"), target.received, time.monotonic()
    later = locust.until(lambda page: page.value("locust_arrivals_started_total") >= since + 3 * WHOLE, "three seconds of the rate")
    started, received = later.value("locust_arrivals_started_total") - since, target.received - sent
    leeway = WHOLE * (REPORT_SECONDS + JITTER_SECONDS)
    assert started == pytest.approx(WHOLE * (time.monotonic() - began), abs=leeway)
    assert started == pytest.approx(received, abs=leeway)


def test_a_worker_that_stood_still_until_it_was_missed_goes_on_with_its_part_and_nothing_is_sent_twice(target, two_workers):
    locust, _, (first, _) = two_workers(12)
    locust.until(lambda page: page.total("locust_requests_total") > 80, "both to send")
    frozen = time.monotonic()
    os.killpg(first.process.pid, signal.SIGSTOP)
    locust.until(lambda page: page.value("locust_workers", state="missing") == 1, "the frozen one to be missed")
    os.killpg(first.process.pid, signal.SIGCONT)
    too_old = max(0.0, time.monotonic() - frozen - PATIENCE_SECONDS)
    locust.until(lambda page: page.value("locust_workers", state="running") == 2, "it to be back")
    last = locust.scrape_until_the_end()[-1]
    offered, started, unsent = (last.value(f"locust_arrivals_{fate}_total") for fate in ("offered", "started", "unsent"))
    assert offered == 12 * WHOLE
    assert started == target.received
    assert started + unsent == offered
    # Of its part what had become too old for anybody; all else was sent late by itself, or in time by the other one.
    assert HALF * too_old - 1 <= unsent <= HALF * (too_old + JITTER_SECONDS) + 1


def test_what_an_earlier_load_had_counted_is_told_apart_from_what_the_next_one_counts(target, profile):
    port = any_free()
    web = ("--web-host", "127.0.0.1", "--web-port", port)
    with Locust("--load-profile", profile(WHOLE, 60, max_in_flight=1), *web, "--stop-timeout", 1, "-H", target.url) as locust:

        def order(what):
            with suppress(requests.ConnectionError):  # Its own page is there a little later than the exporter's.
                return requests.post(f"http://127.0.0.1:{port}/{what}", data={}, timeout=10).ok

        poll_until(lambda: order("swarm"), "Locust's own page")
        locust.until(lambda page: page.value("locust_arrivals_started_total") > WHOLE, "a second of load")
        target.gate.clear()
        locust.until(lambda page: page.value("locust_arrivals_unsent_total") > HALF, "arrivals to be dropped that waited for the only slot")
        assert order("stop")
        first = locust.until(lambda page: page.value("locust_state", state="stopped") == 1, "the stop")
        target.gate.set()
        assert order("swarm")
        counted = first.value("locust_arrivals_offered_total")
        second = locust.until(lambda page: page.value("locust_arrivals_offered_total") > counted + WHOLE, "the next load")
    # The others of the last five seconds waited on, for a target that holds the only user.
    assert first.value("locust_arrivals_left_age_seconds_count") >= WHOLE * (PATIENCE_SECONDS - STOP_SECONDS) - 1
    for name in ("locust_arrivals_offered_total", "locust_arrivals_unsent_total"):
        assert first.value("locust_counted_before_test", counter=name) == 0
        assert second.value("locust_counted_before_test", counter=name) == first.value(name)
    assert second.value("locust_arrivals_unsent_total") == first.value("locust_arrivals_unsent_total")


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


def test_what_was_asked_of_a_worker_that_knows_of_no_profile_was_never_sent(target, profile):
    """It runs a closed loop beside the schedule, as does one of another version of the bundle."""
    port = any_free()
    master = ("--master", "--expect-workers", 2, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port)
    played = ("--load-profile", profile(WHOLE, 3))
    load = (*played, "--headless", "--stop-timeout", 1, "-H", target.url)
    with Locust(*master, *load) as locust, Locust(*worker, *played, exporter=False), Locust(*worker, exporter=False) as closed:
        last = locust.scrape_until_the_end()[-1]
        assert "firedrill_span" in closed.log()
    assert last.value("locust_arrivals_started_total") == HALF * 3
    # But for the last span of time, which was not over when the load was about to be.
    assert HALF * (3 - STOP_SECONDS - GIVING_SECONDS - JITTER_SECONDS) - 1 <= last.value("locust_arrivals_unsent_total") <= HALF * 3


def test_tasks_of_nested_sets_of_somebody_elses_users_are_arrivals(target, profile):
    files = (LOCUSTFILES / "checkout.py", SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", profile(30, 3), "--headless", "--stop-timeout", 1, "-H", target.url)
    with Locust(*load, files=files) as locust:
        last = locust.scrape_until_the_end()[-1]
    offered = last.value("locust_arrivals_offered_total")
    assert offered == 30 * 3
    assert last.value("locust_arrivals_started_total") == offered
    assert 0 < last.total("locust_request_failures_total") < last.total("locust_requests_total")


def test_an_unused_locustfile_import_keeps_closed_loops_closed(target, tmp_path):
    with Locust("--load-profile", "smoke", "--headless", "-H", target.url, files=(LOCUSTFILE,)) as locust:
        page = locust.until(lambda page: page.total("locust_requests_total") > 5, "requests")
    assert not page.values("locust_arrivals_offered_total")
    assert not page.values(f"{SCHEDULE}_count")
