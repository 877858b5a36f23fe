"""A run against an API whose process dies and is started again on its ports."""

import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from firedrill.contract import CONTENT_TYPE, LOOPBACK
from firedrill.errors import FiredrillError
from firedrill.processes import ports
from tests import firedrill_process, run_json
from tests.integration.api import api_process
from tests.waiting import poll_until

RESTARTS = 2


class _Counter(BaseHTTPRequestHandler):
    """A metrics endpoint without the start time of its process."""

    def do_GET(self):
        body = f"# TYPE orders_total counter\norders_total {self.server.orders}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log nothing."""


@contextmanager
def counting_orders(orders):
    with ThreadingHTTPServer((LOOPBACK, 0), _Counter) as server:
        server.orders = orders
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_restarts_of_the_api_are_told_and_counts_not_compared(tmp_path):
    port, metrics = ports.any_free(), ports.any_free()
    words = ("--port", str(port), "--metrics-port", str(metrics))
    profile = firedrill_process.write_profile(
        tmp_path, users=4, seconds=1800, slo="{errors: 100%}", think_time="0.1s..0.3s"
    )
    options = ("--target", f"http://{LOOPBACK}:{port}", "--scrape", f"{LOOPBACK}:{metrics}")
    with counting_orders(7) as orders:
        shop = ("--scrape", f"shop={LOOPBACK}:{orders.server_port}")
        with api_process.module("waitress", *words):
            drill = firedrill_process.start(
                tmp_path / "runs", profile, *options, *shop, report=True
            )
            drill.wait_for_requests()
        orders.orders = 3
        _restart_api(words, drill)
    document = run_json.content(drill.run())
    remarks = {remark["code"]: remark["text"] for remark in document["remarks"]}
    assert remarks["process_restarted"].startswith("the API's process restarted 2 times; ")
    assert document["figures"]["restarts"][0]["restarts"] == RESTARTS
    assert remarks["counter_reset"].startswith("orders_total of job shop fell once, ")
    counts = document["figures"]["counts"]
    assert counts["comparable"] is False
    assert 0 < counts["server_finished"] < counts["client_requests"]
    report = (drill.folder() / "report.html").read_text()
    assert "the two counts cannot be compared" in report


def _restart_api(words, drill):
    """Start the API again and again, and interrupt the run while it is up."""
    for restart in range(1, RESTARTS + 1):
        with api_process.module("waitress", *words):
            poll_until(
                lambda restart=restart: _number(
                    drill,
                    f"changes(process_start_time_seconds{{job='api'}}[10m]) >= {restart}"
                    " and on () sum(firedrill_run_requests_total) > 0"
                    " and on () resets(orders_total[10m]) == 1"
                    # Start times closer than a second are no restart.
                    " and on () time() - max(process_start_time_seconds{job='api'}) > 2",
                ),
                "Prometheus to scrape the API that was started again, and requests to it",
            )
            if restart == RESTARTS:
                drill.interrupt()
                drill.finish()


def _number(drill, query):
    with suppress(FiredrillError):
        return drill.prometheus().number(query)
