"""Check of the figures against the profile's SLO: each broken objective makes a run FAILED."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.objectives import accepted_ratio, is_exceeded
from firedrill.record.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.profile import Slo
    from firedrill.record.figures import Figures


def broken_objectives(slo: Slo, figures: Figures) -> Iterator[Reason]:
    """Yield a reason for each objective that the figures break."""
    yield from _starved_users(slo, figures)
    yield from _slow_requests(slo, figures)
    yield from _failed_requests(slo, figures)


def _starved_users(slo: Slo, figures: Figures) -> Iterator[Reason]:
    starved = figures.honesty.starved_sustained
    if slo.starved_users is not None and starved is not None and starved > slo.starved_users:
        oldest = units.seconds(figures.honesty.oldest_max_seconds)
        users = f"{units.count(starved)} users got no answer"
        evidence = f"(oldest request: {oldest}; limit: {slo.starved_users})"
        text = f"{users} {evidence}. Latency percentiles do not include them."
        yield Reason("starved_users", text)


def _slow_requests(slo: Slo, figures: Figures) -> Iterator[Reason]:
    client = figures.client
    for name, bound in slo.latency_seconds.items():
        slower, accepted = client.slower_than_slo.get(name), accepted_ratio(name)
        if slower is None or not is_exceeded(name, slower):
            continue
        # p90 is judged by its share of slow requests alone.
        value = client.latency_including_waiting_seconds.get(name)
        at_least = "at least " if name in client.at_least else ""
        measured = "" if value is None else f" is {at_least}{units.seconds(value)}"
        share = f"{units.percent(slower)} of the requests took longer than {units.seconds(bound)}"
        limit = f"limit: {units.percent(accepted)}{_backlog(figures)}"
        yield Reason(f"latency_{name}", f"client {name}{measured}: {share} ({limit})")


def _backlog(figures: Figures) -> str:
    backlog = figures.arrivals.left if figures.arrivals else 0
    return f"; backlog at the end: {units.count(backlog)} arrivals" if backlog else ""


def _failed_requests(slo: Slo, figures: Figures) -> Iterator[Reason]:
    failed = figures.client.error_ratio
    if slo.error_ratio is not None and failed is not None and failed > slo.error_ratio:
        hung = figures.honesty.hung
        hung_text = f"; {units.count(hung)} of them hung" if hung else ""
        limit = f"limit: {units.percent(slo.error_ratio)}{hung_text}"
        yield Reason("errors", f"{units.percent(failed)} of the requests failed ({limit})")
