"""A metrics endpoint is fetched before the load, and what it lacks is said."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from firedrill import places
from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from firedrill.stack import foreign_names, scrape_check
from firedrill.stack.configuration import FILE, Scrape

METRICS = """\
# HELP process_start_time_seconds Start time.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.7e+09
sizes_bucket{le="+Inf",path="a b } 1"} 3.0 1700000000000
{"a.name",x="y"} NaN

"""
NO_METRICS = {
    "a page": "<html><body>hello</body></html>",
    "JSON": '{"status": "ok"}',
    "a JSON string": '"pong"',
    "words": "hello world",
    "one word": "pong",
    "nothing": "",
    "white space": "\n\n",
    "an event stream": "data: {}\n\ndata: {}\n\n",
    "metrics that end in words": METRICS + "and so on\n",
}
MAPPED = {
    "prometheus-fastapi-instrumentator": "http_request_duration_highr_seconds_count 1",
    "prometheus-flask-exporter": 'flask_http_request_duration_seconds_count{path="/"} 1',
    "starlette_exporter": 'starlette_request_duration_seconds_bucket{le="1"} 1',
    "django-prometheus": 'django_http_requests_latency_seconds_by_view_method_sum{view="a"} 1',
    "OpenTelemetry's old name": 'http_server_duration_milliseconds_count{http_method="GET"} 1',
    "its old name without a unit": "http_server_duration_count 1",
    "its old name in seconds": "http_server_duration_seconds_count 1",
    "its stable name without a unit": "http_server_request_duration_count 1",
    "its stable name": 'http_server_request_duration_seconds_sum{otel_scope_name="a"} 1',
    "a family without requests": "# TYPE flask_http_request_duration_seconds histogram",
    "ours": "http_server_response_time_seconds_count 1",
    "ours before the first request": "api_processes 0",
}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved":
            self.send_response(307)
            self.send_header("Location", "/metrics")
            self.end_headers()
            return
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def log_message(self, *_):
        """Log nothing."""


@contextmanager
def page(text):
    with ThreadingHTTPServer((LOOPBACK, 0), _Page) as server:
        server.text = text
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{LOOPBACK}:{server.server_port}"
        server.shutdown()


def fetched(address, path="/metrics"):
    return scrape_check.fetch(Scrape("api", address, path), f"http://{address}", Interrupt())


@pytest.mark.parametrize("text", NO_METRICS.values(), ids=NO_METRICS)
def test_what_is_no_prometheus_text_is_refused(text):
    with page(text) as address, pytest.raises(BadInput, match="no Prometheus text") as refused:
        fetched(address)
    assert str(refused.value).startswith(f"--scrape http://{address}/metrics: ")
    assert "\n" not in str(refused.value)


def test_a_wrong_path_is_refused():
    with page(METRICS) as address, pytest.raises(BadInput, match="it answers with status 404"):
        fetched(address, "/metric")


def test_a_closed_port_is_refused(monkeypatch):
    monkeypatch.setattr(scrape_check, "REFUSED_SECONDS", 0)
    with socket.create_server((LOOPBACK, 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(BadInput, match=f":{port}/metrics: connection refused; expected"):
        fetched(f"{LOOPBACK}:{port}")


@pytest.mark.parametrize("path", ["/metrics", "/moved"])
def test_metrics_are_accepted(path):
    with page(METRICS) as address:
        assert fetched(address, path) == METRICS


@pytest.mark.parametrize("text", MAPPED.values(), ids=MAPPED)
def test_known_names_of_request_durations_are_enough(text):
    assert scrape_check.missing_families(Scrape("api", "a:1"), f"{METRICS}{text}\n") is None


def test_a_page_without_request_durations_is_told():
    said = scrape_check.missing_families(Scrape("api", "a:1"), METRICS)
    assert "http_server_request_duration_seconds" in said
    assert "stay empty" in said
    assert scrape_check.missing_families(Scrape("postgres", "a:1"), METRICS) is None


def test_a_handler_time_alone_is_told():
    text = f"{METRICS}http_server_request_duration_seconds_count 1\n"
    said = scrape_check.missing_families(Scrape("api", "a:1"), text)
    assert "no http_server_response_time_seconds" in said


@pytest.mark.parametrize(
    ("rules", "is_renamed"),
    [
        ("expr: rate(flask_http_request_duration_seconds_count[5m])", False),
        ("expr: rate(http_requests_total[5m])", False),
        ("expr: rate(my_http_requests_total[5m])", True),
        ("expr: rate(http_server_response_time_seconds_count[5m])", True),
    ],
)
def test_names_that_rules_read_are_kept(rules, is_renamed):
    text = foreign_names.keep_if_read((places.PROMETHEUS / FILE).read_text(), rules)
    assert ("metric_relabel_configs" in text) == is_renamed
    assert "job_name: extra" in text
    assert "regex" not in text or is_renamed
