"""An open workload sends its arrivals without waiting for answers, and counts every one of them."""

import os
import signal
from pathlib import Path

import pytest
import requests

from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, SHAPE
from firedrill.processes.ports import any_free
from tests import firedrill_process, verdicts
from tests.integration.generator.open_loops import (
    HALF,
    WHOLE,
    final_counts,
    play_api_that_hangs,
    play_breakpoint,
    write_profile,
)
from tests.locust_process import Locust, forked_options, worker_options
from tests.waiting import PATIENCE_SECONDS, poll_until

LOCUSTFILES = Path(__file__).parent / "locustfiles"
PATIENT = LOCUSTFILES / "patient.py"
FORGIVING = LOCUSTFILES / "forgiving.py"
OURS = (PATIENT, FORGIVING, LOCUSTFILE, EXPORTER_PLUGIN)
SCHEDULE = "locust_response_time_from_schedule_seconds"
STARVED_GENERATOR = verdicts.MACHINE_REASONS | {"users_behind", "arrivals_unsent"}
"""Reasons that may void a run on a machine that stands still for seconds."""


@pytest.fixture
def profile(tmp_path):
    def write(rate, **settings):
        return write_profile(tmp_path / "open.yaml", rate, **settings)

    return write


def test_arrivals_of_a_stalled_target_are_counted_exactly(target, profile):
    """Three users are stuck until the arrivals that wait for them show."""
    load = (
        "--load-profile",
        profile(50, until=4, max_in_flight=3),
        "--headless",
        "--stop-timeout",
        1,
        "-H",
        target.url,
    )
    with Locust(*load, files=OURS) as locust:
        locust.until(
            lambda metrics: metrics.total("locust_requests_total") > 50, "a second of load"
        )
        target.gate.clear()
        stuck = locust.until(
            lambda metrics: metrics.value("locust_arrivals_waiting_age", le="+Inf") > 50,
            "a second's arrivals to wait",
        )
        assert stuck.value("locust_requests_in_flight") <= 3
        target.gate.set()
        last = all_sent(locust, 50 * 4)
    assert (
        target.received
        == last.total("locust_requests_total")
        == last.total(f"{SCHEDULE}_count")
        == 50 * 4
    )
    # The time from schedule has what each waited before it was sent as well.
    service, schedule = (
        last.total("locust_request_duration_seconds_sum"),
        last.total(f"{SCHEDULE}_sum"),
    )
    assert schedule == pytest.approx(
        service + last.value("locust_arrival_lateness_seconds_sum"), rel=0.01
    )


def all_sent(locust, offered):
    """Return the last scrape of a load that ended when its whole schedule was sent and answered."""

    def answered(metrics):
        return (
            metrics.total("locust_requests_total")
            == offered
            == metrics.value("locust_arrivals_started_total")
        )

    locust.until(answered, f"all {offered} arrivals to be answered")
    last = locust.stop()[-1]
    assert final_counts(last) == {"offered": offered, "started": offered, "unsent": 0, "left": 0}
    return last


def test_an_api_that_hangs_at_the_end_has_failed(target, tmp_path):
    """Its backlog at the end does not void the run. A machine that stands still may drop
    arrivals for their age, and the run says so.
    """
    code, said, run = play_api_that_hangs(tmp_path, target)
    client, arrivals = run["figures"]["client"], run["figures"]["arrivals"]
    against_api, voids = blamed(run)
    expected = 1 if against_api else 0
    assert code == (4 if voids else expected), said
    assert voids <= STARVED_GENERATOR, said
    p99 = client["latency_including_waiting_seconds"]["p99"]
    assert ("latency_p99" in against_api) == (p99 > 0.25), said
    assert client["latency_from_schedule_seconds"]["p99"] <= p99
    assert (
        arrivals["started"] + arrivals["left"] + arrivals["unsent"] == arrivals["offered"] <= 50 * 8
    )
    assert arrivals["started"] < 50 * 5 + 10, "what was answered, and the ten slots"
    assert bool(arrivals["left"]) <= (not target.gate.is_set())
    if arrivals["left"]:
        assert f"backlog at the end: {arrivals['left']:.0f} arrivals)" in " ".join(said.split())
        assert "p99" in client["at_least"]


