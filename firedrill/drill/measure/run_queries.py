"""Queries about one run: gains of counters between raw samples, rates, buckets, maxima."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill.prometheus.client import Series, step_of
from firedrill.record.figures import Window
from firedrill.record.limits import TAIL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.contract import Metric
    from firedrill.histogram import Buckets
    from firedrill.prometheus.client import Prometheus, Sample

BEFORE_SECONDS = 5.0
"""Time before a window within which the first value of its counters is looked for."""

ALL_SAMPLES_SECONDS = 600.0
"""Longest window of which all samples are read."""

SCRAPE_SECONDS = 1.0
"""Longest duration of a scrape. Samples carry the time of its begin, and may be as young as its
end."""


@dataclass(frozen=True, slots=True)
class RunQueries:
    """Queries to one Prometheus about the window of one run, or parts of it."""

    prom: Prometheus
    window: Window
    """The whole load, from the first user to the last."""
    restarts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Times at which a restarted process was first scraped, by instance."""

    @property
    def step_seconds(self) -> float:
        """Distance of two points of a range: one second, more in a run of hours."""
        return step_of(self.window.start, self.window.end)

    def ends_with_run(self, window: Window) -> bool:
        """Return whether a window lasts until the end of the run."""
        return window.end == self.window.end

    def gains(self, selector: str, by: str = "", window: Window | None = None) -> dict[str, float]:
        """Return the gain of each counter from raw sample to raw sample, summed by a label.

        Without a label the sum has the key ``. A window that ends with the run includes the
        figures that arrive after it. One that begins with the run starts from a value up to a
        scrape's length older, because nothing was sent in between.
        """
        gained = self.gains_by(selector, (by,), window)
        return {key: gain for (key,), gain in gained.items()}

    def gains_by(
        self, selector: str, labels: Sequence[str], window: Window | None = None
    ) -> dict[tuple[str, ...], float]:
        """Return the same by the values of several labels."""
        window = window or self.window
        tail = TAIL_SECONDS if self.ends_with_run(window) else 0.0
        since = window.start - (SCRAPE_SECONDS if window.start == self.window.start else 0.0)
        end = window.end + tail
        gained: dict[tuple[str, ...], float] = {}
        for series in self._samples(selector, window.start - BEFORE_SECONDS, since, end):
            key = tuple(series.labels.get(label, "") for label in labels)
            restarts = self.restarts.get(series.labels.get("instance", ""), ())
            gained[key] = gained.get(key, 0.0) + increase(series, since, restarts)
        return gained

    def _samples(self, selector: str, start: float, since: float, end: float) -> list[Series]:
        """Return the samples of counters that tell their gain.

        A long run has too many to read them all. If no counter fell, the last one until `since`
        and the very last one tell it.
        """
        if end - start <= ALL_SAMPLES_SECONDS or self.restarts:
            return self.prom.raw(selector, start, end)
        length = f"{(end - start) * 1000:.0f}ms"
        if self.prom.number(f"sum(resets({selector}[{length}]))", end):
            return self.prom.raw(selector, start, end)
        before = f"last_over_time({selector}[{(since - start) * 1000:.0f}ms])"
        firsts = {_identity(sample): sample for sample in self.prom.instant(before, since)}
        return [
            Series(
                last.labels,
                ((since, first.value), (end, last.value)) if first else ((end, last.value),),
            )
            for last in self.prom.instant(f"last_over_time({selector}[{length}])", end)
            for first in (firsts.get(_identity(last)),)
        ]

    def gain(self, counter: Metric, window: Window | None = None) -> float:
        """Return the gain of all series of a counter; 0 where there is none."""
        return self.gain_of(counter.name, window or self.window)

    def gain_of(self, selector: str, window: Window) -> float:
        """Return the gain of all series of a selector; 0 where there is none."""
        return sum(self.gains(selector, window=window).values())

    def gain_or_none(self, counter: Metric) -> float | None:
        """Return the gain of all series of a counter; None where there is none."""
        gained = self.gains(counter.name)
        return sum(gained.values()) if gained else None

    def gains_around(self, selector: str, by: str, before_seconds: float) -> dict[str, float]:
        """Return the gain of each counter from so long before the load until now, by a label."""
        since = self.window.start - before_seconds - SCRAPE_SECONDS
        series = self.prom.raw(selector, since - BEFORE_SECONDS, time.time())
        return {one.labels.get(by, ""): increase(one, since) for one in series}

    def last(self, gauge: Metric) -> float | None:
        """Return the last value of a gauge, after the load included."""
        now = time.time()
        length = span(Window(self.window.start, now))
        return self.prom.number(f"max(last_over_time({gauge.name}[{length}]))", now)

    def gained_buckets(self, metric: Metric, window: Window) -> Buckets:
        """Return the gain of a histogram, with answers that came after the load's end."""
        gained = self.gains(f"{metric.name}_bucket", "le", window)
        return {float(bound): count for bound, count in gained.items()}

    def increased_buckets(self, metric: Metric, window: Window) -> Buckets:
        """Return Prometheus's own increase of a histogram."""
        query = f"sum by (le) (increase({metric.name}_bucket[{span(window)}]))"
        samples = self.prom.instant(query, window.end)
        return {float(sample.labels["le"]): sample.value for sample in samples}

    def counted_gain(self, counter: Metric, window: Window) -> float | None:
        """Return the gain within a window; None where there is no counter.

        What is answered after the window is left out, so that offered and achieved rate are of one
        time. Between two samples the counter is taken to rise evenly, or until the end of the load;
        rate() would extrapolate.
        """
        stops = self.ends_with_run(window)
        found = self.prom.raw(
            counter.name, window.start - BEFORE_SECONDS, window.end + BEFORE_SECONDS
        )
        gained = sum(
            count_at(window.end, series, stops_then=stops) - count_at(window.start, series)
            for series in found
        )
        return gained if found else None

    def counted_rate(self, counter: Metric, window: Window) -> float | None:
        """Return the same by the window's seconds."""
        gained = self.counted_gain(counter, window)
        return gained / window.seconds if gained is not None and window.seconds else None

    def rate(self, selector: str, window: Window) -> float | None:
        """Return Prometheus's own rate, summed."""
        return self.prom.number(f"sum(rate({selector}[{span(window)}]))", window.end)

    def range(self, query: str, window: Window | None = None) -> list[Series]:
        """Return the series of a query over the run, or a part of it."""
        window = window or self.window
        return self.prom.range(query, window.start, window.end)

    def largest(self, query: str, window: Window | None = None) -> float | None:
        """Return the largest value of a query over the run; None where it has none."""
        values = (value for series in self.range(query, window) for value in series.values())
        return max(values, default=None)


