"""The moment's figures of a running drill, for whoever watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill import units

if TYPE_CHECKING:
    from firedrill.prometheus.client import Prometheus


FROM_SCHEDULE = "client:response_time_from_schedule_seconds:p99_10s"
WAITING_INCLUDED, ANSWERED = (
    "client:response_time_including_waiting_seconds:p99_10s",
    "client:response_time_seconds:p99_10s",
)
RAISED = (
    f"max({WAITING_INCLUDED} unless {WAITING_INCLUDED} <= 1.1 * ({FROM_SCHEDULE} or {ANSWERED}))"
)
"""There where those who wait have raised the percentile by more than a tenth, which a single one at the edge of a bucket does not.

Where nothing was answered that of the answered is missing, or no number.
"""


@dataclass(frozen=True, slots=True)
class Live:
    """What one look at Prometheus shows; None where there is no figure yet."""

    step: float | None
    users: float | None
    rate: float | None
    client_p99_seconds: float | None
    """At least: who waits counts with the age that its request has so far; where nobody can see that, the answered alone count."""
    server_p99_seconds: float | None
    in_flight: float | None
    starved: float | None
    headroom_ratio: float | None
    nearest: str | None
    offered: float | None = None
    """Arrivals a second of an open loop; None in a closed one."""
    client_p99_is_at_least: bool = False
    """Whether those who wait have raised it."""

    def cells(self) -> dict[str, str]:
        """Each figure as text, by its title, in the order in which they are read."""
        client_p99 = units.seconds(self.client_p99_seconds)
        headroom = units.percent(
            None if self.headroom_ratio is None else max(0.0, self.headroom_ratio)
        )
        return {
            "step": units.count(self.step),
            "users": units.count(self.users),
            "rate": units.rate(self.rate)
            if self.offered is None
            else f"{units.rate(self.rate)} of {units.rate(self.offered)}",
            "client p99": units.at_least(client_p99) if self.client_p99_is_at_least else client_p99,
            "server p99": units.seconds(self.server_p99_seconds),
            "in flight": units.count(self.in_flight),
            "starved": units.count(self.starved),
            "headroom": f"{headroom} ({self.nearest})" if self.nearest else headroom,
        }


def look(prom: Prometheus) -> Live:
    """Ask for all of them."""
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
