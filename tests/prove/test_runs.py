"""Whole runs on an idle machine: verdicts, delays and rates."""

import os
import signal
import time

from firedrill.drill.play.load_watch import DRAIN_SECONDS
from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.run_folder import Run
from tests import firedrill_process, run_json
from tests.integration.runs import concurrent_runs, locust_statistics, scenarios


def test_a_smoke_run_passes_three_times_in_three(proof, tmp_path_factory):
    def measure():
        drill = firedrill_process.start(tmp_path_factory.mktemp("smoke"), "smoke")
        code, _, _ = drill.finish()
        figures = run_json.content(drill.run())["figures"]
        client, server = figures["client"], figures["server"]
        return {
            "exit code": code,
            "client p99 (s)": client["latency_seconds"]["p99"],
            "server p99 (s)": server["latency_seconds"]["p99"],
            "client rate (1/s)": client["rate"],
            "server rate (1/s)": server["rate"],
            "workers in use": figures["saturation"]["largest_ratio"]["workers"],
            "offered rate off the achieved one (%)": 100
            * abs(client["offered_rate"] / client["rate"] - 1),
            "requests given up at the end": figures["honesty"]["abandoned"]["in_flight"],
        }

    runs = [measure() for _ in range(3)]
    passed = {"smoke runs that passed (of 3)": sum(run["exit code"] == 0 for run in runs)}
    proof.holds(lambda: passed, repeats=1, at_least={"smoke runs that passed (of 3)": 3})
    proof.holds(
        runs.pop,
        repeats=3,
        at_most={
            "client p99 (s)": 1,
            "server p99 (s)": 1,
            "workers in use": 1,
            "offered rate off the achieved one (%)": 15,
            "requests given up at the end": 2,
        },
        at_least={"client rate (1/s)": 5, "server rate (1/s)": 5},
    )


def test_locust_sees_nothing_of_starved_users(proof, tmp_path_factory):
    def measure():
        folder = tmp_path_factory.mktemp("starved")
        file = firedrill_process.write_profile(folder, users=300, seconds=25)
        drill = firedrill_process.start(folder, file, "--server", "waitress", "--threads", "64")
        code, _, _ = drill.finish()
        return {
            "exit code": code,
            "Locust's own p99 (ms)": locust_statistics.p99_ms(drill.run()),
        }

    proof.holds(
        measure,
        repeats=3,
        at_most={"exit code": 1, "Locust's own p99 (ms)": 1000},
        at_least={"exit code": 1},
    )


def test_a_page_follows_its_alert(proof, tmp_path_factory):
    """Alertmanager waits 2.5 s to group alerts."""

    def measure():
        folder = tmp_path_factory.mktemp("down")
        drill = firedrill_process.start(
            folder,
            firedrill_process.write_profile(
                folder, users=10, seconds=25, alerts="{always: [ApiDown]}"
            ),
        )
        drill.wait_for_load()
        os.kill(drill.pid_of("api"), signal.SIGKILL)
        drill.finish()
        document = run_json.content(drill.run())
        fired = [
            entry["firing_after_seconds"]
            for entry in document["figures"]["alerts"]
            if (entry["name"], entry["labels"].get("job")) == ("ApiDown", "api")
        ]
        notified = [
            entry["after_seconds"]
            for entry in document["notifications"]
            if entry["receiver"] == "page"
        ]
        return {
            "notifications": len(document["notifications"]),
            "page after the alert (s)": notified[0] - fired[0],
        }

    proof.holds(
        measure,
        repeats=3,
        at_most={"notifications": 1, "page after the alert (s)": 6},
        at_least={"notifications": 1},
    )


FAILED = ',http_response_status_code="500"'
FAULTS = """\
faults:
  - {start_time: 0s, for: 1m, errors: 20%}
  - {start_time: 2s, for: 30s, latency: 300ms}
"""


def test_faults_are_set_on_time_and_measured_as_they_are(proof, tmp_path_factory):
    status = 'rate(http_server_response_time_seconds_count{http_route="/"%s}[4s])'

    def measure():
        folder = tmp_path_factory.mktemp("faults")
        file = firedrill_process.write_profile(
            folder, users=20, seconds=30, slo="{errors: 50%}", think_time="0.1s..0.2s"
        )
        file.write_text(file.read_text() + FAULTS)
        drill = firedrill_process.start(
            folder / "runs", file, "--threads", "32", "--duration", "9s"
        )
        drill.finish()
        run = drill.run()
        window, (errors, latency) = run_json.content(run)["window"], run_json.content(run)["faults"]
        with (
            Interrupt() as interrupt,
            RecordedPrometheus(run.recorded().data, interrupt) as reopened,
        ):

            def number(query):
                return reopened.prom.number(query, window["end"] - 1)

            client = number(
                "sum(rate(locust_request_failures_total[4s])) "
                "/ sum(rate(locust_requests_total[4s]))"
            )
            server = number(f"sum({status % FAILED}) / sum({status % ''})")
            fastest = number(
                "histogram_quantile(0.01, "
                "sum by (le) (rate(locust_request_duration_seconds_bucket[4s])))"
            )
        return {
            "errors set after (s)": errors["start"] - window["start"],
            "latency set late (s)": latency["start"] - window["start"] - 2,
            "client's share of errors (%)": 100 * client,
            "server's share of errors (%)": 100 * server,
            "fastest hundredth (s)": fastest,
        }

    shares = ("client's share of errors (%)", "server's share of errors (%)")
    proof.holds(
        measure,
        repeats=3,
        at_most={"errors set after (s)": 3, "latency set late (s)": 2, **dict.fromkeys(shares, 23)},
        at_least={"fastest hundredth (s)": 0.25, **dict.fromkeys(shares, 17)},
    )


