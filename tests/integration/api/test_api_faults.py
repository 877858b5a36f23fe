"""Faults of the real API act as documented, end by themselves, and are set only where allowed."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests

from api.api_settings import Settings
from api.factory import create_app
from firedrill.contract import LOOPBACK
from firedrill.fault_kinds import FAULT_KINDS, FAULT_LONGEST_SECONDS
from tests.firedrill_process import FIREDRILL
from tests.integration.api.api_process import module
from tests.waiting import PATIENCE_SECONDS, poll_until

PATH = "/items/1"
LONG_SECONDS = FAULT_LONGEST_SECONDS
"""For faults that the test itself ends."""


@pytest.fixture(scope="module", params=["waitress", "dev"])
def either(request):
    """Yield an API that takes faults, on each server."""
    with module(request.param, "--faults") as api:
        yield api


@pytest.fixture(scope="module")
def shared():
    with module("waitress", "--faults") as api:
        yield api


@pytest.fixture
def api(shared):
    """Yield an API that takes faults, with none set."""
    shared.faults().clear()
    return shared


def seconds_of(api, path=PATH):
    begun = time.monotonic()
    assert api.get(path).ok
    return time.monotonic() - begun


def is_refused(api):
    """Return whether the API's port takes no connection."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, int(api.url.rpartition(":")[2]))) == errno.ECONNREFUSED


def handled(api):
    """Return requests and seconds of the handler of PATH."""
    metrics, name = api.scrape(), "http_server_request_duration_seconds"
    return tuple(
        metrics.total(f"{name}_{part}", http_route="/items/<int:id>") for part in ("count", "sum")
    )


def await_handled(api, count):
    """Return the seconds in the handler, once that many requests are counted."""
    return poll_until(
        lambda: (counts := handled(api))[0] == count and counts, f"{count:g} requests to be counted"
    )[1]


def test_latency_is_added_to_the_time_of_the_handler(api):
    count, before = handled(api)
    api.faults().set({"latency": 0.3}, LONG_SECONDS)
    assert seconds_of(api) >= 0.3
    assert await_handled(api, count + 1) - before >= 0.3


def test_latency_spares_health_checks_and_ends_when_cleared():
    """A minute is added, so an answer that comes while a request still waits had no latency."""
    with module("waitress", "--faults") as api, ThreadPoolExecutor(1) as client:
        api.faults().set({"latency": FAULT_KINDS["latency"].largest}, LONG_SECONDS)
        slow = client.submit(api.status, PATH)
        poll_until(
            lambda: api.scrape().value("http_server_workers_busy") == 1, "the request to be held"
        )
        assert api.status("/healthz") == 200
        assert api.status("/readyz") == 200
        api.faults().clear()
        assert api.status(PATH) == 200
        assert not slow.done()
        api.end(signal.SIGKILL)  # nobody waits for the minute to pass
        assert slow.result(PATIENCE_SECONDS) is None


def test_errors_have_the_requested_ratio(api):
    api.faults().set({"errors": 0.2}, LONG_SECONDS)
    with requests.Session() as session:
        statuses = [
            session.get(api.url + PATH, timeout=PATIENCE_SECONDS).status_code for _ in range(100)
        ]
        assert {
            session.get(api.url + "/healthz", timeout=PATIENCE_SECONDS).status_code
            for _ in range(10)
        } == {200}
    assert 18 <= statuses.count(500) <= 22
    assert set(statuses) == {200, 500}
    api.faults().clear()
    assert {api.status(PATH) for _ in range(10)} == {200}


def test_stuck_workers_hold_their_requests_until_the_fault_ends(api):
    """Three of four workers are stuck: of five requests the other worker serves two."""
    api.faults().set({"stuck": 3}, LONG_SECONDS)
    with ThreadPoolExecutor(5) as clients:
        requested = [clients.submit(api.status, PATH) for _ in range(5)]
        try:
            poll_until(
                lambda: sum(request.done() for request in requested) == 2,
                "the worker that is not stuck to serve two requests",
            )
            poll_until(
                lambda: api.scrape().value("http_server_workers_busy") == 3,
                "the other three to be stuck",
            )
            assert api.scrape().value("http_server_queue_depth") == 0
            assert api.status("/readyz") == 200
            assert sum(request.done() for request in requested) == 2
        finally:
            api.faults().set({"stuck": 3}, 0.05)  # it ends by itself
        assert {request.result(PATIENCE_SECONDS) for request in requested} == {200}
    poll_until(
        lambda: api.scrape().value("http_server_workers_busy") == 0, "the workers to be free again"
    )
    assert api.faults().active() == []
    assert api.status(PATH) == 200


def test_the_cpu_fault_burns_in_the_process_of_the_api(api):
    def seconds():
        return api.scrape().value("process_cpu_seconds_total")

    threads, before = api.scrape().value("python_threads"), seconds()
    api.faults().set({"cpu": 0.5}, LONG_SECONDS)
    poll_until(lambda: seconds() - before > 0.5, "half a second of CPU time to be burned")
    assert api.scrape().value("python_threads") == threads + 1
    api.faults().clear()
    poll_until(lambda: api.scrape().value("python_threads") == threads, "the burning thread to end")


def test_memory_grows_and_is_given_back(api):
    def resident():
        return api.scrape().value("process_resident_memory_bytes")

    before = resident()
    api.faults().set({"memory": 60e6}, LONG_SECONDS)
    poll_until(lambda: resident() > before + 30e6, "the process to grow")
    api.faults().clear()
    poll_until(lambda: resident() < before + 10e6, "the memory to be given back")


