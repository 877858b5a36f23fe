"""Whom a run's alerts would have reached, and when: the notifications as they stand in run.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.drill.measure.alert_history import OWN_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.notifications.notification import Notification


def record(notifications: Iterable[Notification], start: float) -> list[dict[str, Any]]:
    """Each with its time in seconds since the load began; what came before it, and the heartbeat, left out."""
    return [
        _entry(one, start)
        for one in notifications
        if not one.is_heartbeat and one.received >= start
    ]


def _entry(one: Notification, start: float) -> dict[str, Any]:
    return {
        "after_seconds": one.received - start,
        "receiver": one.receiver,
        "status": one.status,
        "alertname": one.alertname,
        "severity": one.severity,
        "labels": {name: value for name, value in one.labels.items() if name not in OWN_LABELS},
        "summary": one.summary,
    }