def test_a_matrix_notices_a_dead_api_soon(proof, tmp_path_factory):
    def measure():
        folder = tmp_path_factory.mktemp("matrix")
        file = firedrill_process.write_profile(folder, users=5, seconds=30, slo="{errors: 50%}")
        file.write_text(
            file.read_text()
            + "faults: [{start_time: 3s, for: 15s, stop: true, alerts: [ApiDown]}]\n"
        )
        drill = firedrill_process.start(
            folder / "runs", file, "--matrix", "--time-scale", "60", "--duration", "8s"
        )
        code, _, _ = drill.finish()
        played = [Run(path) for path in sorted(drill.out.glob("2*"))]
        document = next(run_json.content(run) for run in played if run_json.content(run)["faults"])
        delay = next(
            row["delay_seconds"] for row in document["scorecard"] if row["alert"] == "ApiDown"
        )
        seconds = document["window"]["end"] - document["window"]["start"]
        return {
            "exit code": code,
            "ApiDown after its fault (s)": delay,
            "load of the fault (s)": seconds,
        }

    proof.holds(
        measure,
        repeats=3,
        at_most={"exit code": 0, "ApiDown after its fault (s)": 10, "load of the fault (s)": 15},
    )


def test_a_greedy_generator_is_ended_soon_and_offered_all(proof, tmp_path_factory):
    def measure():
        folder = tmp_path_factory.mktemp("greedy")
        drill = scenarios.start_greedy_run(folder)
        code, _, _ = drill.finish()
        figures = run_json.content(drill.run())["figures"]
        return {
            "exit code": code,
            "load (s)": figures["seconds"],
            "offered rate (1/s)": figures["client"]["offered_rate"],
            "achieved rate (1/s)": figures["client"]["rate"],
        }

    proof.holds(
        measure,
        repeats=3,
        at_most={
            "exit code": 4,
            "load (s)": 40,
            "offered rate (1/s)": 66,
            "achieved rate (1/s)": 45,
        },
        at_least={"exit code": 4, "load (s)": 15, "offered rate (1/s)": 54},
    )


def test_a_second_interrupt_ends_a_run_at_once(proof, tmp_path_factory):
    def measure():
        folder = tmp_path_factory.mktemp("stuck")
        drill = scenarios.start_run_with_stuck_workers(folder)
        drill.interrupt()
        scenarios.wait_for_line(drill, "stopping the load")
        stopped = time.monotonic()
        drill.interrupt()
        scenarios.wait_for_line(drill, "measuring and recording")
        seconds = time.monotonic() - stopped
        drill.finish()
        return {"until it records (s)": seconds}

    proof.holds(measure, repeats=3, at_most={"until it records (s)": DRAIN_SECONDS})


def test_a_backtest_ends_soon_after_an_interrupt(proof, tmp_path_factory):
    """All its evaluations take half a minute."""

    def measure():
        folder = tmp_path_factory.mktemp("backtest")
        drill = scenarios.start_long_backtest(folder)
        drill.interrupt()
        interrupted = time.monotonic()
        drill.finish()
        return {"until it ends (s)": time.monotonic() - interrupted}

    proof.holds(measure, repeats=3, at_most={"until it ends (s)": 10})


def test_nobody_waits_for_workers_that_cannot_start(proof, tmp_path_factory):
    """Locust would wait a minute for them."""

    def measure():
        folder = tmp_path_factory.mktemp("broken")
        began = time.monotonic()
        drill = scenarios.start_run_with_broken_workers(folder)
        code, _, _ = drill.finish()
        return {"exit code": code, "until it is named (s)": time.monotonic() - began}

    proof.holds(
        measure,
        repeats=3,
        at_most={"exit code": 2, "until it is named (s)": 50},
        at_least={"exit code": 2},
    )


def test_twenty_runs_four_at_a_time_have_their_own_figures(proof, tmp_path):
    outcomes = concurrent_runs.play(tmp_path, 20, at_once=4)
    for outcome in outcomes:
        print(outcome)
    figures = {
        "runs with their own figures (of 20)": sum(run.has_its_own_figures for run in outcomes),
        "runs that passed (of 20)": sum(run.passed for run in outcomes),
        "run ids": len({run.run_id for run in outcomes}),
    }
    proof.holds(lambda: figures, repeats=1, at_least=dict.fromkeys(figures, 20))