def blamed(run):
    """Return the codes of reasons against the API, and of reasons that void the run."""
    reasons = {reason["code"] for reason in run["verdict"]["reasons"]}
    against_api = {
        code
        for code in reasons
        if code.startswith(("latency_", "errors", "starved_users", "aborted"))
    }
    return against_api, reasons - against_api


def test_a_breakpoint_ends_the_load_and_names_its_step(tmp_path):
    """Requests of 50 ms, one after the other, are 20 a second. A machine that stands still
    breaks the SLO at an earlier rate.
    """
    code, said, run = play_breakpoint(tmp_path)
    aborted, (against_api, voids) = run["aborted"], blamed(run)
    step = aborted["step"]
    held = f"{12 * step}/s" if step else None
    assert "aborted" in against_api
    assert code == (4 if voids else 1), said
    assert voids <= STARVED_GENERATOR, said
    assert (aborted["objective"], aborted["load"], aborted["held"]) == (
        "p95",
        f"{12 * (step + 1)}/s",
        held,
    )
    message = f"the SLO (p95) broke at {aborted['load']} (step {step}, "
    assert message in " ".join(said.split())
    if held:
        assert f"so the load ended; the SLO held at {held}" in " ".join(said.split())


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_sends_the_same_arrivals(target, profile, workers):
    distributed = forked_options(workers)
    load = (
        "--load-profile",
        profile(80, until=2),
        "--headless",
        "--stop-timeout",
        1,
        "-H",
        target.url,
    )
    with Locust(*load, *distributed, files=OURS) as locust:
        locust.until(
            lambda metrics: metrics.value("locust_workers", state="running") == workers,
            "all of them to run",
        )
        last = all_sent(locust, 80 * 2)
    assert target.received == last.value("locust_arrival_lateness_seconds_count") == 80 * 2


def test_a_worker_that_begins_late_misses_no_arrivals(target, profile):
    files = (PATIENT, FORGIVING, LOCUSTFILES / "slow_start.py", SHAPE, EXPORTER_PLUGIN)
    master, worker = worker_options(1)
    load = (
        "--load-profile",
        profile(40, until=3, user="Patient"),
        "--headless",
        "--stop-timeout",
        1,
        "-H",
        target.url,
    )
    with (
        Locust(*load, *master, files=files) as locust,
        Locust(*load, *worker, files=files, exporter=False) as idle,
    ):
        all_sent(locust, 40 * 3)
        assert "Unknown message" not in idle.log()
    assert target.received == 40 * 3


def test_computing_users_block_neither_scrapes_nor_the_end(profile):
    """They never wait: they have more arrivals than they can do, also when the load ends."""
    files = (PATIENT, firedrill_process.LOCUSTFILES / "computing.py", SHAPE, EXPORTER_PLUGIN)
    load = (
        "--load-profile",
        profile(200, until=3, user="Computing"),
        "--headless",
        "--stop-timeout",
        1,
    )
    with Locust(*load, files=files) as locust:

        def overwhelmed(metrics):
            return (
                metrics.value("locust_arrivals_offered_total") == 200 * 3
                and metrics.value("locust_arrivals_waiting_age", le="+Inf") > 50
            )

        locust.until(overwhelmed, "more arrivals to wait than they can do")
        last = locust.stop()[-1]
    counts = final_counts(last)
    assert counts["offered"] == 200 * 3
    assert counts["started"] + counts["unsent"] + counts["left"] == counts["offered"]
    assert counts["unsent"] > 0


def test_fifty_thousand_names_have_response_times_since_due(profile):
    files = (LOCUSTFILES / "namer.py", SHAPE, EXPORTER_PLUGIN)
    load = (
        "--load-profile",
        profile(1, until=1, max_in_flight=1, user="Namer"),
        "--headless",
        "--only-summary",
    )
    with Locust(*load, files=(PATIENT, *files)) as locust:
        metrics = locust.until(
            lambda metrics: metrics.value("locust_requests_total", method="DONE") == 1,
            "all names to be reported",
        )
    since_due = {
        labels["name"] for name, labels, _ in metrics.samples if name == f"{SCHEDULE}_count"
    }
    assert len(since_due) == 200 + 1
    assert since_due <= {
        labels["name"] for name, labels, _ in metrics.samples if name == "locust_requests_total"
    }
    # All but the three that were reported without a time.
    assert (
        metrics.total(f"{SCHEDULE}_count")
        == metrics.total("locust_requests_total") - 3
        == 50_000 + 1
    )


