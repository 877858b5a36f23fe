"""Series and request counts of a recorded run, read from Prometheus for a report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from firedrill import histogram
from firedrill.contract import Client
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.limits import BLIND_LIMIT_SECONDS, TAIL_SECONDS
from firedrill.report import panels
from firedrill.report.panels import legend_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from firedrill.interrupt import Interrupt
    from firedrill.prometheus.client import Prometheus, Series
    from firedrill.prometheus.overlay import RecordedRun
    from firedrill.report.panels import Panel

    Values = NDArray[np.float32]

POINTS = 1200
"""Most points of a series, more than a chart has pixels.

A run of 20 minutes has a point every second, a run of an hour every 3 s.
"""

SCRAPE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its name in the legend, and a value for each time of the grid (NaN for none)."""

    name: str
    values: Values

    @property
    def largest(self) -> float | None:
        """The largest value; None without any."""
        return None if np.isnan(self.values).all() else float(np.nanmax(self.values))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Requests to an endpoint in the whole run, as the client saw them."""

    method: str
    name: str
    requests: float
    rate: float | None
    """Requests a second; None where the load had no duration."""
    error_ratio: float | None
    latency_seconds: Mapping[str, float | None]
    """Quantiles of the response time of answered requests."""
    errors: Mapping[str, float]
    """Failures by class."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in seconds since the start of the load."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class AlertSpan:
    """A time in which an alert was pending or firing, with any labels."""

    name: str
    state: str
    span: Span


@dataclass(frozen=True, slots=True)
class Recording:
    """The series of a run. Times are seconds since the start of the load."""

    run_id: str
    times: Values
    step_seconds: float
    lines: Mapping[str, tuple[Line, ...]]
    """Lines by the name of their panel."""
    gaps: tuple[Span, ...]
    """Times without a scrape of the load generator; every series is blank there."""
    alerts: tuple[AlertSpan, ...]
    endpoints: tuple[Endpoint, ...]

    @property
    def seconds(self) -> float:
        """Duration of the load; at least one step, so that there is an axis."""
        return max(float(self.times[-1]), self.step_seconds)


def read(recorded: RecordedRun, interrupt: Interrupt) -> Recording:
    """Open the data of a run and read its series.

    Raises:
        Missing: there is no Prometheus, or it cannot open the data.
    """
    with RecordedPrometheus(recorded.data, interrupt) as reopened:
        return _Reader(reopened.prom, recorded).recording()


class _Reader:
    def __init__(self, prom: Prometheus, recorded: RecordedRun) -> None:
        self._prom = prom
        self._recorded = recorded
        self._start, self._end = recorded.start, recorded.end
        self._step = max(SCRAPE_SECONDS, math.ceil((self._end - self._start) / POINTS))
        self._points = int((self._end - self._start) / self._step) + 1

    def recording(self) -> Recording:
        times = np.arange(self._points, dtype=np.float32) * np.float32(self._step)
        gaps = tuple(self._gaps())
        blank = np.zeros(self._points, dtype=bool)
        for gap in gaps:
            blank |= (times > gap.start) & (times < gap.end)
        return Recording(
            run_id=self._recorded.id,
            times=times,
            step_seconds=self._step,
            lines={panel.name: tuple(self._lines(panel, blank)) for panel in panels.PANELS},
            gaps=gaps,
            alerts=tuple(self._alerts()),
            endpoints=tuple(self._endpoints()),
        )

    # -- series

    def _lines(self, panel: Panel, blank: NDArray[np.bool_]) -> Iterator[Line]:
        variables = {
            **panels.default_variables(),
            "$__rate_interval": f"{max(4 * SCRAPE_SECONDS, self._step + SCRAPE_SECONDS):g}s",
        }
        for query in panel.content.queries:
            if query.exemplars:
                continue  # It returns no series.
            for series in self._prom.range(
                query.with_variables(variables), self._start, self._end, self._step
            ):
                values = self._on_grid(series)
                values[blank] = np.nan
                yield Line(legend_text(query.legend, series.labels), values)

    def _on_grid(self, series: Series) -> Values:
        values = np.full(self._points, np.nan, dtype=np.float32)
        for time, value in series.points:
            at = round((time - self._start) / self._step)
            if at < self._points and math.isfinite(value):
                values[at] = value
        return values

    def _gaps(self) -> Iterator[Span]:
        scraped = self._prom.raw('up{job="locust"}', self._start, self._end)
        seen = sorted(
            time - self._start for series in scraped for time, up in series.points if up == 1
        )
        for earlier, later in pairwise([0.0, *seen, self._end - self._start]):
            if later - earlier > BLIND_LIMIT_SECONDS:
                yield Span(earlier, later)

    # -- alerts

    def _alerts(self) -> Iterator[AlertSpan]:
        times: dict[tuple[str, str], set[float]] = {}
        for series in self._prom.raw(
            'ALERTS{alertname!="Watchdog"}', self._start, self._end + TAIL_SECONDS
        ):
            key = series.labels["alertname"], series.labels["alertstate"]
            times.setdefault(key, set()).update(time - self._start for time, _ in series.points)
        for (name, state), evaluations in times.items():
            yield from (AlertSpan(name, state, span) for span in _spans(sorted(evaluations)))

    # -- endpoints

    def _endpoints(self) -> Iterator[Endpoint]:
        buckets: dict[tuple[str, str], dict[float, float]] = {}
        for labels, count in self._increases(
            f"{Client.REQUEST_DURATION.name}_bucket", "method, name, le"
        ):
            buckets.setdefault((labels.get("method", ""), labels.get("name", "")), {})[
                float(labels["le"])
            ] = count
        requests = self._by_endpoint("locust_requests_total")
        failures = self._by_endpoint("locust_request_failures_total")
        errors: dict[tuple[str, str], dict[str, float]] = {}
        for labels, count in self._increases("locust_request_errors_total", "method, name, error"):
            errors.setdefault((labels.get("method", ""), labels.get("name", "")), {})[
                labels.get("error", "")
            ] = count
        for key in sorted(requests, key=lambda endpoint: -requests[endpoint]):
            yield Endpoint(
                *key,
                requests=requests[key],
                rate=requests[key] / (self._end - self._start) if self._end > self._start else None,
                error_ratio=failures.get(key, 0.0) / requests[key] if requests[key] else None,
                latency_seconds=histogram.statistics(buckets.get(key, {})),
                errors=errors.get(key, {}),
            )

    def _by_endpoint(self, counter: str) -> dict[tuple[str, str], float]:
        return {
            (labels.get("method", ""), labels.get("name", "")): count
            for labels, count in self._increases(counter, "method, name")
        }

    def _increases(self, counter: str, by: str) -> Iterator[tuple[Mapping[str, str], float]]:
        """Yield the increase of a counter in the run, without the extrapolation of increase()."""
        span = f"{(self._end - self._start + TAIL_SECONDS) * 1000:.0f}ms"
        last = f"last_over_time({counter}[{span}])"
        for sample in self._prom.instant(
            f"sum by ({by}) ({last} - (last_over_time({counter}[5s] offset {span}) or 0 * {last}))",
            self._end + TAIL_SECONDS,
        ):
            yield sample.labels, sample.value


def _spans(times: list[float]) -> Iterator[Span]:
    """Join times of evaluations (every second) to spans; a longer break ends a span."""
    start = times[0]
    for earlier, later in pairwise([*times, math.inf]):
        if later - earlier > BLIND_LIMIT_SECONDS:
            yield Span(start, earlier)
            start = later
