"""The load generator keeps its rates, start delays and schedules on an idle machine."""

import os
import signal
import threading
import time

import pytest
import requests

from firedrill.drill.play.live_figures import ANSWERED, WAITING_INCLUDED
from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, ROOT, SHAPE
from firedrill.processes.ports import any_free
from tests import firedrill_process, run_json, verdicts
from tests.integration.generator.open_loops import (
    HALF,
    WHOLE,
    final_counts,
    play_api_that_hangs,
    play_breakpoint,
    write_profile,
)
from tests.locust_process import Locust, forked_options, worker_options
from tests.target_server import Target
from tests.waiting import PATIENCE_SECONDS, poll_until

PATIENT_SECONDS = 5.0
"""How long an arrival waits for a user before it is dropped (load/open_loop/backlog.py)."""

LOCUSTFILES = ROOT / "tests" / "integration" / "generator" / "locustfiles"


@pytest.fixture
def folder(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("proof")


def test_a_stall_hides_in_service_time_and_shows_from_schedule(proof, folder):
    """Three users are stuck for three seconds. Those are less than 1 % of the sent requests, and a
    third of the requests that were due.
    """

    def measure():
        where = folder()
        profile = write_profile(where / "open.yaml", 50, seconds=8, max_in_flight=3)
        with Target() as target:
            drill = firedrill_process.start(where / "runs", profile, "--target", target.url)
            drill.wait_for_requests()
            prom = drill.prometheus()
            poll_until(
                lambda: prom.number("sum(increase(locust_requests_total[5s])) > 50"),
                "a second of load",
            )
            target.gate.clear()
            threading.Timer(3, target.gate.set).start()
            poll_until(
                lambda: prom.number(f"max({WAITING_INCLUDED}) > 1.5") or target.gate.is_set(),
                "the stall to show, or to end",
            )
            shown, service = not target.gate.is_set(), prom.number(f"max({ANSWERED})")
            drill.finish(3 * PATIENCE_SECONDS)
        figures = run_json.content(drill.run())["figures"]
        client, arrivals = figures["client"], figures["arrivals"]
        return {
            "shown while it lasted": float(shown),
            "p99 of service time meanwhile (s)": service,
            "p99 of service time (s)": client["latency_seconds"]["p99"],
            "p95 from schedule (s)": client["latency_from_schedule_seconds"]["p95"],
            "p95 including waiting (s)": client["latency_including_waiting_seconds"]["p95"],
            "arrivals offered": arrivals["offered"],
            "arrivals unsent": arrivals["unsent"],
            "requests counted": figures["counts"]["client_requests"],
        }

    most = {
        "p99 of service time meanwhile (s)": 0.5,
        "p99 of service time (s)": 0.5,
        "arrivals unsent": 0,
        "arrivals offered": 400,
    }
    least = {
        "shown while it lasted": 1,
        "p95 from schedule (s)": 1,
        "p95 including waiting (s)": 1,
        "requests counted": 400,
    }
    proof.holds(measure, repeats=3, at_most=most, at_least=least)


def test_an_api_that_hangs_at_the_end_fails_the_run(proof, folder):
    def measure():
        with Target() as target:
            code, _, run = play_api_that_hangs(folder(), target)
        client, arrivals = run["figures"]["client"], run["figures"]["arrivals"]
        waiting, schedule = (
            client["latency_including_waiting_seconds"]["p99"],
            client["latency_from_schedule_seconds"]["p99"],
        )
        return {
            "run failed": float(verdicts.failed(code, run)),
            "arrivals offered of 400": arrivals["offered"],
            "arrivals unsent (%)": 100 * arrivals["unsent"] / arrivals["offered"],
            "arrivals started, of 250 and ten slots": arrivals["started"],
            "p99 including waiting (s)": waiting,
            "p99 including waiting beyond that from schedule (s)": waiting - schedule,
            "p99 is a lower bound": float("p99" in client["at_least"]),
        }

    least = {
        "run failed": 1,
        "arrivals offered of 400": 380,
        "arrivals started, of 250 and ten slots": 250,
        "p99 including waiting (s)": 1,
        "p99 including waiting beyond that from schedule (s)": 0.001,
        "p99 is a lower bound": 1,
    }
    proof.holds(
        measure,
        repeats=3,
        at_least=least,
        at_most={"arrivals unsent (%)": 5, "arrivals started, of 250 and ten slots": 270},
    )


def test_a_breakpoint_is_found_at_its_rate(proof, folder):
    """One request of 50 ms after the other is 20 a second: 12 a second are three fifths of that, 24
    are too many.
    """

    def measure():
        code, _, run = play_breakpoint(folder())
        window = run["window"]
        return {
            "run failed": float(verdicts.failed(code, run)),
            "step": run["aborted"]["step"],
            "length (s)": window["end"] - window["start"],
        }

    proof.holds(
        measure,
        repeats=3,
        at_least={"run failed": 1, "step": 1},
        at_most={"step": 1, "length (s)": 30},
    )


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_holds_the_rate(proof, folder, workers):
    def measure():
        forked = forked_options(workers)
        load = (
            "--load-profile",
            write_profile(folder() / "open.yaml", 80, seconds=3, until=2),
            "--headless",
            "--stop-timeout",
            1,
        )
        with Target() as target, Locust(*load, *forked, "-H", target.url) as locust:
            counts = final_counts(locust.scrape_until_the_end()[-1])
        return {
            "arrivals offered of 160": counts["offered"],
            "arrivals unsent (%)": 100 * counts["unsent"] / counts["offered"],
        }

    proof.holds(
        measure,
        repeats=3,
        at_least={"arrivals offered of 160": 160},
        at_most={"arrivals unsent (%)": 5},
    )


def test_a_worker_that_begins_late_drops_nothing(proof, folder):
    """Its arrivals wait for less than the time after which they would be dropped."""

    def measure():
        master, worker = worker_options(1)
        profile = write_profile(folder() / "open.yaml", 40, seconds=4, until=3, user="Patient")
        files = (LOCUSTFILES / "slow_start.py", SHAPE, EXPORTER_PLUGIN)
        with Target() as target:
            load = ("--load-profile", profile, "--headless", "--stop-timeout", 1, "-H", target.url)
            with (
                Locust(*load, *master, files=files) as locust,
                Locust(*load, *worker, files=files, exporter=False),
            ):
                counts = final_counts(locust.scrape_until_the_end()[-1])
        return {"arrivals started of 120": counts["started"], "arrivals unsent": counts["unsent"]}

    proof.holds(
        measure,
        repeats=3,
        at_least={"arrivals started of 120": 120},
        at_most={"arrivals unsent": 0},
    )


def test_computing_users_end_in_time(proof, folder):
    def measure():
        profile = write_profile(folder() / "open.yaml", 100, seconds=4, user="Computing")
        load = ("--load-profile", profile, "--headless", "--stop-timeout", 1)
        began = time.monotonic()
        with Locust(
            *load, files=(firedrill_process.LOCUSTFILES / "computing.py", SHAPE, EXPORTER_PLUGIN)
        ) as locust:
            counts = final_counts(locust.scrape_until_the_end()[-1])
        return {
            "seconds for a load of four": time.monotonic() - began,
            "arrivals offered of 400": counts["offered"],
        }

    proof.holds(
        measure,
        repeats=3,
        at_most={"seconds for a load of four": 15},
        at_least={"arrivals offered of 400": 400},
    )


REPORT_SECONDS = 0.5
"""The largest age of a worker's counts in the metrics."""

GIVEN_SECONDS = (1.0, 1.5)
"""How much of the time to come a worker has been given (load/open_loop/schedule_shards.py)."""

MISSED_SECONDS = (3, 5)
"""How long after a worker's end Locust misses it."""


def test_the_rate_is_right_after_a_worker_was_killed(proof, folder):
    def measure():
        master, worker = worker_options(2)
        played = ("--load-profile", write_profile(folder() / "open.yaml", WHOLE, seconds=60))
        with Target() as target:
            load = (*played, "--headless", "--stop-timeout", 1, "-H", target.url)
            with (
                Locust(*master, *load) as locust,
                Locust(*worker, *played, exporter=False) as first,
                Locust(*worker, *played, exporter=False),
            ):
                locust.until(
                    lambda metrics: metrics.total("locust_requests_total") > 80, "both to send"
                )
                os.killpg(first.process.pid, signal.SIGKILL)
                killed = time.monotonic()
                locust.until(
                    lambda metrics: metrics.value("locust_workers", state="missing") == 1,
                    "the dead one to be missed",
                )
                with Locust(*worker, *played, exporter=False):
                    locust.until(
                        lambda metrics: metrics.value("locust_workers", state="running") == 2,
                        "the new one to run",
                    )
                    off_clock, off_received = deviations(locust, target)
                    counted = (
                        killed
                        + MISSED_SECONDS[1]
                        + GIVEN_SECONDS[1]
                        + REPORT_SECONDS
                        + PATIENT_SECONDS
                        + 1
                    )
                    lost = locust.until(
                        lambda _: time.monotonic() > counted,
                        "what the dead one did not send to be counted",
                    )
        return {
            "off the rate by the clock, in 120": off_clock,
            "off what was received, in 120": off_received,
            "arrivals lost": lost.value("locust_arrivals_unsent_total"),
        }

    leeway = WHOLE * (REPORT_SECONDS + 0.25)
    least = HALF * (MISSED_SECONDS[0] + GIVEN_SECONDS[0] - 0.25) - 1
    longest = HALF * (MISSED_SECONDS[1] + GIVEN_SECONDS[1] + REPORT_SECONDS + 0.25) + 1
    most = {
        "off the rate by the clock, in 120": leeway,
        "off what was received, in 120": leeway,
        "arrivals lost": longest,
    }
    proof.holds(measure, repeats=3, at_most=most, at_least={"arrivals lost": least})


def deviations(locust, target):
    """Return by how many arrivals three seconds of the rate are off, by the clock and by the
    received requests.
    """
    since, sent, began = (
        locust.scrape().value("locust_arrivals_started_total"),
        target.received,
        time.monotonic(),
    )
    later = locust.until(
        lambda metrics: metrics.value("locust_arrivals_started_total") >= since + 3 * WHOLE,
        "three seconds of the rate",
    )
    started, received = later.value("locust_arrivals_started_total") - since, target.received - sent
    return abs(started - WHOLE * (time.monotonic() - began)), abs(started - received)


def test_a_worker_that_was_missed_drops_what_is_too_old(proof, folder):
    """The late worker sends the rest of its part late; the other worker is in time."""

    def measure():
        master, worker = worker_options(2)
        played = ("--load-profile", write_profile(folder() / "open.yaml", WHOLE, seconds=12))
        with Target() as target:
            load = (*played, "--headless", "--stop-timeout", 1, "-H", target.url)
            with (
                Locust(*master, *load) as locust,
                Locust(*worker, *played, exporter=False) as first,
                Locust(*worker, *played, exporter=False),
            ):
                locust.until(
                    lambda metrics: metrics.total("locust_requests_total") > 80, "both to send"
                )
                frozen = time.monotonic()
                os.killpg(first.process.pid, signal.SIGSTOP)
                locust.until(
                    lambda metrics: metrics.value("locust_workers", state="missing") == 1,
                    "the frozen one to be missed",
                )
                os.killpg(first.process.pid, signal.SIGCONT)
                too_old = HALF * max(0.0, time.monotonic() - frozen - PATIENT_SECONDS)
                locust.until(
                    lambda metrics: metrics.value("locust_workers", state="running") == 2,
                    "it to be back",
                )
                counts = final_counts(locust.scrape_until_the_end()[-1])
        accounted = counts["started"] + counts["unsent"]
        return {
            "arrivals dropped beyond those too old": counts["unsent"] - too_old,
            "arrivals of 480 accounted for": accounted,
        }

    least = {"arrivals dropped beyond those too old": -1, "arrivals of 480 accounted for": 480}
    most = {
        "arrivals dropped beyond those too old": HALF * 0.25 + 1,
        "arrivals of 480 accounted for": 480,
    }
    proof.holds(measure, repeats=3, at_most=most, at_least=least)


def test_what_waits_for_a_hung_target_is_left(proof, folder):
    """Arrivals that waited when the load was stopped would have been sent if the target had
    answered. The next load drops nothing.
    """

    def measure():
        port = any_free()
        profile = write_profile(folder() / "open.yaml", WHOLE, seconds=60, max_in_flight=1)
        web = ("--web-host", "127.0.0.1", "--web-port", port, "--stop-timeout", 1)
        with (
            Target() as target,
            Locust("--load-profile", profile, *web, "-H", target.url) as locust,
        ):

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
                "arrivals to be dropped",
            )
            order("stop")
            first = locust.until(
                lambda metrics: metrics.value("locust_state", state="stopped") == 1, "the stop"
            )
            target.gate.set()
            order("swarm")
            counted = first.value("locust_arrivals_offered_total")
            second = locust.until(
                lambda metrics: metrics.value("locust_arrivals_offered_total") > counted + WHOLE,
                "the next load",
            )
        unsent = "locust_arrivals_unsent_total"
        return {
            "arrivals left": final_counts(first)["left"],
            "arrivals unsent by the next load": second.value(unsent) - first.value(unsent),
        }

    least = {"arrivals left": WHOLE * (PATIENT_SECONDS - 0.5) - 1}
    proof.holds(measure, repeats=3, at_least=least, at_most={"arrivals unsent by the next load": 0})


