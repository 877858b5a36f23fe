"""The exporter serves its metrics to every scraper."""

import itertools
import socket
import threading
from contextlib import ExitStack, contextmanager
from queue import Queue

import gevent
import pytest
import requests
from locust_exporter.endpoint.http_server import MetricsServer
from locust_exporter.exporter_settings import Settings

from firedrill.contract import METRICS_PATH, metrics_path
from firedrill.errors import BadInput
from tests.waiting import PATIENCE_SECONDS, poll_until


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_default_moves_to_the_next_free_port(taken):
    assert taken < MetricsServer(lambda *_: "").start(Settings(port=taken)) < taken + 50


def test_a_taken_port_that_was_asked_for_is_an_error(taken):
    with pytest.raises(
        BadInput, match=f"127.0.0.1:{taken}: Address already in use; set FIREDRILL_EXPORTER_PORT"
    ):
        MetricsServer(lambda *_: "").start(Settings(port=taken, port_was_asked_for=True))


@contextmanager
def served(padding="", patience_seconds=PATIENCE_SECONDS):
    """Serve the number of texts that had reached the scraper, from a thread of its own."""
    ports, over = Queue(), threading.Event()

    def metrics(scrape, _):
        if scrape is None:
            return "unknown\n"
        number = next(number for number in itertools.count() if not text_was_seen(scrape, number))
        return f"{number}\n{padding}"

    def serve():
        settings = Settings(port=0, run_id="run/1")
        ports.put(MetricsServer(metrics, patience_seconds).start(settings))
        while not over.is_set():
            gevent.sleep(0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield ports.get(timeout=PATIENCE_SECONDS)
    finally:
        over.set()
        thread.join()


def text_was_seen(scrape, number):
    return not scrape.is_new(number)


def scrape(port, name, patience=f"{PATIENCE_SECONDS:g}"):
    headers = {"User-Agent": name, "X-Prometheus-Scrape-Timeout-Seconds": patience}
    return requests.get(
        f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=PATIENCE_SECONDS
    ).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (METRICS_PATH, 200),
        (metrics_path("run/1"), 200),
        (metrics_path("run/2"), 404),
        (metrics_path(""), 404),
        ("/", 404),
    ],
)
def test_another_runs_prometheus_gets_nothing(path, status):
    with served() as port:
        answer = requests.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_SECONDS)
    assert answer.status_code == status


def test_scrapers_beyond_sixteen_are_anonymous():
    with served() as port:
        assert [scrape(port, f"Prometheus/{number}") for number in range(18)] == ["0\n"] * 16 + [
            "unknown\n"
        ] * 2
        assert scrape(port, "Prometheus/15") == "1\n"


def test_idle_connections_do_not_keep_others_out():
    """There are more than are served at once, some of them kept alive. They are closed in time."""
    with served(patience_seconds=0.5) as port, ExitStack() as stack:
        for _ in range(12):
            session = stack.enter_context(requests.Session())
            poll_until(
                lambda session=session: is_answered(session, port), "a connection to be answered"
            )
        for _ in range(8):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        poll_until(lambda: is_answered(requests, port), "somebody else to be answered")


def is_answered(client, port):
    """Return whether the server answers; it closes a connection that it did not hear in time."""
    try:
        return (
            client.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS).text
            == "unknown\n"
        )
    except requests.ConnectionError:
        return False


def test_late_and_partial_scrapes_do_not_count_as_seen():
    """Else the zero that its series begin with would be lost, and their first increment with it."""
    with served(padding="#" * 20_000_000) as port:
        assert scrape(port, "Prometheus", patience="0").startswith("0\n")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(
                b"GET /metrics HTTP/1.1\r\nUser-Agent: Prometheus\r\n"
                b"X-Prometheus-Scrape-Timeout-Seconds: 90\r\n\r\n"
            )
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            assert scrape(port, "Another") == scrape(port, "Prometheus")
        assert scrape(port, "Prometheus").startswith("1\n")


@pytest.mark.parametrize("patience", ["", "soon", "-1", "1e3", "nan", "."])
def test_a_client_without_a_scrape_timeout_is_anonymous(patience):
    with served() as port:
        assert scrape(port, "curl", patience) == "unknown\n"
