"""What a report reads of a run from Prometheus: every panel's series on one grid of time, and what was counted by endpoint."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from firedrill import histogram
from firedrill.contract import Client
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.limits import BLIND_LIMIT_SECONDS, QUANTILES, TAIL_SECONDS
from firedrill.report.charts import panels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from firedrill.interrupt import Interrupt
    from firedrill.prometheus.client import Prometheus, Series
    from firedrill.prometheus.overlay import RecordedRun
    from firedrill.report.charts.panels import Panel

    Values = NDArray[np.float32]

POINTS = 1200
"""Most points of a series, more than a chart has pixels: a run of 20 minutes is shown second by second, one of an hour every 3 s."""

SCRAPE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its name in the legend, and a value for each moment of the grid; NaN where there is none."""

    name: str
    values: Values

    @property
    def largest(self) -> float | None:
        """None without any value."""
        return None if np.isnan(self.values).all() else float(np.nanmax(self.values))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the client asked of one endpoint in the whole run."""

    method: str
    name: str
    requests: float
    rate: float | None
    """None where the load lasted no time at all."""
    error_ratio: float | None
    latency_seconds: Mapping[str, float | None]
    """Of the answered requests."""
    errors: Mapping[str, float]
    """Failures by class."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in seconds since the load began."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class AlertSpan:
    """A time in which an alert was pending or firing, with whatever labels."""

    name: str
    state: str
    span: Span


@dataclass(frozen=True, slots=True)
class Recording:
    """One run's series. Times are seconds since the load began."""

    run_id: str
    times: Values
    step_seconds: float
    lines: Mapping[str, tuple[Line, ...]]
    """By the name of the panel."""
    gaps: tuple[Span, ...]
    """Times in which nothing was recorded of the load generator; every series is blank there."""
    alerts: tuple[AlertSpan, ...]
    endpoints: tuple[Endpoint, ...]

    @property
    def seconds(self) -> float:
        """How long the load lasted; one step at least, so that there is an axis."""
        return max(float(self.times[-1]), self.step_seconds)


def read(recorded: RecordedRun, interrupt: Interrupt) -> Recording:
    """Open a run's data and read it.

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
        choices = {
            **panels.choices(),
            "$__rate_interval": f"{max(4 * SCRAPE_SECONDS, self._step + SCRAPE_SECONDS):g}s",
        }
        for query in panel.signal.queries:
            if query.exemplars:
                continue  # It gives no series.
            for series in self._prom.range(
                query.asked(choices), self._start, self._end, self._step
            ):
                values = self._on_grid(series)
                values[blank] = np.nan
                yield Line(named(query.legend, series.labels), values)

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
        for (name, state), moments in times.items():
            yield from (AlertSpan(name, state, span) for span in _spans(sorted(moments)))

    # -- endpoints

    def _endpoints(self) -> Iterator[Endpoint]:
        buckets: dict[tuple[str, str], dict[float, float]] = {}
        for labels, count in self._gained(
            f"{Client.REQUEST_DURATION.name}_bucket", "method, name, le"
        ):
            buckets.setdefault((labels.get("method", ""), labels.get("name", "")), {})[
                float(labels["le"])
            ] = count
        requests = self._by_endpoint("locust_requests_total")
        failures = self._by_endpoint("locust_request_failures_total")
        errors: dict[tuple[str, str], dict[str, float]] = {}
        for labels, count in self._gained("locust_request_errors_total", "method, name, error"):
            errors.setdefault((labels.get("method", ""), labels.get("name", "")), {})[
                labels.get("error", "")
            ] = count
        for key in sorted(requests, key=lambda endpoint: -requests[endpoint]):
            yield Endpoint(
                *key,
                requests=requests[key],
                rate=requests[key] / (self._end - self._start) if self._end > self._start else None,
                error_ratio=failures.get(key, 0.0) / requests[key] if requests[key] else None,
                latency_seconds={
                    name: histogram.quantile(q, buckets.get(key, {}))
                    for name, q in QUANTILES.items()
                },
                errors=errors.get(key, {}),
            )

    def _by_endpoint(self, counter: str) -> dict[tuple[str, str], float]:
        return {
            (labels.get("method", ""), labels.get("name", "")): count
            for labels, count in self._gained(counter, "method, name")
        }

    def _gained(self, counter: str, by: str) -> Iterator[tuple[Mapping[str, str], float]]:
        """What a counter gained in the run: last value minus the one before, without the extrapolation of increase()."""
        span = f"{(self._end - self._start + TAIL_SECONDS) * 1000:.0f}ms"
        last = f"last_over_time({counter}[{span}])"
        for sample in self._prom.instant(
            f"sum by ({by}) ({last} - (last_over_time({counter}[5s] offset {span}) or 0 * {last}))",
            self._end + TAIL_SECONDS,
        ):
            yield sample.labels, sample.value


def named(legend: str, labels: Mapping[str, str]) -> str:
    """A legend with the labels that it names."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), legend)


def _spans(times: list[float]) -> Iterator[Span]:
    """Times of 1 s evaluations as spans; a longer break ends one."""
    start = times[0]
    for earlier, later in pairwise([*times, math.inf]):
        if later - earlier > BLIND_LIMIT_SECONDS:
            yield Span(start, earlier)
            start = later
