"""Check of the figures against the profile's SLO: each broken objective makes a run FAILED."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.objectives import accepted_ratio, is_exceeded
from firedrill.record.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.profile import Slo
    from firedrill.record.figures import EndpointFigures, Figures


def broken_objectives(slo: Slo, figures: Figures) -> Iterator[Reason]:
    """Yield a reason for each objective that the figures break."""
    yield from _starved_users(slo, figures)
    yield from _slow_requests(slo, figures)
    yield from _failed_requests(slo, figures)
    yield from _slow_mean(slo, figures)
    yield from _low_rate(slo, figures)
    for endpoint in figures.endpoints:
        yield from _endpoint(slo, endpoint)


def _slow_mean(slo: Slo, figures: Figures) -> Iterator[Reason]:
    mean, limit = figures.client.latency_including_waiting_seconds.get("mean"), slo.mean_seconds
    if limit is not None and mean is not None and mean > limit:
        text = f"the client's mean response time is {units.latency(mean)}"
        yield Reason("latency_mean", f"{text} (limit: {units.latency(limit)})")


def _low_rate(slo: Slo, figures: Figures) -> Iterator[Reason]:
    achieved, offered = figures.client.rate, figures.client.offered_rate
    what = "offered requests a second"
    # An arrival may send several requests.
    if figures.arrivals and figures.arrivals.finished is not None:
        achieved, offered = figures.arrivals.finished, figures.arrivals.offered
        what = "offered arrivals"
    if slo.achieved_ratio is None or achieved is None or not offered:
        return
    if achieved < slo.achieved_ratio * offered:
        share = f"{units.percent(achieved / offered)} of the {offered:,.0f} {what} were achieved"
        yield Reason("achieved", f"{share} (limit: {units.percent(slo.achieved_ratio)})")


def _endpoint(slo: Slo, endpoint: EndpointFigures) -> Iterator[Reason]:
    """Yield a reason for each objective that the requests to one endpoint break."""
    limits = slo.objectives_of(endpoint.method, endpoint.name)
    if limits is None:
        return
    for name, bound in limits.latency_seconds.items():
        slower = endpoint.slower_than_slo.get(name)
        if slower is not None and is_exceeded(name, slower):
            value = endpoint.latency_seconds.get(name)
            measured = "" if value is None else f" is {units.latency(value)}"
            share = f"{units.percent(slower)} of its requests took longer than"
            text = f"{endpoint.label}: {name}{measured}: {share} {units.latency(bound)}"
            accepted = units.percent(accepted_ratio(name))
            yield Reason(f"endpoint_{name}", f"{text} (limit: {accepted})")
    mean = endpoint.latency_seconds.get("mean")
    if limits.mean_seconds is not None and mean is not None and mean > limits.mean_seconds:
        text = f"{endpoint.label}: the mean response time is {units.latency(mean)}"
        yield Reason("endpoint_mean", f"{text} (limit: {units.latency(limits.mean_seconds)})")
    failed = endpoint.error_ratio
    if limits.error_ratio is not None and failed is not None and failed > limits.error_ratio:
        text = f"{endpoint.label}: {units.percent(failed)} of its requests failed"
        yield Reason("endpoint_errors", f"{text} (limit: {units.percent(limits.error_ratio)})")


def _starved_users(slo: Slo, figures: Figures) -> Iterator[Reason]:
    starved = figures.honesty.starved_sustained
    if slo.starved_users is not None and starved is not None and starved > slo.starved_users:
        oldest = units.seconds(figures.honesty.oldest_max_seconds)
        users = f"{units.count(starved)} users got no answer"
        evidence = f"(oldest request: {oldest}; limit: {slo.starved_users})"
        text = f"{users} {evidence}. No percentile of answered requests includes them."
        yield Reason("starved_users", text)


def _slow_requests(slo: Slo, figures: Figures) -> Iterator[Reason]:
    client = figures.client
    for name, bound in slo.latency_seconds.items():
        slower, accepted = client.slower_than_slo.get(name), accepted_ratio(name)
        if slower is None or not is_exceeded(name, slower):
            continue
        value = client.latency_including_waiting_seconds.get(name)
        at_least = "at least " if name in client.at_least else ""
        measured = "" if value is None else f" is {at_least}{units.latency(value)}"
        share = f"{units.percent(slower)} of the requests took longer than {units.latency(bound)}"
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
        limit = f"limit: {units.percent(slo.error_ratio)}{hung_text}{_most_failures(figures)}"
        yield Reason("errors", f"{units.percent(failed)} of the requests failed ({limit})")


def _most_failures(figures: Figures) -> str:
    """Return the judged endpoint with the most failed answers, as the end of a reason."""
    endpoints = [one for one in figures.endpoints if not one.is_excluded and one.failures]
    if not endpoints:
        return ""
    worst = max(endpoints, key=lambda endpoint: endpoint.failures)
    counts = f"{units.count(worst.failures)} of {units.count(worst.requests)}"
    return f"; most failures: {worst.label}, {counts}"