def test_counts_survive_a_killed_worker_and_a_new_one(target, profile):
    master, worker = worker_options(2)
    played = ("--load-profile", profile(WHOLE, until=500))
    load = (*played, "--headless", "--stop-timeout", 1, "-H", target.url)
    with (
        Locust(*master, *load, files=OURS, LIVENESS="8") as locust,
        Locust(*worker, *played, files=OURS, exporter=False) as first,
        Locust(*worker, *played, files=OURS, exporter=False),
    ):
        before = locust.until(
            lambda metrics: metrics.total("locust_requests_total") > 2 * WHOLE, "both to send"
        )
        os.killpg(first.process.pid, signal.SIGKILL)
        missing = locust.until(
            lambda metrics: metrics.value("locust_workers", state="missing") == 1,
            "the dead one to be missed",
        )
        assert missing.total("locust_requests_total") >= before.total("locust_requests_total")
        assert (
            len(missing.values("locust_worker_memory_bytes")),
            len(missing.values("locust_worker_users")),
        ) == (2, 2)
        assert sorted(missing.values("locust_worker_state", state="missing")) == [0, 1]
        with Locust(*worker, *played, files=OURS, exporter=False):
            since = locust.until(
                lambda metrics: metrics.value("locust_workers", state="running") == 2,
                "the new one to run",
            )
            more = since.value("locust_arrivals_started_total") + 3 * WHOLE
            locust.until(
                lambda metrics: metrics.value("locust_arrivals_started_total") > more,
                "three seconds of load",
            )
            last = locust.stop()[-1]
    counts = final_counts(last)
    assert counts["started"] + counts["unsent"] + counts["left"] == counts["offered"]
    assert counts["unsent"] > 0, "what the dead one had been given"
    # It had sent arrivals that it could not report any more, and nobody sent them again.
    assert counts["started"] <= target.received <= counts["offered"]


def test_a_worker_that_was_missed_sends_nothing_twice(target, profile):
    """It stands still, and goes on with its part when it is back."""
    master, worker = worker_options(2)
    played = ("--load-profile", profile(WHOLE, until=12))
    load = (*played, "--headless", "--stop-timeout", 1, "-H", target.url)
    with (
        Locust(*master, *load, files=OURS, LIVENESS="8") as locust,
        Locust(*worker, *played, files=OURS, exporter=False) as first,
        Locust(*worker, *played, files=OURS, exporter=False),
    ):
        locust.until(
            lambda metrics: metrics.total("locust_requests_total") > 2 * WHOLE, "both to send"
        )
        os.killpg(first.process.pid, signal.SIGSTOP)
        locust.until(
            lambda metrics: metrics.value("locust_workers", state="missing") == 1,
            "the frozen one to be missed",
        )
        os.killpg(first.process.pid, signal.SIGCONT)
        locust.until(
            lambda metrics: metrics.value("locust_workers", state="running") == 2, "it to be back"
        )
        all_sent(locust, 12 * WHOLE)
    assert target.received == 12 * WHOLE