def _identity(sample: Sample) -> frozenset[tuple[str, str]]:
    return frozenset(sample.labels.items())


def increase(series: Series, since: float, restarts: Sequence[float] = ()) -> float:
    """Return the gain of a counter since a time, from its raw samples.

    It starts at zero where it is new, and anew where it falls or its process restarted: a new
    process may have counted more than the one before.
    """
    before = [point for point in series.points if point[0] <= since][-1:] or [(since, 0.0)]
    points = before + [point for point in series.points if point[0] > since]
    return sum(
        later
        if later < earlier or any(last < restart <= time for restart in restarts)
        else later - earlier
        for (last, earlier), (time, later) in pairwise(points)
    )


def count_at(time: float, series: Series, *, stops_then: bool = False) -> float:
    """Return what a counter has gained from its first sample until a time, read between samples.

    One that stops at that time has its value of the next sample.
    """
    gained, (earlier, before) = 0.0, series.points[0]
    for later, value in series.points[1:]:
        gain = value - before if value >= before else value
        if later >= time:
            share = 1.0 if stops_then else max(0.0, (time - earlier) / (later - earlier))
            return gained + gain * share
        gained, earlier, before = gained + gain, later, value
    return gained


def ratio(part: float, whole: float | None) -> float | None:
    """Return part / whole; None where nothing is whole."""
    return part / whole if whole else None


def span(window: Window) -> str:
    """Return the length of a window as a PromQL duration, at least one second."""
    return f"{max(1000, round(window.seconds * 1000))}ms"
