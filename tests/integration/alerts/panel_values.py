"""The values that dashboard panels show of a run, and the values that the recorded drills have to
show.
"""

from contextlib import contextmanager
from dataclasses import dataclass

from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from grafana.source import (
    alert_lab_panels,
    client_panels,
    golden_signals_panels,
    saturation_panels,
    server_panels,
)
from tests import run_json
from tests.recorded_drills import STUCK_WORKERS, THREADS


class PanelValues:
    """The values that the dashboards show of a run over its whole window."""

    def __init__(self, run, reopened):
        recorded = run.recorded()
        self.start, self.end = recorded.start, recorded.end
        self.failures = run_json.content(run)["figures"]["counts"]["client_failures"]
        self.faults = {fault["fault"]: fault for fault in run_json.content(run)["faults"]}
        self._prom = reopened.prom
        self.choices = {
            **alert_lab_panels.variable_values(run_json.content(run)["time_scale"]),
            "$__range": f"{self.end - self.start:.0f}s",
        }

    def points(self, query, is_instant):
        """Return how many values a panel gets: of the whole window, or of its end if instant."""
        expression = query.with_variables(self.choices)
        if is_instant:
            return len(self._prom.instant(expression, self.end))
        series = self._prom.range(expression, self.start, self.end)
        return sum(len(line.values()) for line in series)

    def number(self, expression):
        """Return an expression's value at the end."""
        expression = expression.replace("$__range", self.choices["$__range"])
        return self._prom.number(expression, self.end)

    def value(self, query, at, **labels):
        """Return the value of one series at a time; tables cover the ten seconds before it."""
        samples = self._prom.instant(query.with_variables({**self.choices, "$__range": "10s"}), at)
        matching = [sample.value for sample in samples if labels.items() <= sample.labels.items()]
        assert len(matching) == 1, f"{query.expr} at {at}: {samples}"
        return matching[0]


@contextmanager
def open_run(run):
    """Reopen a run; give the values of its panels."""
    with Interrupt() as interrupt, RecordedPrometheus(run.recorded().data, interrupt) as reopened:
        yield PanelValues(run, reopened)


FRONT_PAGE, ROUTE = {"name": "/"}, {"http_route": "/"}
FAILED_SHARES = {
    "Errors: client": (golden_signals_panels.ERRORS.queries[0], {}),
    "Errors: server": (golden_signals_panels.ERRORS.queries[1], {}),
    "Error ratio by name": (client_panels.FAILURES_BY_NAME.queries[0], FRONT_PAGE),
    "Requests over the time shown: failed": (client_panels.REQUESTS.queries[1], FRONT_PAGE),
    "Routes over the time shown: failed": (server_panels.ROUTES.queries[1], ROUTE),
}
"""By panel, a query and the labels of the series that is the failed share."""


@dataclass(frozen=True)
class FailureRate:
    """The query for a rate of failures, the query for the rate of all requests, and the labels of
    the series to read of each.
    """

    failures: golden_signals_panels.Query
    failures_labels: dict[str, str]
    requests: golden_signals_panels.Query
    requests_labels: dict[str, str]


FAILURE_RATES = {
    "Errors by class": FailureRate(
        failures=golden_signals_panels.ERROR_CLASSES.queries[0],
        failures_labels={"error": "HTTP 500"},
        requests=client_panels.RATE_BY_NAME.queries[0],
        requests_labels=FRONT_PAGE,
    ),
    "Responses by status": FailureRate(
        failures=golden_signals_panels.STATUS_CODES.queries[0],
        failures_labels={"http_response_status_code": "500"},
        requests=server_panels.RATE_BY_ROUTE.queries[0],
        requests_labels=ROUTE,
    ),
    "Errors by route": FailureRate(
        failures=server_panels.ERRORS_BY_ROUTE.queries[0],
        failures_labels=ROUTE,
        requests=server_panels.RATE_BY_ROUTE.queries[0],
        requests_labels=ROUTE,
    ),
}
WORKERS = {"resource": "workers"}
SATURATION_FIGURES = {
    "Saturation": (golden_signals_panels.SATURATION.queries[0], WORKERS, STUCK_WORKERS / THREADS),
    "Headroom, and what runs out": (
        golden_signals_panels.HEADROOM.queries[0],
        WORKERS,
        1 - STUCK_WORKERS / THREADS,
    ),
    "Headroom over time": (saturation_panels.HEADROOM.queries[0], {}, 1 - STUCK_WORKERS / THREADS),
    "Workers busy": (server_panels.WORKERS_BUSY.queries[0], {}, STUCK_WORKERS / THREADS),
    "Workers: busy, mean": (saturation_panels.WORKERS.queries[0], {}, STUCK_WORKERS),
    "Workers: limit": (saturation_panels.WORKERS.queries[2], {}, THREADS),
    "Users / starved": (golden_signals_panels.USERS.queries[1], {}, STUCK_WORKERS),
    "Requests in flight: longer than 5 s": (client_panels.WAITING.queries[2], {}, STUCK_WORKERS),
}
"""By panel, a query, the labels of its series, and the value that the stuck workers give."""
