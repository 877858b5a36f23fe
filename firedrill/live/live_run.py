"""The data of the live page: phase, progress, series and their units, of the current run."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

from firedrill.errors import FiredrillError
from firedrill.report import panels
from firedrill.report.charts import colors
from firedrill.report.panels import legend_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.prometheus.client import Prometheus, Series

SHOWN = (
    panels.TRAFFIC,
    panels.LATENCY,
    panels.SATURATION,
    panels.MEASUREMENT_QUALITY,
    panels.ERRORS,
    panels.STATUS_CODES,
)
"""Panels of the dashboard Golden signals that the page draws."""
FACTS = {
    "slo": "min by (objective) (client:slo_kept:bool)",
    "invalid": "max by (reason) (locust:run_invalid_reason:bool) == 1",
    "bottleneck": "max by (resource) (api:bottleneck:bool) == 1",
    "step": "max(locust_load_step)",
    "users": "sum(locust_users)",
    "starved": "sum(locust_users_starved)",
    "fault": "max by (fault) (api_fault_active) > 0",
    "alert": 'max by (alertname, alertstate) (ALERTS{alertname!="Watchdog"})',
}
"""Queries whose latest values stand above the charts."""
SHOWN_SECONDS = 900
"""Longest time that the page shows."""
FACT_SECONDS = 3
"""Age from which a fact is no longer true."""
KEY = "firedrill_live"
"""Label that tells the parts of the one query apart."""


def combined_query() -> str:
    """Return all queries of the page as one, so that a second costs one request."""
    variables = panels.default_variables()
    parts = {
        f"{panel.name}/{number}": query.with_variables(variables)
        for panel in SHOWN
        for number, query in enumerate(panel.content.queries)
    }
    return " or ".join(
        f'label_replace(({expr}), "{KEY}", "{key}", "", "")'
        for key, expr in {**parts, **{f"fact/{name}": expr for name, expr in FACTS.items()}}.items()
    )


class LiveRun:
    """A run that goes on or has ended. Reading it asks Prometheus, at most once a second."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.phase = "starting"
        self.elapsed_seconds = 0.0
        self.duration_seconds: float | None = None
        self.notifications: list[str] = []
        self.verdict: str | None = None
        """The status of run.json; None while the run goes on."""
        self._prom: Prometheus | None = None
        self._query = combined_query()
        self._reading = threading.Lock()
        self._asked_until = 0
        self._points: dict[tuple[str, str], list[tuple[int, float]]] = {}
        self._facts: dict[str, list[tuple[int, Mapping[str, str], float]]] = {}

    def follow(self, prom: Prometheus) -> None:
        """Show the series of this Prometheus from now on."""
        self._prom = prom
        self._asked_until = int(time.time()) - 2

    def leave(self) -> None:
        """Ask nothing any more: Prometheus is about to end."""
        self._prom = None

    def end(self, verdict: str) -> None:
        """Show the verdict of run.json."""
        self._prom, self.verdict = None, verdict

    def state(self, after: float) -> dict[str, Any]:
        """Return what a page needs whose latest samples are of Unix time `after`, in seconds."""
        with self._reading:
            problem = self._read()
            return {
                "title": self.title,
                "phase": problem or self.phase,
                "elapsed_seconds": self.elapsed_seconds,
                "duration_seconds": self.duration_seconds,
                "notifications": self.notifications,
                "verdict": self.verdict,
                "facts": self._current_facts(),
                "charts": list(self._charts(after)),
            }

    def _read(self) -> str | None:
        """Read the seconds since the last look; returns why that failed."""
        # A second ago, so that the rules of that second have been evaluated.
        now, prom = int(time.time()) - 1, self._prom
        if prom is None or now <= self._asked_until:
            return None
        start = max(self._asked_until + 1, now - SHOWN_SECONDS)
        try:
            found = prom.range(self._query, start, now)
        except FiredrillError as error:
            return str(error)
        self._asked_until = now
        for series in found:
            self._keep(series)
        return None

    def _keep(self, series: Series) -> None:
        kind, _, name = series.labels[KEY].partition("/")
        labels = {key: value for key, value in series.labels.items() if key != KEY}
        points = [(int(at), value) for at, value in series.points if math.isfinite(value)]
        if kind == "fact":
            kept = self._facts.setdefault(name, [])
            kept.extend((at, labels, value) for at, value in points)
            del kept[:-50]
            return
        panel = next(panel for panel in SHOWN if panel.name == kind)
        legend = legend_text(panel.content.queries[int(name)].legend, labels)
        line = self._points.setdefault((kind, legend), [])
        line.extend(points)
        del line[:-SHOWN_SECONDS]

    def _current_facts(self) -> dict[str, list[dict[str, Any]]]:
        since = self._asked_until - FACT_SECONDS
        return {
            name: list(
                {
                    tuple(labels.items()): {"labels": labels, "value": value}
                    for at, labels, value in samples
                    if at >= since
                }.values()
            )
            for name, samples in self._facts.items()
        }

    def _charts(self, after: float) -> Iterator[dict[str, Any]]:
        for panel in SHOWN:
            lines = [
                (legend, points)
                for (name, legend), points in self._points.items()
                if name == panel.name
            ]
            yield {
                "title": panel.content.title,
                "description": panel.content.description,
                "unit": panel.content.unit,
                "scale": panel.scale,
                "lines": [
                    {
                        "legend": legend,
                        "color": _color(panel.name, legend, at),
                        "points": [point for point in points if point[0] > after],
                    }
                    for at, (legend, points) in enumerate(lines)
                ],
            }


def _color(panel: str, legend: str, at: int) -> str:
    if panel == panels.STATUS_CODES.name:
        return colors.status_color(legend)
    return colors.series_color(legend, at)
