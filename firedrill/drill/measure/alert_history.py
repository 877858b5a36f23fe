"""Which alerts were pending and firing in a run, read from Prometheus's own ALERTS series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from firedrill.notifications.notification import HEARTBEAT
from firedrill.prometheus import remote
from firedrill.record.figures import Alert, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from firedrill.prometheus.client import Prometheus

    Span = tuple[float, float, float]
    """First and last sample of a time that a series was there, and when it was gone; infinity if it stayed."""

OWN_LABELS = {"__name__", "alertname", "alertstate", "severity"}


def read(prom: Prometheus, window: Window, tail_seconds: float) -> tuple[Alert, ...]:
    """Every alert and label set that was pending or firing, by the time at which it began; the watchdog left out.

    What begins to fire when the load has ended is left out as well: no load set it off, or that there is none any more.
    """
    return of_series(
        remote.read(prom.url, window.start - 1, window.end + tail_seconds, "ALERTS"), window
    )


def of_series(series: Iterable[Any], window: Window) -> tuple[Alert, ...]:
    """The same from ALERTS as prompb TimeSeries, whose stale markers tell an alert that ended from one that is evaluated seldom."""
    found: dict[tuple[tuple[str, str], ...], dict[str, Sequence[Span]]] = {}
    for one in series:
        labels = {label.name: label.value for label in one.labels}
        spans = _spans(
            [(sample.timestamp / 1000 - window.start, sample.value) for sample in one.samples]
        )
        if labels["alertstate"] == "firing":
            spans = [span for span in spans if span[0] <= window.seconds]
        if spans and labels["alertname"] != HEARTBEAT:
            key = tuple(
                sorted(
                    (name, value)
                    for name, value in labels.items()
                    if name not in {"__name__", "alertstate"}
                )
            )
            found.setdefault(key, {})[labels["alertstate"]] = spans
    alerts = [_alert(dict(key), states, window) for key, states in found.items()]
    return tuple(sorted(alerts, key=_beginning))


def _alert(labels: dict[str, str], states: Mapping[str, Sequence[Span]], window: Window) -> Alert:
    first = {state: spans[0][0] for state, spans in states.items()}
    firings, pending = states.get("firing", ()), states.get("pending", ())
    return Alert(
        name=labels["alertname"],
        severity=labels.get("severity", ""),
        labels={name: value for name, value in labels.items() if name not in OWN_LABELS},
        pending_after_seconds=first.get("pending"),
        firing_after_seconds=first.get("firing"),
        firing_seconds=sum(end - begun for begun, end, _ in firings),
        firings=tuple((begun, end) for begun, end, _ in firings),
        active_after_seconds=tuple(
            next((since for since, _, gone in pending if gone == begun), begun)
            for begun, _, _ in firings
        ),
        pending_at_end=not firings
        and any(begun <= window.seconds < gone for begun, _, gone in pending),
    )


def _spans(points: Iterable[tuple[float, float]]) -> list[Span]:
    """The times that a series was there; a NaN is the mark that it ended."""
    spans: list[Span] = []
    current: tuple[float, float] | None = None
    for time, value in points:
        if not math.isnan(value):
            current = (current[0] if current else time, time)
        elif current:
            spans.append((*current, time))
            current = None
    return [*spans, (*current, math.inf)] if current else spans


def _beginning(alert: Alert) -> float:
    return min(
        seconds
        for seconds in (alert.pending_after_seconds, alert.firing_after_seconds)
        if seconds is not None
    )
