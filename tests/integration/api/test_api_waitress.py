"""A real waitress under a known load exports its queue, workers, connections and times."""

import http.client
import subprocess
import threading
from contextlib import contextmanager
from time import perf_counter

import pytest
from flask import Flask, Response
from waitress import wasyncore

from firedrill.contract import CONTENT_TYPE, LOOPBACK, RUN_ID_HEADER
from firedrill.telemetry import instrument
from firedrill.telemetry.publisher import listening_socket
from firedrill.telemetry.servers import waitress_server
from tests import required_programs
from tests.scraped_metrics import scrape
from tests.waiting import PATIENCE_SECONDS, poll_until

THREADS = 2
CONNECTION_LIMIT = 12
BUSY = "http_server_busy_seconds_total"
WAITED = "http_server_queue_wait_seconds"
HANDLED = "http_server_request_duration_seconds"
ANSWERED = "http_server_response_time_seconds"
ROUNDING = 1e-3
"""Seconds by which exported sums of times may differ from those here."""


class Served:
    """An application on waitress in this process; one route waits until the test opens the gate."""

    def __init__(self, telemetry, server, port):
        self.telemetry = telemetry
        self.server = server
        self.port = port
        self.gate = threading.Event()

    def send(self, path, **headers):
        """Open a connection with one request under way."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", path, headers=headers)
        return connection

    def scrape(self):
        return scrape(self.telemetry.url)

    def await_value(self, wanted, name, **labels):
        return poll_until(
            lambda: self.scrape().total(name, **labels) == wanted, f"{name}{labels} to be {wanted}"
        )

    def timed_metrics(self):
        """Return a time before, the metrics, and a time after.

        All processes of a machine share this clock, so the metrics are of a time in between.
        """
        before = perf_counter()
        metrics = self.scrape()
        return before, metrics, perf_counter()

    def await_busy(self, since, seconds):
        """Return timed metrics with so many busy seconds more than `since`."""

        def later():
            timed = self.timed_metrics()
            return timed[1].value(BUSY) - since.value(BUSY) >= seconds and timed

        return poll_until(later, f"{seconds:g} more busy seconds")

    def await_pipelined(self, wanted):
        """Wait until that many requests of one connection have arrived."""

        def arrived():
            channels = list(self.server.active_channels.values())
            return [len(channel.requests) for channel in channels]

        poll_until(
            lambda: arrived() == [wanted], lambda: f"{wanted} requests to arrive, not {arrived()}"
        )


@contextmanager
def running(app):
    listener = listening_socket(LOOPBACK, 0, "the test")
    telemetry = instrument(app, port=0, version="7")
    server = waitress_server(
        app, telemetry, listener, threads=THREADS, connection_limit=CONNECTION_LIMIT
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    served = Served(telemetry, server, listener.getsockname()[1])
    try:
        yield served
    finally:
        served.gate.set()
        # waitress's loop ends once nothing is left for it to watch.
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
        thread.join()
        server.task_dispatcher.shutdown()
        telemetry.close()


@pytest.fixture
def served():
    app = Flask(__name__)
    with running(app) as served:
        app.get("/gate", endpoint="gate")(lambda: str(served.gate.wait(PATIENCE_SECONDS)))
        app.get("/quick", endpoint="quick")(lambda: "quick")
        app.get("/broken", endpoint="broken")(lambda: 1 / 0)
        app.get("/endless", endpoint="endless")(
            lambda: Response(b"x" * 100_000 for _ in iter(int, 1))
        )
        yield served


def test_queue_workers_connections_and_backlog_match_the_load(served):
    """The limits let 2 of 14 requests be served, 8 queue in waitress, and 4 wait in the kernel."""
    accepted = CONNECTION_LIMIT - 2
    begun = perf_counter()
    clients = [served.send("/gate") for _ in range(14)]
    served.await_value(accepted - THREADS, "http_server_queue_depth")
    served.await_value(4, "tcp_listen_backlog", port=str(served.port))
    before_full, full, after_full = served.timed_metrics()
    before_later, later, after_later = served.await_busy(full, THREADS * 0.51)
    opened = perf_counter()
    served.gate.set()
    for client in clients:
        assert client.getresponse().read() == b"True"
        client.close()
    served.await_value(14, f"{HANDLED}_count", http_route="/gate")
    served.await_value(0, "http_server_connections")
    drained, done = served.scrape(), perf_counter()

    assert (
        full.value("http_server_workers_busy") == full.value("http_server_workers_limit") == THREADS
    )
    assert (
        full.value("http_server_connections")
        == full.value("http_server_connections_limit")
        == accepted
    )
    assert full.value("http_server_active_requests", http_request_method="GET") == THREADS
    assert full.value("tcp_listen_backlog_limit", port=str(served.port)) == 1024
    # Busy seconds count while a request runs, not when it is done: two workers were busy between
    # both scrapes.
    grown = later.value(BUSY) - full.value(BUSY)
    assert (
        THREADS * (before_later - after_full) - ROUNDING
        <= grown
        <= THREADS * (after_later - before_full) + ROUNDING
    )
    for name in (
        "http_server_queue_depth",
        "http_server_workers_busy",
        "http_server_active_requests",
        "tcp_listen_backlog",
    ):
        assert drained.total(name) == 0, name

    # The 8 that queued waited until the gate opened, half a second at least. The handler's time has
    # none of it: two run at a time.
    waited, handled, answered = (
        drained.total(f"{name}_sum") for name in (WAITED, HANDLED, ANSWERED)
    )
    assert drained.value(f"{WAITED}_count") == 14
    assert drained.value(f"{WAITED}_bucket", le="0.5") <= 14 - 8
    assert drained.value(f"{ANSWERED}_bucket", http_route="/gate", le="0.5") <= 4
    assert waited >= 8 * (opened - after_full) - ROUNDING
    assert 2 * (opened - after_full) - ROUNDING <= handled <= THREADS * (done - begun) + ROUNDING
    assert answered >= handled + waited - ROUNDING


def test_pipelined_requests_wait_from_their_own_arrival(served):
    """Three requests in one packet: the second and third arrive with the first, and wait for it."""
    connection = http.client.HTTPConnection(LOOPBACK, served.port, timeout=PATIENCE_SECONDS)
    connection.connect()
    connection.sock.sendall(
        b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n" + 2 * b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    served.await_pipelined(3)
    served.await_value(1, "http_server_workers_busy")
    arrived = perf_counter()
    served.await_busy(served.scrape(), 0.3)
    opened = perf_counter()
    served.gate.set()
    served.await_value(2, f"{HANDLED}_count", http_route="/quick")
    pipelined, done = served.scrape(), perf_counter()
    connection.close()
    assert pipelined.value(f"{ANSWERED}_bucket", http_route="/quick", le="0.25") == 0
    assert (
        pipelined.total(f"{ANSWERED}_sum", http_route="/quick") >= 2 * (opened - arrived) - ROUNDING
    )
    # They are handled one after the other, once the gate is open.
    assert pipelined.total(f"{HANDLED}_sum", http_route="/quick") <= done - opened + ROUNDING


def test_kept_alive_requests_do_not_wait_for_each_other(served):
    """The time in which a connection is idle is not part of the next request's time."""
    connection = http.client.HTTPConnection(LOOPBACK, served.port, timeout=PATIENCE_SECONDS)
    asked = 0.0
    for number in range(1, 4):
        begun = perf_counter()
        connection.request("GET", "/quick")
        connection.getresponse().read()
        served.await_value(number, f"{HANDLED}_count", http_route="/quick")
        asked += perf_counter() - begun
        if number == 1:
            idle = served.send("/gate")
            served.await_value(1, "http_server_workers_busy")
            served.await_busy(served.scrape(), 0.3)
            served.gate.set()
            idle.getresponse().read()
    connection.close()
    idle.close()
    handled, answered = (
        served.scrape().total(f"{name}_sum", http_route="/quick") for name in (HANDLED, ANSWERED)
    )
    assert handled <= answered <= asked + ROUNDING


