"""Runs that the integration tests and the proofs both start."""

import re
import time
from contextlib import suppress

from bench.backtest import made_up_run
from firedrill.contract import LOOPBACK
from firedrill.errors import FiredrillError
from firedrill.fault_client import FaultClient
from firedrill.interrupt import Interrupt
from firedrill.prometheus.client import Prometheus
from tests import firedrill_process
from tests.waiting import poll_until

GREEDY_PROFILE = """\
name: greedy
arrivals: open
max_in_flight: 20
user: Greedy
steps: [{start_time: 0s, rate: 60}]
duration: 60s
warmup: 6s
slo: {p99: 500ms}
"""
"""An open workload whose users need more CPU time than the generator has."""

COUNTING_RULES = """\
groups:
  - name: mine
    interval: 1s
    rules:
      - {record: 'own:evaluations', expr: 'own:evaluations + 1 or vector(1)'}
      - {alert: Often, expr: 'own:evaluations > 9'}
"""
"""Rules that count their own evaluations."""

BROKEN_WORKERS = """\
import sys
from locust import HttpUser
if "--worker" in sys.argv:
    raise ValueError("not here")
class User(HttpUser):
    pass
"""
"""A locustfile that raises in workers."""


def start_greedy_run(folder):
    """Start a run of the greedy profile that ends when its SLO is broken."""
    profile = folder / "greedy.yaml"
    profile.write_text(GREEDY_PROFILE)
    locustfile = firedrill_process.LOCUSTFILES / "greedy.py"
    return firedrill_process.start(
        folder / "runs", profile, "--abort-on-slo", "--locustfile", locustfile
    )


def start_run_with_stuck_workers(folder, **options):
    """Start a run, and stick the API's workers by a fault that the run does not end."""
    file = firedrill_process.write_profile(folder, users=10, seconds=60)
    file.write_text(f"{file.read_text()}faults: [{{start_time: 0s, for: 1s, latency: 1ms}}]\n")
    drill = firedrill_process.start(folder, file, **options)
    drill.wait_for_requests()
    FaultClient(f"http://{LOOPBACK}:{drill.ports['--metrics-port']}").set({"stuck": 4.0}, 3600.0)
    poll_until(lambda: drill.prometheus().number("sum(locust_users_starved)"), "users to starve")
    return drill


def wait_for_line(drill, text):
    """Read the messages of a run up to a line with this text."""
    assert any(text in line for line in drill.process.stderr)


def start_long_backtest(folder):
    """Start a backtest over four hours, and wait until it has evaluated some rules."""
    run, rules = folder / "run", folder / "mine.yml"
    run.mkdir()
    rules.write_text(COUNTING_RULES)
    with Interrupt() as interrupt:
        made_up_run(run, 14_400, "groups: []", interrupt, endpoints=1)
    drill = firedrill_process.start(
        folder / "runs", "backtest", rules, "--run", run, command="alerts", with_ports=False
    )
    poll_until(lambda: _has_evaluated(drill), "the first evaluations")
    return drill


def _has_evaluated(drill):
    """Return whether a Prometheus that the process started holds what its rules recorded."""
    for words in drill.child_commands():
        match = re.search(rf"--web.listen-address={LOOPBACK}:(\d+)", words)
        with suppress(FiredrillError):
            return bool(
                match
                and Prometheus(f"http://{LOOPBACK}:{match[1]}").raw(
                    "own:evaluations", time.time() - 20_000, time.time()
                )
            )
    return False


def start_run_with_broken_workers(folder):
    """Start a run whose locustfile raises in both of its workers."""
    locustfile = folder / "broken.py"
    locustfile.write_text(BROKEN_WORKERS)
    return firedrill_process.start(
        folder / "runs", "smoke", "--locustfile", locustfile, "--workers", 2
    )
