"""The notifications of a run, as they are written to run.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.drill.measure.alert_history import OWN_LABELS
from firedrill.record.run_document import RecordedNotification

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.notifications.notification import Notification


def record(notifications: Iterable[Notification], start: float) -> list[RecordedNotification]:
    """Return the notifications since the load began, without the heartbeat."""
    return [
        RecordedNotification(
            after_seconds=notification.received - start,
            receiver=notification.receiver,
            status=notification.status,
            alertname=notification.alertname,
            severity=notification.severity,
            labels={
                name: value for name, value in notification.labels.items() if name not in OWN_LABELS
            },
            summary=notification.summary,
        )
        for notification in notifications
        if not notification.is_heartbeat and notification.received >= start
    ]
