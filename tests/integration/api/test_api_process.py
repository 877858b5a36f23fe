"""The example API answers, refuses and ends as its users start it: `python -m api`, `flask run`."""

import re
import signal
import socket
import subprocess
import sys

import pytest
import requests

from firedrill.contract import LOOPBACK, PROCESS_METRICS, Server, declared
from firedrill.places import ROOT
from tests import required_programs
from tests.integration.api.api_process import flask, module
from tests.waiting import PATIENCE_SECONDS, poll_until

ONLY_ON_REQUEST = {
    Server.RUN_REQUESTS.name,
    Server.FAULT_ACTIVE.name,
    Server.ACTIVE_WEBSOCKETS.name,
    Server.WEBSOCKET_SESSIONS.name,
    Server.EVENT_LOOP_LAG.name,
    Server.REQUESTS_SHED.name,
}
"""Metrics that appear with a first request of their kind, or where faults can be set."""
NEVER_HERE = {"container_", "pressure_"}
"""Metrics that depend on the kernel and the container of the tests."""
ONLY_WITH_A_POOL = {
    Server.QUEUE_WAIT.name,
    Server.QUEUE_DEPTH.name,
    Server.WORKERS_BUSY.name,
    Server.WORKERS_LIMIT.name,
    Server.PROCESS_WORKERS_BUSY.name,
    Server.BUSY_SECONDS.name,
    Server.CONNECTIONS.name,
    Server.CONNECTIONS_LIMIT.name,
}


STARTS = {
    "waitress": lambda: module("waitress"),
    "the development server": lambda: module("dev"),
    "flask run": flask,
    "flask run with the reloader": lambda: flask("--reload"),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_every_route_answers_and_is_counted_by_its_rule(start):
    with start() as api:
        assert api.get("/").ok
        assert api.get("/items/1").status_code in {200, 404}
        assert api.get("/nowhere").status_code == 404
        assert (
            requests.post(
                f"{api.url}/items", json={"name": "a"}, timeout=PATIENCE_SECONDS
            ).status_code
            == 201
        )
        poll_until(
            lambda: (
                api.scrape().total("http_server_request_duration_seconds_count", http_route="none")
                == 1
            ),
            "the last request to be counted",
        )
        metrics = api.scrape()
        count = "http_server_response_time_seconds_count"
        assert metrics.total(count, http_route="/", http_response_status_code="200") == 1
        assert metrics.total(count, http_route="/items/<int:id>") == 1
        assert (
            metrics.total(count, http_request_method="POST", http_response_status_code="201") == 1
        )


@pytest.mark.parametrize("server", ["waitress", "dev"])
def test_the_endpoint_has_exactly_the_metrics_of_its_server(server):
    with module(server) as api:
        api.get("/")
        text = api.scrape().text
    families = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    everything = {metric.name for metric in (*declared(Server), *PROCESS_METRICS)}
    expected = everything - (ONLY_ON_REQUEST - families)
    expected -= ONLY_WITH_A_POOL if server == "dev" else set()
    here = {name for name in expected if not name.startswith(tuple(NEVER_HERE))}
    assert here - families == set()
    assert families - everything == set()
    if server == "dev":
        assert (
            families
            & {Server.WORKERS_LIMIT.name, Server.CONNECTIONS_LIMIT.name, Server.QUEUE_WAIT.name}
            == set()
        ), "no limit is faked"


def test_promtool_accepts_the_metrics():
    with module("waitress") as api:
        api.get("/")
        text = api.scrape().text
    checked = subprocess.run(
        [required_programs.require("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "error" not in checked.stderr.lower(), checked.stderr


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_taken_port_is_one_line_and_exit_code_2(option):
    with socket.create_server((LOOPBACK, 0)) as taken:
        words = [
            sys.executable,
            "-m",
            "api",
            "--port",
            "0",
            "--metrics-port",
            "0",
            option,
            str(taken.getsockname()[1]),
        ]
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words[-1] in done.stderr


@pytest.mark.parametrize("server", ["waitress", "dev"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_metrics_process_ends_with_the_api_on_a_signal(server, number):
    with module(server) as api:
        assert api.end(number) == 0
        poll_until(api.metrics_process_has_ended, "the metrics process to end")


def test_kill_9_leaves_no_metrics_process_behind():
    with module("waitress") as api:
        assert api.end(signal.SIGKILL) == -signal.SIGKILL
        poll_until(api.metrics_process_has_ended, "the metrics process to end")


def test_only_the_child_of_the_reloader_publishes():
    with flask("--reload") as api:
        metrics = api.scrape()
        assert metrics.value("api_server_info", server="werkzeug") == 1
        assert api.end(signal.SIGTERM) in {0, -signal.SIGTERM}
        poll_until(api.metrics_process_has_ended, "the metrics process to end")
