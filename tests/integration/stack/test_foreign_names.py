"""Prometheus renames the request durations of other instrumentations to the bundle's names."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from firedrill.contract import LOOPBACK
from firedrill.processes import ports
from firedrill.processes.children import Children
from firedrill.prometheus.client import Prometheus
from firedrill.stack import configuration
from firedrill.stack.configuration import Scrape
from tests import required_programs
from tests.waiting import poll_until

PATIENCE_SECONDS = 60
PAGE = """\
http_requests_total{handler="/fastapi",method="GET",status="5xx"} 3
http_request_duration_seconds_bucket{handler="/fastapi",method="GET",le="0.1"} 3
http_request_duration_seconds_bucket{handler="/fastapi",method="GET",le="+Inf"} 3
http_request_duration_seconds_sum{handler="/fastapi",method="GET"} 0.3
http_request_duration_seconds_count{handler="/fastapi",method="GET"} 3
http_request_duration_highr_seconds_bucket{le="0.1"} 3
http_request_duration_highr_seconds_count 3
http_requests_total{code="200"} 9
flask_http_request_duration_seconds_bucket{method="GET",path="/flask",status="503",le="0.1"} 3
flask_http_request_duration_seconds_count{method="GET",path="/flask",status="503"} 3
starlette_request_duration_seconds_bucket{app_name="a",method="GET",path="/starlette",status_code="500",le="0.1"} 3
starlette_request_duration_seconds_count{app_name="a",method="GET",path="/starlette",status_code="500"} 3
django_http_requests_latency_seconds_by_view_method_bucket{method="GET",view="django",le="0.1"} 3
django_http_requests_latency_seconds_by_view_method_count{method="GET",view="django"} 3
django_http_responses_total_by_status_view_method_total{method="GET",status="500",view="django"} 3
http_server_duration_milliseconds_bucket{http_method="GET",http_route="/old",http_status_code="500",le="5"} 1
http_server_duration_milliseconds_bucket{http_method="GET",http_route="/old",http_status_code="500",le="75.0"} 1
http_server_duration_milliseconds_bucket{http_method="GET",http_route="/old",http_status_code="500",le="100.0"} 3
http_server_duration_milliseconds_bucket{http_method="GET",http_route="/old",http_status_code="500",le="2500.0"} 3
http_server_duration_milliseconds_bucket{http_method="GET",http_route="/old",http_status_code="500",le="+Inf"} 3
http_server_duration_milliseconds_sum{http_method="GET",http_route="/old",http_status_code="500"} 300
http_server_duration_milliseconds_count{http_method="GET",http_route="/old",http_status_code="500"} 3
http_server_duration_bucket{http_method="GET",http_route="/old-bare",http_status_code="500",le="100.0"} 3
http_server_duration_count{http_method="GET",http_route="/old-bare",http_status_code="500"} 3
http_server_duration_seconds_bucket{http_method="GET",http_route="/old-seconds",http_status_code="500",le="0.1"} 3
http_server_duration_seconds_count{http_method="GET",http_route="/old-seconds",http_status_code="500"} 3
http_server_request_duration_bucket{http_request_method="GET",http_route="/bare",http_response_status_code="500",le="0.1"} 3
http_server_request_duration_count{http_request_method="GET",http_route="/bare",http_response_status_code="500"} 3
http_server_request_duration_seconds_bucket{http_request_method="GET",http_route="/stable",http_response_status_code="500",otel_scope_name="a",le="0.1"} 3
http_server_request_duration_seconds_count{http_request_method="GET",http_route="/stable",http_response_status_code="500",otel_scope_name="a"} 3
http_server_request_duration_seconds_count{http_request_method="GET",http_route="/own",http_response_status_code="500"} 3
"""  # noqa: E501 -- a line of a page is a line
ROUTES = {
    "/fastapi",
    "/flask",
    "/starlette",
    "django",
    "/old",
    "/old-bare",
    "/old-seconds",
    "/bare",
    "/stable",
}
FAMILY = "http_server_response_time_seconds"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture(scope="module")
def prom(tmp_path_factory):
    """Run a Prometheus with a stack's configuration, which has scraped the page."""
    folder = tmp_path_factory.mktemp("foreign")
    with ThreadingHTTPServer((LOOPBACK, 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        scrape = Scrape("api", f"{LOOPBACK}:{server.server_port}")
        port, children = ports.any_free(), Children(folder)
        command = [
            required_programs.require("prometheus"),
            f"--config.file={configuration.write(folder, [scrape], [], 1)}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ]
        prom = Prometheus(f"http://{LOOPBACK}:{port}", timeout_seconds=PATIENCE_SECONDS)
        children.start("prometheus", command)
        try:
            poll_until(prom.is_ready, "Prometheus to be ready")
            poll_until(lambda: prom.instant("last_over_time(up[1h]) == 1"), "a scrape")
            yield prom
        finally:
            children.stop_all()
            server.shutdown()


def series(prom, selector):
    return [found.labels for found in prom.instant(f"last_over_time({selector}[1h])")]


@pytest.mark.parametrize("part", ["count", "bucket"])
def test_every_instrumentation_has_the_bundles_names(prom, part):
    found = series(prom, f"{FAMILY}_{part}")
    assert {labels["http_route"] for labels in found} == ROUTES
    assert {labels["http_request_method"] for labels in found} == {"GET"}


def test_failed_requests_are_found_by_their_status(prom):
    found = series(prom, f'{FAMILY}_count{{http_response_status_code=~"5.."}}')
    assert {labels["http_route"] for labels in found} == ROUTES


def test_bounds_in_milliseconds_become_seconds(prom):
    found = series(prom, f'{FAMILY}_bucket{{http_route="/old"}}')
    bounds = sorted(float(labels["le"]) for labels in found)
    assert bounds == [0.005, 0.075, 0.1, 2.5, float("inf")]


def test_names_that_cannot_be_converted_stay(prom):
    assert len(series(prom, "http_server_duration_milliseconds_sum")) == 1
    assert [labels["code"] for labels in series(prom, "http_requests_total")] == ["200"]
    own = series(prom, "http_server_request_duration_seconds_count")
    assert [labels["http_route"] for labels in own] == ["/own"]
    assert len(series(prom, "http_server_all_response_time_seconds_count")) == 1
    assert not series(prom, '{__tmp_ms!=""}')
