"""The alerts that were pending and firing in a run, from Prometheus's own ALERTS series."""

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
    """First and last sample of a series' presence, and when it was gone; infinity if it stayed."""

OWN_LABELS = {"__name__", "alertname", "alertstate", "severity"}
"""Labels of ALERTS that are not the alert's."""


def read(prom: Prometheus, window: Window, tail_seconds: float) -> tuple[Alert, ...]:
    """Return every alert and label set that was pending or firing, by the time it began.

    The watchdog is left out. So are alerts that begin to fire after the load's end: the load did
    not set them off, or its end did.
    """
    series = remote.read(prom.url, window.start - 1, window.end + tail_seconds, "ALERTS")
    return of_series(series, window)


def of_series(series: Iterable[Any], window: Window) -> tuple[Alert, ...]:
    """Return the alerts of ALERTS series, as prompb TimeSeries.

    Their stale markers tell an alert that ended from one that is rarely evaluated.
    """
    states_by_labels: dict[tuple[tuple[str, str], ...], dict[str, Sequence[Span]]] = {}
    for one_series in series:
        labels = {label.name: label.value for label in one_series.labels}
        spans = _spans(
            (sample.timestamp / 1000 - window.start, sample.value) for sample in one_series.samples
        )
        if labels["alertstate"] == "firing":
            spans = [span for span in spans if span[0] <= window.seconds]
        if spans and labels["alertname"] != HEARTBEAT:
            own = {name for name in labels if name not in {"__name__", "alertstate"}}
            key = tuple((name, labels[name]) for name in sorted(own))
            states_by_labels.setdefault(key, {})[labels["alertstate"]] = spans
    alerts = [_alert(dict(key), states, window) for key, states in states_by_labels.items()]
    return tuple(sorted(alerts, key=_beginning))


def _alert(labels: dict[str, str], states: Mapping[str, Sequence[Span]], window: Window) -> Alert:
    first = {state: spans[0][0] for state, spans in states.items()}
    firings, pending = states.get("firing", ()), states.get("pending", ())
    is_pending_at_end = any(begin <= window.seconds < gone for begin, _, gone in pending)
    return Alert(
        name=labels["alertname"],
        severity=labels.get("severity", ""),
        labels={name: value for name, value in labels.items() if name not in OWN_LABELS},
        pending_after_seconds=first.get("pending"),
        firing_after_seconds=first.get("firing"),
        firing_seconds=sum(end - begin for begin, end, _ in firings),
        firings=tuple((begin, end) for begin, end, _ in firings),
        active_after_seconds=tuple(_active_since(begin, pending) for begin, _, _ in firings),
        pending_at_end=not firings and is_pending_at_end,
    )


def _active_since(firing_begin: float, pending: Sequence[Span]) -> float:
    """Return the begin of the pending time that ended as the alert began to fire, if any."""
    return next((begin for begin, _, gone in pending if gone == firing_begin), firing_begin)


def _spans(points: Iterable[tuple[float, float]]) -> list[Span]:
    """Return the times at which a series was there; NaN is the stale marker that ends one."""
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
    times = (alert.pending_after_seconds, alert.firing_after_seconds)
    return min(seconds for seconds in times if seconds is not None)
