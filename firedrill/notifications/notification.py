"""A notification: what Alertmanager sent to one receiver about one alert.

Texts of alerts are data and are never trusted.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

RECEIVERS = ("page", "ticket", "log")
"""Receivers in prometheus/alertmanager.yml: wake somebody, open a ticket, write a log."""

HEARTBEAT = "Watchdog"
"""The alert that always fires; its notification proves that notifications arrive."""

_WEBHOOK_VERSION = "4"


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to one receiver about one alert; times are Unix seconds."""

    received: float
    receiver: str
    status: Literal["firing", "resolved"]
    alertname: str
    severity: str
    """Empty if the alert has none."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: float | None
    ends: float | None
    """None while it fires."""
    group_key: str

    @property
    def summary(self) -> str:
        """The alert's summary; empty if it has none."""
        return self.annotations.get("summary", "")

    @property
    def is_heartbeat(self) -> bool:
        """Whether the alert only proves that notifications arrive."""
        return self.alertname == HEARTBEAT

    def line(self) -> str:
        """Return a line for a terminal, without control characters.

        `12:03:41 page   FIRING   ApiDown (api 127.0.0.1:9464): The API is down.`
        """
        clock = time.strftime("%H:%M:%S", time.localtime(self.received))
        where = " ".join(self.labels[name] for name in ("job", "instance") if name in self.labels)
        place = f" ({where})" if where else ""
        summary = f": {self.summary}" if self.summary else ""
        what = f"{self.alertname}{place}{summary}"
        return printable(f"{clock} {self.receiver:6} {self.status.upper():8} {what}")

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the notification that `as_json` gave. Raises TypeError for anything else."""
        return cls(**content)


def from_webhook(message: Any, receiver: str, received: float) -> list[Notification]:
    """Return a notification for each alert of a message of Alertmanager's webhook, version 4.

    Raises BadInput for anything else, with the place of the mistake.
    """
    if not isinstance(message, dict) or message.get("version") != _WEBHOOK_VERSION:
        raise BadInput(
            "this is no message of Alertmanager's webhook;"
            f" expected a JSON object of version {_WEBHOOK_VERSION!r}"
        )
    alerts = message.get("alerts")
    if not isinstance(alerts, list):
        raise BadInput(f"alerts is a {type(alerts).__name__}; expected a list")
    group = str(message.get("groupKey", ""))
    return [
        _from_alert(alert, f"alerts[{index}]", receiver, received, group)
        for index, alert in enumerate(alerts)
    ]


def _from_alert(
    alert: Any, place: str, receiver: str, received: float, group_key: str
) -> Notification:
    if not isinstance(alert, dict) or alert.get("status") not in {"firing", "resolved"}:
        raise BadInput(f"{place}.status is neither firing nor resolved")
    labels = _texts(alert.get("labels"), f"{place}.labels")
    return Notification(
        received=received,
        receiver=receiver,
        status=alert["status"],
        alertname=labels.get("alertname", ""),
        severity=labels.get("severity", ""),
        labels=labels,
        annotations=_texts(alert.get("annotations", {}), f"{place}.annotations"),
        starts=_unix(alert.get("startsAt"), f"{place}.startsAt"),
        ends=_unix(alert.get("endsAt"), f"{place}.endsAt"),
        group_key=group_key,
    )


def _texts(value: Any, place: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadInput(f"{place} is no JSON object of strings")
    return value


def _unix(value: Any, place: str) -> float | None:
    """Return the Unix time of a time in RFC 3339; None for None and for Go's zero time."""
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.timestamp() if parsed.year > 1 and parsed.tzinfo else None
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"{place} is no time; expected one such as 2026-01-31T12:00:00Z") from error


def printable(text: str) -> str:
    """Return the text with control characters and changes of direction as U+FFFD."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
