"""The requests that a middleware counted, without a metrics endpoint."""

import os

from firedrill.telemetry.application.members import Members
from firedrill.telemetry.metrics_process import ServerMetrics
from firedrill.telemetry.shared_cells import Cells
from tests.scraped_metrics import parse

LABELS = ("http_request_method", "http_route", "http_response_status_code")


class CountedRequests:
    """Cells of one application, and what they say."""

    def __init__(self):
        self.cells = Cells.create()
        self._metrics_process = ServerMetrics(Members.of(self.cells, os.getpid()))

    def scrape(self):
        return parse(self._metrics_process.render(for_prometheus=False).decode())

    def requests(self):
        """Return finished requests by method, route and status."""
        return {
            tuple(labels[name] for name in LABELS): value
            for name, labels, value in self.scrape().samples
            if name == "http_server_request_duration_seconds_count"
        }

    def active(self):
        """Return the requests and websocket sessions that are not over."""
        metrics = self.scrape()
        return metrics.total("http_server_active_requests") + metrics.total(
            "http_server_active_websocket_sessions"
        )
