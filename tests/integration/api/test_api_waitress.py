"""A real waitress under a known load: queue, workers, connections and both clocks say what is the case."""

import http.client
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from flask import Flask, Response
from waitress import wasyncore

from firedrill.contract import CONTENT_TYPE, LOOPBACK, RUN_ID_HEADER
from firedrill.telemetry import instrument
from firedrill.telemetry.publisher import listening_socket
from firedrill.telemetry.servers import waitress_server
from tests import needs
from tests.scraping import scrape
from tests.waiting import poll_until

THREADS = 2
CONNECTION_LIMIT = 12


class Served:
    """An application on waitress in this process, with a route that waits until the test opens the gate."""

    def __init__(self, telemetry, port):
        self.telemetry = telemetry
        self.port = port
        self.gate = threading.Event()

    def send(self, path, **headers):
        """A connection with one request under way."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=20)
        connection.request("GET", path, headers=headers)
        return connection

    def page(self):
        return scrape(self.telemetry.url)

    def await_value(self, wanted, name, **labels):
        return poll_until(lambda: self.page().total(name, **labels) == wanted, f"{name}{labels} to be {wanted}")


@contextmanager
def running(app):
    listener = listening_socket(LOOPBACK, 0, "the test")
    telemetry = instrument(app, port=0, version="7")
    server = waitress_server(app, telemetry, listener, threads=THREADS, connection_limit=CONNECTION_LIMIT)
    thread = threading.Thread(target=server.run)
    thread.start()
    served = Served(telemetry, listener.getsockname()[1])
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
        app.get("/gate", endpoint="gate")(lambda: str(served.gate.wait(20)))
        app.get("/quick", endpoint="quick")(lambda: "quick")
        app.get("/broken", endpoint="broken")(lambda: 1 / 0)
        app.get("/endless", endpoint="endless")(lambda: Response(b"x" * 100_000 for _ in iter(int, 1)))
        yield served


def test_queue_workers_connections_and_backlog_are_those_of_the_load(served):
    """2 of 14 requests are served, 8 queue in waitress, and the 4 beyond its limit wait where only the kernel sees them."""
    accepted = CONNECTION_LIMIT - 2
    clients = [served.send("/gate") for _ in range(14)]
    served.await_value(accepted - THREADS, "http_server_queue_depth")
    served.await_value(4, "tcp_listen_backlog", port=str(served.port))
    full = served.page()
    threading.Event().wait(0.5)  # the load itself: half a second of two busy workers
    later = served.page()
    served.gate.set()
    for client in clients:
        assert client.getresponse().read() == b"True"
        client.close()
    served.await_value(14, "http_server_request_duration_seconds_count", http_route="/gate")
    served.await_value(0, "http_server_connections")
    drained = served.page()

    assert full.value("http_server_workers_busy") == full.value("http_server_workers_limit") == THREADS
    assert full.value("http_server_connections") == full.value("http_server_connections_limit") == accepted
    assert full.value("http_server_active_requests", http_request_method="GET") == THREADS
    assert full.value("tcp_listen_backlog_limit", port=str(served.port)) == 1024
    grown = later.value("http_server_busy_seconds_total") - full.value("http_server_busy_seconds_total")
    assert 2 * 0.5 <= grown < 2 * 0.5 + 1, "busy seconds count while a request runs, not when it is done"
    for name in ("http_server_queue_depth", "http_server_workers_busy", "http_server_active_requests", "tcp_listen_backlog"):
        assert drained.total(name) == 0, name
    assert drained.value("http_server_queue_wait_seconds_count") == 14
    # The 8 that queued waited for half a second at least; in the handler none of the 12 that came after the gate opened did.
    assert drained.value("http_server_queue_wait_seconds_bucket", le="0.5") <= 14 - 8
    assert drained.value("http_server_request_duration_seconds_bucket", http_route="/gate", le="0.25") == 12
    assert drained.value("http_server_response_time_seconds_bucket", http_route="/gate", le="0.5") <= 4


def test_pipelined_and_kept_alive_requests_wait_from_their_own_arrival(served):
    """Three requests in one packet: the second and third arrive with the first, and wait for it."""
    connection = http.client.HTTPConnection(LOOPBACK, served.port, timeout=20)
    connection.connect()
    connection.sock.sendall(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n" + 2 * b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
    served.await_value(1, "http_server_active_requests")
    time.sleep(0.3)  # the load: the first one takes this long
    served.gate.set()
    served.await_value(2, "http_server_request_duration_seconds_count", http_route="/quick")
    pipelined = served.page()
    connection.close()
    for _ in range(3):
        served.send("/quick").getresponse().read()
    served.await_value(5, "http_server_request_duration_seconds_count", http_route="/quick")
    assert pipelined.value("http_server_response_time_seconds_bucket", http_route="/quick", le="0.25") == 0
    assert pipelined.value("http_server_request_duration_seconds_bucket", http_route="/quick", le="0.25") == 2
    assert served.page().value("http_server_response_time_seconds_bucket", http_route="/quick", le="0.25") == 3


def test_a_request_is_counted_when_its_client_hangs_up(served):
    connection = served.send("/endless", **{RUN_ID_HEADER: "hung-up"})
    connection.getresponse().read(1000)
    connection.close()
    connection.sock = None
    served.await_value(1, "firedrill_run_requests_total", run_id="hung-up")
    assert served.page().total("http_server_active_requests") == 0


def test_a_raising_handler_is_one_finished_request_with_status_500(served):
    assert served.send("/broken", **{RUN_ID_HEADER: "broken"}).getresponse().status == 500
    served.await_value(1, "http_server_request_duration_seconds_count", http_route="/broken", http_response_status_code="500")
    assert served.page().value("firedrill_run_requests_total", run_id="broken") == 1


def test_a_request_that_is_no_http_is_answered_and_leaves_no_trace_in_the_pool(served):
    connection = http.client.HTTPConnection(LOOPBACK, served.port, timeout=20)
    connection.connect()
    connection.sock.sendall(b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
    assert b"400" in connection.sock.recv(1000)
    connection.close()
    served.await_value(1, "http_server_queue_wait_seconds_count")
    served.await_value(0, "http_server_workers_busy")
    assert served.page().total("http_server_queue_depth") == 0


def test_promtool_accepts_the_page(served):
    """Prometheus' own linter; the one complaint it may make is about names that follow OpenTelemetry."""
    promtool = needs.program("promtool")
    served.send("/quick").getresponse().read()
    served.await_value(1, "http_server_request_duration_seconds_count")
    checked = subprocess.run([promtool, "check", "metrics"], input=served.page().text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_page_names_what_is_tested_and_its_format(served):
    host_and_port = served.telemetry.url.split("/")[2]
    connection = http.client.HTTPConnection(host_and_port, timeout=5)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == CONTENT_TYPE
    response.read()
    connection.request("GET", "/elsewhere")
    assert connection.getresponse().status == 404
    connection.close()
    assert served.page().value("api_server_info", server="waitress", threads=str(THREADS), processes="1") == 1
    assert served.page().value("api_build_info", version="7") == 1