def test_counts_of_an_earlier_load_stay_separate(target, profile):
    port = any_free()
    web = ("--web-host", "127.0.0.1", "--web-port", port)
    with Locust(
        "--load-profile",
        profile(WHOLE, until=500, max_in_flight=1),
        *web,
        "--stop-timeout",
        1,
        "-H",
        target.url,
    ) as locust:

        def order(what):
            assert requests.post(
                f"http://127.0.0.1:{port}/{what}", data={}, timeout=PATIENCE_SECONDS
            ).ok

        locust.get(f"http://127.0.0.1:{port}")
        order("swarm")
        locust.until(
            lambda metrics: metrics.value("locust_arrivals_started_total") > WHOLE,
            "a second of load",
        )
        target.gate.clear()
        locust.until(
            lambda metrics: metrics.value("locust_arrivals_unsent_total") > HALF,
            "arrivals to be dropped that waited for the only slot",
        )
        order("stop")
        first = locust.until(
            lambda metrics: metrics.value("locust_state", state="stopped") == 1, "the stop"
        )
        target.gate.set()
        order("swarm")
        offered = final_counts(first)["offered"]
        second = locust.until(
            lambda metrics: metrics.value("locust_arrivals_offered_total") > offered + WHOLE,
            "the next load",
        )
    counts = final_counts(first)
    assert counts["started"] + counts["unsent"] + counts["left"] == offered
    for name in ("locust_arrivals_offered_total", "locust_arrivals_unsent_total"):
        assert first.value("locust_counted_before_test", counter=name) == 0
        assert second.value("locust_counted_before_test", counter=name) == first.value(name) > 0


def test_an_idle_worker_says_why_and_is_missed(target, profile):
    """Its master plays no open profile."""
    master, worker = worker_options(1)
    with (
        Locust(*master, "--headless", "-u", 2, "-r", 2, "-H", target.url) as locust,
        Locust(*worker, "--load-profile", profile(40, seconds=600), exporter=False) as idle,
    ):
        poll_until(
            lambda: "was the master started with the same --load-profile?" in idle.log(),
            "the worker to say so",
        )
        os.killpg(idle.process.pid, signal.SIGKILL)
        locust.until(
            lambda metrics: metrics.value("locust_workers", state="missing") == 1, "it to be missed"
        )
    assert target.received == 0


def test_arrivals_of_a_worker_without_a_profile_are_dropped(target, profile):
    """It runs a closed workload beside the schedule, as does a worker of another version."""
    master, worker = worker_options(2)
    played = ("--load-profile", profile(WHOLE, until=3))
    load = (*played, "--headless", "--stop-timeout", 1, "-H", target.url)
    with (
        Locust(*master, *load, files=OURS) as locust,
        Locust(*worker, *played, files=OURS, exporter=False),
        Locust(*worker, exporter=False) as closed,
    ):
        locust.until(
            lambda metrics: metrics.value("locust_arrivals_started_total") == HALF * 3,
            "the other one to have sent its part",
        )
        # Every half second a span of the time to come is given out, by name in this log. After six
        # more the last arrivals' is long over.
        given = closed.log().count("firedrill_span")
        poll_until(
            lambda: closed.log().count("firedrill_span") >= given + 6,
            "the time of the last arrivals to be over",
        )
        last = locust.stop()[-1]
    assert final_counts(last) == {
        "offered": WHOLE * 3,
        "started": HALF * 3,
        "unsent": HALF * 3,
        "left": 0,
    }


def test_tasks_of_nested_sets_are_arrivals(target, profile):
    """The users are those of a locustfile of one's own."""
    files = (PATIENT, LOCUSTFILES / "checkout.py", SHAPE, EXPORTER_PLUGIN)
    load = (
        "--load-profile",
        profile(30, until=3),
        "--headless",
        "--stop-timeout",
        1,
        "-H",
        target.url,
    )
    with Locust(*load, files=files) as locust:
        metrics = locust.until(
            lambda metrics: metrics.value("locust_arrivals_started_total") == 30 * 3,
            "every arrival to begin",
        )
        assert metrics.value("locust_arrivals_offered_total") == 30 * 3
        last = locust.stop()[-1]
    assert final_counts(last) == {"offered": 30 * 3, "started": 30 * 3, "unsent": 0, "left": 0}
    assert 0 < last.total("locust_request_failures_total") < last.total("locust_requests_total")


def test_an_unused_locustfile_import_keeps_closed_loops_closed(target):
    with Locust(
        "--load-profile", "smoke", "--headless", "-H", target.url, files=(LOCUSTFILE,)
    ) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total") > 5, "requests"
        )
    assert not metrics.values("locust_arrivals_offered_total")
    assert not metrics.values(f"{SCHEDULE}_count")