def test_hung_requests_are_in_no_latency_figure(proof):
    """Locust's own statistics of this run look perfect."""

    def measure():
        with Target() as target:
            load = ("--headless", "-u", 10, "-r", 10, "-t", "4s", "-H", target.url)
            with Locust(*load, files=(LOCUSTFILES / "hanging.py", EXPORTER_PLUGIN)) as locust:
                metrics = locust.scrape_until_the_end()[-1]
        return {
            "answers within a second, of 10": metrics.value(
                "locust_request_duration_seconds_bucket", method="GET", name="/", le="1.0"
            ),
            "abandoned within ten seconds, of 10": metrics.value(
                "locust_requests_abandoned_age_seconds_bucket", le="10.0"
            ),
        }

    proof.holds(
        measure,
        repeats=3,
        at_least={"answers within a second, of 10": 10, "abandoned within ten seconds, of 10": 10},
    )


def test_a_load_ends_when_its_time_is_over(proof):
    """The load ends before its users, which have two seconds more."""

    def measure():
        with Target() as target:
            load = (
                "--headless",
                "-u",
                2,
                "-r",
                2,
                "-t",
                "2s",
                "--stop-timeout",
                2,
                "-H",
                target.url,
            )
            with Locust(*load, files=(LOCUSTFILES / "hanging.py", EXPORTER_PLUGIN)) as locust:
                metrics = locust.scrape_until_the_end()[-1]
        return {
            "length (s)": metrics.value("locust_test_end_time_seconds")
            - metrics.value("locust_test_start_time_seconds")
        }

    proof.holds(measure, repeats=3, at_least={"length (s)": 2}, at_most={"length (s)": 3.5})


def test_a_basic_user_pauses_for_a_second_at_most(proof):
    def measure():
        with (
            Target() as target,
            Locust(
                "--headless", "-u", 1, "-t", "3s", "-H", target.url, files=(LOCUSTFILE,)
            ) as locust,
        ):
            metrics = locust.scrape_until_the_end()[-1]
        return {"requests in three seconds": metrics.total("locust_requests_total")}

    proof.holds(
        measure,
        repeats=3,
        at_least={"requests in three seconds": 3},
        at_most={"requests in three seconds": 6},
    )