def test_a_request_is_counted_when_its_client_hangs_up(served):
    connection = served.send("/endless", **{RUN_ID_HEADER: "hung-up"})
    connection.getresponse().read(1000)
    connection.close()
    connection.sock = None
    served.await_value(1, "firedrill_run_requests_total", run_id="hung-up")
    assert served.scrape().total("http_server_active_requests") == 0


def test_a_raising_handler_is_one_finished_request_with_status_500(served):
    assert served.send("/broken", **{RUN_ID_HEADER: "broken"}).getresponse().status == 500
    served.await_value(
        1,
        "http_server_request_duration_seconds_count",
        http_route="/broken",
        http_response_status_code="500",
    )
    assert served.scrape().value("firedrill_run_requests_total", run_id="broken") == 1


def test_malformed_http_is_answered_and_frees_its_worker(served):
    connection = http.client.HTTPConnection(LOOPBACK, served.port, timeout=PATIENCE_SECONDS)
    connection.connect()
    connection.sock.sendall(b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
    assert b"400" in connection.sock.recv(1000)
    connection.close()
    served.await_value(1, "http_server_queue_wait_seconds_count")
    served.await_value(0, "http_server_workers_busy")
    assert served.scrape().total("http_server_queue_depth") == 0


def test_promtool_accepts_the_metrics(served):
    """Prometheus' own linter; the one complaint it may make is about names that follow
    OpenTelemetry.
    """
    promtool = required_programs.require("promtool")
    served.send("/quick").getresponse().read()
    served.await_value(1, "http_server_request_duration_seconds_count")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=served.scrape().text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_metrics_endpoint_names_its_server_version_and_format(served):
    host_and_port = served.telemetry.url.split("/")[2]
    connection = http.client.HTTPConnection(host_and_port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == CONTENT_TYPE
    response.read()
    connection.request("GET", "/elsewhere")
    assert connection.getresponse().status == 404
    connection.close()
    assert (
        served.scrape().value(
            "api_server_info", server="waitress", threads=str(THREADS), processes="1"
        )
        == 1
    )
    assert served.scrape().value("api_build_info", version="7") == 1
