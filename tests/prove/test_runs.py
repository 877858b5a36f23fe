"""Whole runs on a machine that has time for them: verdicts, delays and rates."""

import os
import re
import signal
import time
from contextlib import suppress

from bench.backtest import made_up_run
from firedrill.contract import LOOPBACK
from firedrill.drill.play.run import DRAIN_SECONDS
from firedrill.errors import FiredrillError
from firedrill.fault_client import FaultClient
from firedrill.interrupt import Interrupt
from firedrill.prometheus.client import Prometheus
from firedrill.prometheus.recorded_data import Reopened
from firedrill.record.run_folder import Run
from tests import firedrill_process, run_json
from tests.integration.runs import locust_statistics
from tests.waiting import poll_until

GREEDY = """\
name: greedy
arrivals: open
max_in_flight: 20
user: Greedy
steps: [{start_time: 0s, rate: 60}]
duration: 60s
warmup: 6s
slo: {p99: 500ms}
"""

STEPPED = """\
groups:
  - name: mine
    interval: 1s
    rules:
      - {record: 'own:evaluations', expr: 'own:evaluations + 1 or vector(1)'}
      - {alert: Often, expr: 'own:evaluations > 9'}
"""


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
    """Alertmanager groups for 2.5 s."""

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
            one["firing_after_seconds"]
            for one in document["figures"]["alerts"]
            if (one["name"], one["labels"].get("job")) == ("ApiDown", "api")
        ]
        told = [
            one["after_seconds"] for one in document["notifications"] if one["receiver"] == "page"
        ]
        return {
            "notifications": len(document["notifications"]),
            "page after the alert (s)": told[0] - fired[0],
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
        with Interrupt() as interrupt, Reopened(run.recorded().data, interrupt) as reopened:

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
        (folder / "greedy.yaml").write_text(GREEDY)
        drill = firedrill_process.start(
            folder / "runs",
            folder / "greedy.yaml",
            "--abort-on-slo",
            "--locustfile",
            firedrill_process.LOCUSTFILES / "greedy.py",
        )
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
    def line_at(drill, text):
        assert any(text in line for line in drill.process.stderr)
        return time.monotonic()

    def measure():
        folder = tmp_path_factory.mktemp("stuck")
        file = firedrill_process.write_profile(folder, users=10, seconds=60)
        file.write_text(f"{file.read_text()}faults: [{{start_time: 0s, for: 1s, latency: 1ms}}]\n")
        drill = firedrill_process.start(folder, file)
        drill.wait_for_requests()
        FaultClient(f"http://{LOOPBACK}:{drill.ports['--metrics-port']}").set({"stuck": 4.0}, 60.0)
        poll_until(
            lambda: drill.prometheus().number("sum(locust_users_starved)"), "users to starve"
        )
        drill.interrupt()
        stopped = line_at(drill, "stopping the load")
        drill.interrupt()
        seconds = line_at(drill, "measuring and recording") - stopped
        drill.finish()
        return {"until it records (s)": seconds}

    proof.holds(measure, repeats=3, at_most={"until it records (s)": DRAIN_SECONDS})


def test_a_backtest_ends_soon_after_an_interrupt(proof, tmp_path_factory):
    """All of its evaluations take half a minute."""

    def has_evaluated(drill):
        for words in drill.child_commands():
            found = re.search(rf"--web.listen-address={LOOPBACK}:(\d+)", words)
            with suppress(FiredrillError):
                now = time.time()
                return bool(
                    found
                    and Prometheus(f"http://{LOOPBACK}:{found[1]}").raw(
                        "own:evaluations", now - 20_000, now
                    )
                )
        return False

    def measure():
        folder = tmp_path_factory.mktemp("backtest")
        (folder / "run").mkdir()
        (folder / "mine.yml").write_text(STEPPED)
        with Interrupt() as interrupt:
            made_up_run(folder / "run", 14_400, "groups: []", interrupt, pages=1)
        words = ("backtest", folder / "mine.yml", "--run", folder / "run")
        drill = firedrill_process.start(folder / "runs", *words, command="alerts", with_ports=False)
        poll_until(lambda: has_evaluated(drill), "the first evaluations")
        drill.interrupt()
        interrupted = time.monotonic()
        drill.finish()
        return {"until it ends (s)": time.monotonic() - interrupted}

    proof.holds(measure, repeats=3, at_most={"until it ends (s)": 10})


BROKEN = """\
import sys
from locust import HttpUser
if "--worker" in sys.argv:
    raise ValueError("not here")
class User(HttpUser):
    pass
"""


def test_nobody_waits_for_workers_that_cannot_start(proof, tmp_path_factory):
    """Locust would wait for them for a minute."""

    def measure():
        folder = tmp_path_factory.mktemp("broken")
        (folder / "broken.py").write_text(BROKEN)
        began = time.monotonic()
        drill = firedrill_process.start(
            folder / "runs", "smoke", "--locustfile", folder / "broken.py", "--workers", 2
        )
        code, _, _ = drill.finish()
        return {"exit code": code, "until it is named (s)": time.monotonic() - began}

    proof.holds(
        measure,
        repeats=3,
        at_most={"exit code": 2, "until it is named (s)": 50},
        at_least={"exit code": 2},
    )
