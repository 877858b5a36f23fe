"""Which alerts were pending and firing in a run, read from Prometheus's own ALERTS series."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill.drill.figures import Alert, Window

if TYPE_CHECKING:
    from firedrill.prom import Prometheus, Series

OWN_LABELS = {"__name__", "alertname", "alertstate", "severity"}


def read(prom: Prometheus, window: Window, tail_seconds: float) -> tuple[Alert, ...]:
    """Every alert and label set that was pending or firing, by the time at which it began; the watchdog left out."""
    raw = prom.raw('ALERTS{alertname!="Watchdog"}', window.start - 1, window.end + tail_seconds)
    found: dict[tuple[tuple[str, str], ...], dict[str, Series]] = {}
    for series in raw:
        key = tuple(sorted((name, value) for name, value in series.labels.items() if name not in {"__name__", "alertstate"}))
        found.setdefault(key, {})[series.labels["alertstate"]] = series
    alerts = [_alert(dict(key), states, window.start) for key, states in found.items()]
    return tuple(sorted(alerts, key=_beginning))


def _alert(labels: dict[str, str], states: dict[str, Series], start: float) -> Alert:
    first = {state: series.points[0][0] - start for state, series in states.items()}
    return Alert(
        name=labels["alertname"],
        severity=labels.get("severity", ""),
        labels={name: value for name, value in labels.items() if name not in OWN_LABELS},
        pending_after_seconds=first.get("pending"),
        firing_after_seconds=first.get("firing"),
        firing_seconds=_seconds_on(states["firing"]) if "firing" in states else 0.0,
    )


def _seconds_on(series: Series) -> float:
    """Time that a series of 1 s evaluations was there; a longer gap is a time in which it was not."""
    return sum(later - earlier for (earlier, _), (later, _) in pairwise(series.points) if later - earlier < 5)


def _beginning(alert: Alert) -> float:
    return min(seconds for seconds in (alert.pending_after_seconds, alert.firing_after_seconds) if seconds is not None)
