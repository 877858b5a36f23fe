"""What dashboards show of a drill, and drills in which something was injected that they are to
show.
"""

from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import Reopened
from grafana.source import (
    alert_lab_panels,
    client_panels,
    golden_signals_panels,
    saturation_panels,
    server_panels,
)
from tests import drilling
from tests.waiting import PATIENCE_SECONDS

STUCK, THREADS, FAILING = 100, 200, 0.2
FAULTS = f"""\
faults:
  - {{start_time: 0s, for: 1m, errors: {FAILING:.0%}}}
  - {{start_time: 0s, for: 14s, latency: 300ms}}
  - {{start_time: 5s, for: 1m, stuck: {STUCK}}}
"""
MINE = """\
groups:
  - name: mine
    rules:
      - {alert: Now, expr: vector(1)}
      - {alert: Later, expr: vector(1), for: 1h}
"""


OPEN = """\
name: opening
arrivals: open
max_in_flight: 20
steps: [{start_time: 0s, rate: 40}]
duration: 12s
slo: {p99: 500ms}
faults: [{start_time: 3s, for: 1m, latency: 1s}]
"""
"""From the fault on 20 slots of a second each do half of what is asked for."""


class Shown:
    """What the dashboards show of a run: its whole window."""

    def __init__(self, run, reopened):
        recorded = run.recorded()
        self.start, self.end = recorded.start, recorded.end
        self.failures = run.read()["figures"]["counts"]["client_failures"]
        self.faults = {each["fault"]: each for each in run.read()["faults"]}
        self._prom = reopened.prom
        self.choices = {
            **alert_lab_panels.choices(run.read()["time_scale"]),
            "$__range": f"{self.end - self.start:.0f}s",
        }

    def points(self, query, once):
        """How many values a panel gets: of all times, or of the last one if it asks for no
        other.
        """
        asked = query.asked(self.choices)
        if once:
            return len(self._prom.instant(asked, self.end))
        return sum(len(series.values()) for series in self._prom.range(asked, self.start, self.end))

    def number(self, asked):
        """An expression's value at the end."""
        return self._prom.number(asked.replace("$__range", self.choices["$__range"]), self.end)

    def value(self, query, at, **labels):
        """The value of one series at a time; of a table, as if the ten seconds before were
        shown.
        """
        found = self._prom.instant(query.asked({**self.choices, "$__range": "10s"}), at)
        fitting = [sample.value for sample in found if labels.items() <= sample.labels.items()]
        assert len(fitting) == 1, f"{query.expr} at {at}: {found}"
        return fitting[0]


def shown(run):
    with Interrupt() as interrupt, Reopened(run.recorded().data, interrupt) as reopened:
        yield Shown(run, reopened)


def faulty(folder):
    """A fifth of the requests fails; for a while all are slow, then half of the workers are
    stuck.
    """
    file = drilling.profile(folder, users=140, seconds=20, slo="{errors: 50%, starved_users: 0}")
    file.write_text(file.read_text() + FAULTS)
    (folder / "mine.yml").write_text(MINE)
    drill = drilling.start(
        folder / "runs",
        file,
        "--threads",
        THREADS,
        "--connection-limit",
        "1000",
        "--rules",
        folder / "mine.yml",
    )
    # A busy machine can make the generator late, and the run invalid: that changes no share, and no
    # count of who is stuck.
    assert drill.finish(5 * PATIENCE_SECONDS)[0] in {1, 4}
    return drill.run()


def opened(folder):
    """An open loop that finds no slot."""
    (folder / "opening.yaml").write_text(OPEN)
    drill = drilling.start(
        folder / "runs", folder / "opening.yaml", "--threads", THREADS, "--connection-limit", "1000"
    )
    # Slow from its schedule. Arrivals are dropped, which voids a run, from 5 s of waiting on.
    assert drill.finish(5 * PATIENCE_SECONDS)[0] in {1, 4}
    return drill.run()


ERRORS, RATES = golden_signals_panels.ERRORS.queries, golden_signals_panels.TRAFFIC.queries
FRONT_PAGE, ROUTE = {"name": "/"}, {"http_route": "/"}
SHARES = {
    "Errors: client": (ERRORS[0], {}),
    "Errors: server": (ERRORS[1], {}),
    "Failed share by name": (client_panels.FAILURES_BY_NAME.queries[0], FRONT_PAGE),
    "Requests over the time shown: failed": (client_panels.REQUESTS.queries[1], FRONT_PAGE),
    "Routes over the time shown: failed": (server_panels.ROUTES.queries[1], ROUTE),
}
RATED = {
    "Errors by class": (
        golden_signals_panels.ERROR_CLASSES.queries[0],
        {"error": "HTTP 500"},
        client_panels.RATE_BY_NAME.queries[0],
        FRONT_PAGE,
    ),
    "Responses by status": (
        golden_signals_panels.STATUS_CODES.queries[0],
        {"http_response_status_code": "500"},
        server_panels.RATE_BY_ROUTE.queries[0],
        ROUTE,
    ),
    "Errors by route": (
        server_panels.ERRORS_BY_ROUTE.queries[0],
        ROUTE,
        server_panels.RATE_BY_ROUTE.queries[0],
        ROUTE,
    ),
}
WORKERS = {"resource": "workers"}
STUCK_AT = {
    "Saturation": (golden_signals_panels.SATURATION.queries[0], WORKERS, STUCK / THREADS),
    "Headroom, and what runs out": (
        golden_signals_panels.HEADROOM.queries[0],
        WORKERS,
        1 - STUCK / THREADS,
    ),
    "Lowest headroom": (saturation_panels.LOWEST.queries[0], {}, 1 - STUCK / THREADS),
    "Workers busy": (server_panels.WORKERS_BUSY.queries[0], {}, STUCK / THREADS),
    "Workers: busy, mean": (saturation_panels.WORKERS.queries[0], {}, STUCK),
    "Workers: limit": (saturation_panels.WORKERS.queries[2], {}, THREADS),
    "Users / starved": (golden_signals_panels.USERS.queries[1], {}, STUCK),
    "Requests in flight: longer than 5 s": (client_panels.WAITING.queries[2], {}, STUCK),
}
