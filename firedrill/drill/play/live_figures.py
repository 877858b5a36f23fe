"""The current figures of a running drill, for the progress display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.diagnosis.evidence import STAGES
from firedrill.diagnosis.stages import is_saturated
from firedrill.drill.measure import stage_queries

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
    """Arrivals a second of an open workload; None in a closed one."""
    bottleneck: str | None = None
    """The deepest stage that is saturated now."""
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
            "bottleneck": (self.bottleneck or "none").replace("_", " "),
        }

    def _headroom(self) -> str:
        if self.headroom_ratio is None:
            return units.NOTHING
        text = units.percent(max(0.0, self.headroom_ratio))
        return f"{text} ({self.nearest})" if self.nearest else text


def bottleneck_now(prom: Prometheus, *, is_open: bool) -> str | None:
    """Return the deepest stage that is saturated now, by the definition of the diagnosis."""
    used, waiting = (
        {
            sample.labels["stage"]: sample.value
            for sample in prom.instant(stage_queries.together(asked))
        }
        for asked in (stage_queries.USED, stage_queries.WAITING)
    )
    saturated = [
        stage
        for stage in STAGES
        if is_saturated(stage, used.get(stage), waiting.get(stage))
        and (is_open or stage != "slots")
    ]
    return saturated[-1] if saturated else None


def look(prom: Prometheus) -> Live:
    """Ask Prometheus for all live figures."""
    offered = prom.number("sum(client:arrivals_offered:rate10s)")
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
        offered=offered,
        bottleneck=bottleneck_now(prom, is_open=offered is not None),
        client_p99_is_at_least=prom.number(RAISED) is not None,
    )
