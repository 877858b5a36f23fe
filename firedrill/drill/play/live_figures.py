"""The current figures of a running drill, for the progress display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill import units

if TYPE_CHECKING:
    from firedrill.prometheus.client import Prometheus


FROM_SCHEDULE = "client:response_time_from_schedule_seconds:p99_10s"
WAITING_INCLUDED = "client:response_time_including_waiting_seconds:p99_10s"
ANSWERED = "client:response_time_seconds:p99_10s"
RAISED = (
    f"max({WAITING_INCLUDED} unless {WAITING_INCLUDED} <= 1.1 * ({FROM_SCHEDULE} or {ANSWERED}))"
)
"""Present where waiting requests have raised the percentile by more than a tenth.

A single one at the edge of a bucket raises it by less. Where nothing was answered, the percentile
of the answered requests is missing, or no number.
"""


@dataclass(frozen=True, slots=True)
class Live:
    """The figures of one look at Prometheus; None where there is no figure yet."""

    step: float | None
    users: float | None
    rate: float | None
    client_p99_seconds: float | None
    """With waiting requests at the age they have so far, where that is visible."""
    server_p99_seconds: float | None
    in_flight: float | None
    starved: float | None
    headroom_ratio: float | None
    nearest: str | None
    """The resource with the least headroom."""
    offered: float | None = None
    """Arrivals a second of an open loop; None in a closed one."""
    client_p99_is_at_least: bool = False
    """Whether waiting requests have raised the percentile, so that it is a lower bound."""

    def cells(self) -> dict[str, str]:
        """Return each figure as text, by its title, in the order of the display."""
        client_p99 = units.latency(self.client_p99_seconds)
        if self.client_p99_is_at_least:
            client_p99 = units.at_least(client_p99)
        rate = units.rate(self.rate)
        if self.offered is not None:
            rate = f"{rate} of {units.rate(self.offered)}"
        return {
            "step": units.count(self.step),
            "users": units.count(self.users),
            "rate": rate,
            "client p99": client_p99,
            "server p99": units.latency(self.server_p99_seconds),
            "in flight": units.count(self.in_flight),
            "starved": units.count(self.starved),
            "headroom": self._headroom(),
        }

    def _headroom(self) -> str:
        if self.headroom_ratio is None:
            return units.NOTHING
        text = units.percent(max(0.0, self.headroom_ratio))
        return f"{text} ({self.nearest})" if self.nearest else text


def look(prom: Prometheus) -> Live:
    """Ask Prometheus for all live figures."""
    headroom = min(
        prom.instant("api:headroom:ratio"), key=lambda sample: sample.value, default=None
    )
    return Live(
        step=prom.number("max(locust_load_step)"),
        users=prom.number("sum(locust_users)"),
        rate=prom.number("sum(client:requests:rate10s)"),
        client_p99_seconds=prom.number(f"max({WAITING_INCLUDED} or {ANSWERED})"),
        server_p99_seconds=prom.number("max(server:response_time_seconds:p99_10s)"),
        in_flight=prom.number("sum(locust_requests_in_flight)"),
        starved=prom.number("sum(locust_users_starved)"),
        headroom_ratio=headroom.value if headroom else None,
        nearest=headroom.labels.get("resource") if headroom else None,
        offered=prom.number("sum(client:arrivals_offered:rate10s)"),
        client_p99_is_at_least=prom.number(RAISED) is not None,
    )
