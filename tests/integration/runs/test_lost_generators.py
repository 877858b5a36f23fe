"""A run that loses the workers and then the master of its load, one after the other."""

import os
import signal
import time

import pytest
import requests
from firedrill_load.open_loop.schedule_shards import ALLOCATED_AHEAD_SECONDS

from firedrill.contract import LOOPBACK
from firedrill.interrupt import Interrupt
from firedrill.processes.ports import any_free
from firedrill.stack.plan import PORT_OPTIONS, Plan, Ports
from firedrill.stack.process_stack import ProcessStack
from tests import firedrill_process, required_programs, run_json
from tests.locust_process import Locust
from tests.target_server import Target
from tests.waiting import PATIENCE_SECONDS, poll_until

RATE, SECONDS = 40, 150
PROFILE = f"""\
name: open
arrivals: open
max_in_flight: 10
steps: [{{start_time: 0s, rate: {RATE}}}]
duration: {SECONDS}s
"""

A_FEW = 5
"""Requests that were on their way when the master was killed."""


@pytest.fixture
def stack(tmp_path):
    """Run what a drill attaches to: a Prometheus, and the receiver of its alerts."""
    required_programs.require("prometheus")
    plan = Plan(
        tmp_path / "stack", "id", Ports.choose({name: any_free() for name in PORT_OPTIONS}), None
    )
    with Interrupt() as interrupt, ProcessStack(plan, interrupt) as stack:
        stack.start_prometheus()
        stack.start_alerting()
        stack.wait_for_start()
        yield stack


def test_a_drill_that_loses_its_generators_keeps_the_record(stack, tmp_path):
    profile, port, ports = tmp_path / "open.yaml", any_free(), stack.plan.ports
    profile.write_text(PROFILE)
    ports.share("web", "exporter")
    reached = {
        "FIREDRILL_PROMETHEUS_URL": stack.prom.url,
        "FIREDRILL_LOCUST_URL": f"http://{LOOPBACK}:{ports.web}",
        "FIREDRILL_NOTIFICATIONS_URL": f"http://{LOOPBACK}:{ports.notifications}",
    }
    web = ("--web-host", LOOPBACK, "--web-port", ports.web, "--stop-timeout", 1)
    master = ("--master", "--master-bind-host", LOOPBACK, "--master-bind-port", port, *web)
    worker = (
        "--worker",
        "--master-host",
        LOOPBACK,
        "--master-port",
        port,
        "--load-profile",
        profile,
    )
    with (
        Target() as target,
        Locust(
            *master,
            "--load-profile",
            profile,
            "-H",
            target.url,
            FIREDRILL_EXPORTER_PORT=str(ports.exporter),
            FIREDRILL_RUN_ID=stack.plan.run_id,
        ) as locust,
        Locust(*worker, exporter=False) as first,
        Locust(*worker, exporter=False) as second,
    ):
        poll_until(
            lambda: locust.scrape().value("locust_workers", state="ready") == 2, "both workers"
        )
        drill = firedrill_process.start(
            tmp_path / "runs", profile, environment=reached, with_ports=False, report=True
        )
        poll_until(lambda: locust.scrape().total("locust_requests_total") > RATE, "both to send")
        os.killpg(first.process.pid, signal.SIGKILL)
        missing = 'locust:run_invalid_reason:bool{reason="worker_missing"}'
        broken = f"min_over_time({missing}[6s]) == 1 and count_over_time({missing}[6s]) >= 5"
        poll_until(
            lambda: stack.prom.number(broken),
            "the condition to be broken for as long as voids a run",
        )
        recorded = stack.prom.number("sum(locust_requests_total)")
        looked, last_scrape = time.monotonic(), locust.scrape()
        os.killpg(locust.process.pid, signal.SIGKILL)
        locust.wait()
        received, looked_ago = target.received, time.monotonic() - looked
        # No metrics endpoint is left that could show the last values as current ones.
        with pytest.raises(requests.ConnectionError):
            locust.scrape()
        assert second.wait(timeout_seconds=PATIENCE_SECONDS) is not None
        # It had been given that much of the time to come, and had nobody to give it more; on a busy
        # machine some was waiting already.
        offered, started, unsent = (
            last_scrape.total(f"locust_arrivals_{fate}_total")
            for fate in ("offered", "started", "unsent")
        )
        assert (
            target.received - received
            <= offered - started - unsent + RATE * (looked_ago + ALLOCATED_AHEAD_SECONDS) + A_FEW
        )
        code, said, errors = drill.finish()
    document = run_json.content(drill.run())
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), said + errors
    assert {"worker_missing", "scrape_gap"} <= {
        reason["code"] for reason in document["verdict"]["reasons"]
    }
    counts, arrivals = document["figures"]["counts"], document["figures"]["arrivals"]
    assert recorded <= counts["client_requests"] <= target.received
    assert arrivals["started"] + arrivals["unsent"] <= arrivals["offered"]
    assert drill.run().snapshot.is_dir()
