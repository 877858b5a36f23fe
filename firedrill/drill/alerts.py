"""Which alerts were pending and firing in a run, read from Prometheus's own ALERTS series."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill.drill.figures import Alert, Window

if TYPE_CHECKING:
    from firedrill.prom import Prometheus, Series

GAP_SECONDS = 5.0
"""Evaluations are a second apart, or little more: after a longer time without a sample, an alert was not there meanwhile."""

OWN_LABELS = {"__name__", "alertname", "alertstate", "severity"}


def read(prom: Prometheus, window: Window, tail_seconds: float) -> tuple[Alert, ...]:
    """Every alert and label set that was pending or firing, by the time at which it began; the watchdog left out."""
    raw = prom.raw('ALERTS{alertname!="Watchdog"}', window.start - 1, window.end + tail_seconds)
    found: dict[tuple[tuple[str, str], ...], dict[str, Series]] = {}
    for series in raw:
        key = tuple(sorted((name, value) for name, value in series.labels.items() if name not in {"__name__", "alertstate"}))
        found.setdefault(key, {})[series.labels["alertstate"]] = series
    alerts = [_alert(dict(key), states, window) for key, states in found.items()]
    return tuple(sorted(alerts, key=_beginning))


def _alert(labels: dict[str, str], states: dict[str, Series], window: Window) -> Alert:
    first = {state: series.points[0][0] - window.start for state, series in states.items()}
    firings = _spans(states["firing"], window.start) if "firing" in states else []
    pending = states.get("pending")
    return Alert(
        name=labels["alertname"],
        severity=labels.get("severity", ""),
        labels={name: value for name, value in labels.items() if name not in OWN_LABELS},
        pending_after_seconds=first.get("pending"),
        firing_after_seconds=first.get("firing"),
        firing_seconds=sum(end - begun for begun, end in firings),
        firings=tuple(firings),
        pending_at_end=bool(pending and pending.points[-1][0] > window.end - GAP_SECONDS and "firing" not in states),
    )


def _spans(series: Series, start: float) -> list[tuple[float, float]]:
    """First and last sample of each time that a series was there, in seconds after `start`."""
    times = [time - start for time, _ in series.points]
    edges = [(earlier, later) for earlier, later in pairwise(times) if later - earlier >= GAP_SECONDS]
    return list(zip([times[0], *(later for _, later in edges)], [*(earlier for earlier, _ in edges), times[-1]], strict=True))


def _beginning(alert: Alert) -> float:
    return min(seconds for seconds in (alert.pending_after_seconds, alert.firing_after_seconds) if seconds is not None)