def test_a_stopped_api_refuses_hangs_up_and_comes_back(either):
    """A client that is refused finds its open connection closed."""
    faults, scraper = either.faults(), {"User-Agent": "Prometheus/2.42.0"}
    backlog = either.scrape().values("tcp_listen_backlog_limit")
    with requests.Session() as session:
        session.get(either.url + PATH, timeout=PATIENCE_SECONDS)
        faults.set({"stop": 1.0}, LONG_SECONDS)
        poll_until(lambda: is_refused(either), "connections to be refused")
        with pytest.raises(requests.ConnectionError):
            session.get(either.url + PATH, timeout=PATIENCE_SECONDS)
    last = requests.get(either.metrics, headers=scraper, timeout=PATIENCE_SECONDS).text
    assert 'api_fault_active{fault="stop"} 1.0' in last
    with pytest.raises(requests.ConnectionError):
        requests.get(either.metrics, headers=scraper, timeout=PATIENCE_SECONDS)
    assert faults.active()[0].fault == "stop"
    faults.clear()
    poll_until(lambda: either.status(PATH) == 200, "the API to come back")
    assert either.scrape().values("tcp_listen_backlog_limit") == backlog


def test_no_connection_outlives_the_listener_of_a_stopped_api(either):
    """When the port refuses, every open connection is closed already."""
    host, port = either.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((host, int(port)), PATIENCE_SECONDS))
            for _ in range(60)
        ]
        either.faults().set({"stop": 1.0}, LONG_SECONDS)
        poll_until(lambda: is_refused(either), "connections to be refused", every_seconds=0.001)
        assert [_answer(connection) for connection in connections] == [b""] * len(connections)
    either.faults().clear()
    poll_until(lambda: either.status(PATH) == 200, "the API to come back")


def _answer(connection):
    """Return the answer to a request; "" if the other side hung up."""
    try:
        connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return connection.recv(1)
    except ConnectionError:
        return b""


def test_a_stopped_api_comes_back_again_and_again(either):
    for _ in range(3):
        either.faults().set({"stop": 1.0}, LONG_SECONDS)
        poll_until(lambda: is_refused(either), "connections to be refused")
        either.faults().set({"stop": 1.0}, 0.2)  # it ends by itself
        poll_until(lambda: either.status(PATH) == 200, "the API to come back")
    assert either.faults().active() == []


def test_the_metrics_endpoint_shows_the_size_of_active_faults(api):
    api.faults().set({"latency": 0.3, "errors": 0.2}, LONG_SECONDS)
    metrics = api.scrape()
    assert [
        metrics.value("api_fault_active", fault=fault)
        for fault in ("latency", "errors", "cpu", "stop")
    ] == [0.3, 0.2, 0, 0]
    api.faults().clear()
    assert sum(api.scrape().values("api_fault_active")) == 0


def test_a_fault_ends_although_the_metrics_process_is_killed():
    """The request returns when the fault ends, not when the metrics process does."""
    with module("waitress", "--faults") as api:
        begun = time.monotonic()
        api.faults().set({"stuck": 1}, 2)
        api.metrics_process().kill()
        assert api.get(PATH).ok
        assert time.monotonic() - begun >= 2


def test_faults_are_off_by_default_and_never_on_the_api_port(api):
    body = {"stop": {"for_seconds": 60}}
    assert (
        requests.post(f"{api.url}/faults", json=body, timeout=PATIENCE_SECONDS).status_code == 404
    )
    with module("waitress") as plain:
        metrics = plain.metrics.removesuffix("/metrics")
        methods = ("GET", "POST", "DELETE")
        assert {
            requests.request(
                method, f"{metrics}/faults", json=body, timeout=PATIENCE_SECONDS
            ).status_code
            for method in methods
        } == {404}
        assert "fault" not in plain.scrape().text
        code, _, errors = firedrill("set", "stop", "--for", "1s", "--url", metrics)
    assert code == 3
    assert "start it with API_FAULTS=1, or `python -m api --faults`" in errors


def test_an_api_without_faults_has_no_request_hooks():
    app = create_app(Settings(metrics_port=0))
    app.extensions["firedrill"].close()
    assert app.before_request_funcs == {}


def firedrill(*words):
    """Return exit code, output and errors of `firedrill fault`.

    It runs again if the machine stood still for longer than the command waits for an answer.
    """
    environment = {**os.environ, "COLUMNS": "200"}

    def answered():
        done = subprocess.run(
            [FIREDRILL, "fault", *words],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        return "nothing answers" not in done.stderr and done

    done = poll_until(answered, "the metrics endpoint to answer the command")
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_sets_lists_and_clears(api):
    url = ("--url", api.metrics.removesuffix("/metrics"))
    code, output, _ = firedrill("set", "latency=300ms", "errors=20%", "--for", "1h", *url)
    assert code == 0
    assert re.fullmatch(
        r"latency 300 ms, 3[0-9]{3} s left\nerrors 20 %, 3[0-9]{3} s left\n", output
    )
    code, listed, _ = firedrill("list", "--json", *url)
    assert (code, [(fault["fault"], fault["size"]) for fault in json.loads(listed)]) == (
        0,
        [("latency", 0.3), ("errors", 0.2)],
    )
    assert firedrill("clear", *url)[0] == 0
    assert firedrill("list", *url)[1] == "no fault is set\n"
