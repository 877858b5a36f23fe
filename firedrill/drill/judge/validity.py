"""Conditions of a valid measurement: each broken one makes a run INVALID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.drill.judge import user_code
from firedrill.profile_form import nearest
from firedrill.record.limits import STALL_SECONDS, blind_limit
from firedrill.record.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from firedrill.profile import Slo
    from firedrill.record.figures import (
        Arrivals,
        Figures,
        MeasurementQuality,
        UnobservedUsers,
        Window,
    )
    from firedrill.record.outcome import ExceptionKind

LOST_LIMIT_RATIO = 0.01
"""Largest share of requests that a valid run may fail to send, or send late."""

CPU_LIMIT_RATIO = 0.9
"""Share of a core; a process that uses more has no time left for what comes next."""

LAG_LIMIT_RATIO = 0.25
"""Late share of an event loop that explains dropped arrivals; a healthy one is below 0.1."""

MORE_WORKERS = "use more workers (docs/distributed.md), or users that compute less"

MAKE_VISIBLE = "wrap them in events.request.measure (docs/bring-your-own.md), exclude them"

CONDITIONS = {
    "generator_cpu": ("the load generator used more than 0.9 of a core", MORE_WORKERS),
    "loop_lag": ("the load generator's event loop was late", MORE_WORKERS),
    "worker_missing": (
        "a worker of the load generator was missing",
        "see its log (docs/distributed.md)",
    ),
    "report_late": (
        "a worker of the load generator did not report within 10 s",
        "see its log (docs/distributed.md)",
    ),
    "users_behind": (
        "fewer users ran than the profile had asked for long before",
        "use more workers, or a lower spawn_rate",
    ),
    "pacing_missed": (
        "users with a fixed pace started more than 1 % of their tasks late",
        "use more users, or a slower pace",
    ),
    "scrape_gap": ("Prometheus missed scrapes of the load generator", MORE_WORKERS),
}
"""Each condition: what happened, and what to do. Causes stand before their effects."""

OF_WORKERS = frozenset({"worker_missing", "report_late"})
OVERLOAD = frozenset({"generator_cpu", "loop_lag"})


def broken_conditions(
    figures: Figures, exceptions: Sequence[ExceptionKind] = ()
) -> Iterator[Reason]:
    """Yield a reason for each broken condition, causes first; `exceptions` name the causes."""
    dropped = _too_many_dropped(figures.arrivals)
    texts = _overload(figures.honesty) if dropped else {}
    texts |= {
        condition: _condition(condition, seconds)
        for condition, seconds in figures.invalid.items()
        if seconds >= STALL_SECONDS
    }
    for condition in sorted(texts, key=[*CONDITIONS, *texts].index):
        yield Reason(condition, texts[condition])
    if dropped:
        yield _dropped_arrivals(dropped, texts)
    yield from _crashed_tasks(figures, exceptions)
    blind = figures.blind_seconds or 0.0
    limit = blind_limit(figures.seconds)
    if blind > limit:
        text = f"the load generator was not scraped for {units.seconds(blind)}"
        allowed = f"(at most {units.seconds(limit)} are valid)"
        yield Reason("blind", f"{text} {allowed}; {MORE_WORKERS}")


def _condition(condition: str, seconds: float) -> str:
    happened, remedy = CONDITIONS.get(condition, (condition, ""))
    text = f"{happened} ({units.seconds(seconds)} of the run)"
    return f"{text}; {remedy}" if remedy else text


def _overload(quality: MeasurementQuality) -> dict[str, str]:
    """Return the signs that the generator was too busy to send, however short they lasted."""
    cpu, lag = quality.generator_cpu_max_ratio or 0.0, quality.generator_lag_ratio or 0.0
    texts = {}
    if cpu >= CPU_LIMIT_RATIO:
        texts["generator_cpu"] = f"the load generator used {cpu:.2f} of a core; {MORE_WORKERS}"
    if lag >= LAG_LIMIT_RATIO:
        late = f"the load generator's event loop was late for {units.percent(lag)} of the time"
        texts["loop_lag"] = f"{late}; {MORE_WORKERS}"
    return texts


def _too_many_dropped(arrivals: Arrivals | None) -> Arrivals | None:
    """Return the arrivals if more of them were dropped than a valid run may drop."""
    if arrivals and arrivals.unsent > LOST_LIMIT_RATIO * arrivals.offered:
        return arrivals
    return None


def _dropped_arrivals(arrivals: Arrivals, broken: Iterable[str]) -> Reason:
    count = f"{units.count(arrivals.unsent)} of {units.count(arrivals.offered)} arrivals"
    if OVERLOAD.intersection(broken):
        why = f"the load generator was too busy to send them; {MORE_WORKERS}"
    elif OF_WORKERS.intersection(broken):
        why = "their worker was gone; see its log (docs/distributed.md)"
    else:
        why = "no user was free (raise max_in_flight), or their worker does not have this profile"
    return Reason("arrivals_unsent", f"{count} were dropped: {why}")


def _crashed_tasks(figures: Figures, exceptions: Sequence[ExceptionKind]) -> Iterator[Reason]:
    """Yield a reason where more tasks crashed than failed requests explain.

    A task may send many requests, so the share of crashed tasks is at least the one computed here.
    """
    crashed = figures.honesty.exceptions or 0.0
    requests = figures.counts.client_requests or 0.0
    failures = figures.counts.client_failures or 0.0
    tasks = figures.arrivals.started if figures.arrivals else max(requests, crashed)
    if crashed - failures <= LOST_LIMIT_RATIO * tasks:
        return
    of = (
        f"{units.count(tasks)} arrivals"
        if figures.arrivals
        else f"{units.count(requests)} requests"
    )
    failed = f" ({units.count(failures)} failed)" if failures else ""
    text = f"{user_code.crashed_tasks(crashed, exceptions)}, beside {of}{failed}"
    yield Reason(
        "task_exceptions",
        f"{text}, and did not send the rest of their requests; locust.log has the exceptions",
    )


def missing_requests(figures: Figures) -> Reason:
    """Return the reason of a run that has no requests to judge."""
    if figures.endpoints and all(endpoint.is_excluded for endpoint in figures.endpoints):
        return Reason("no_requests", "the profile's exclude leaves out every request")
    if figures.counts.client_requests:
        return Reason("no_requests", "the load generator reported no request after the warm-up")
    return Reason("no_requests", "the load generator reported no request")


def unmeasured_objectives(slo: Slo, figures: Figures) -> Iterator[Reason]:
    """Yield a reason for each objective whose figure was not measured."""
    client = figures.client
    for name in slo.latency_seconds:
        if client.slower_than_slo.get(name) is None:
            why = "no request was reported with its time"
            yield _unmeasured(name, why, "report it, or drop the objective")
    if slo.error_ratio is not None and client.error_ratio is None:
        why = "no request was answered, or given up"
        yield _unmeasured("errors", why, "play the load for longer, or drop the objective")
    starved, unobserved = figures.honesty.starved_sustained, figures.honesty.unobserved
    # More starved users than allowed among those that were observed decide the objective.
    may_lack = slo.starved_users_if_measured and unobserved
    if (
        slo.starved_users is not None
        and not may_lack
        and (starved is None or (unobserved and starved <= slo.starved_users))
    ):
        why = unseen_waiting(unobserved) or "no load generator told of its requests in flight"
        yield _unmeasured("starved_users", why, f"{MAKE_VISIBLE}, or drop the objective")
    yield from _unmeasured_rate(slo, figures)
    yield from _missing_endpoints(slo, figures)


def unseen_waiting(unobserved: Iterable[UnobservedUsers]) -> str:
    """Return why nobody knows whether users of these classes waited; "" if there are none."""
    return " and ".join(
        f"users of {users.user_class} reported requests that were not seen to begin"
        f" ({users.method} {users.name})"
        if users.has_request
        else f"users of {users.user_class} do not report when their requests begin"
        for users in unobserved
    )


def _unmeasured_rate(slo: Slo, figures: Figures) -> Iterator[Reason]:
    if slo.mean_seconds is not None and figures.client.latency_seconds.get("mean") is None:
        why = "no request was reported with its time"
        yield _unmeasured("mean", why, "report it, or drop the objective")
    if slo.achieved_ratio is not None and not figures.client.offered_rate:
        why = "the rate that a locustfile's users offer in a closed workload is not known"
        yield _unmeasured("achieved", why, "use arrivals: open, or drop the objective")


def _missing_endpoints(slo: Slo, figures: Figures) -> Iterator[Reason]:
    """Yield a reason for each endpoint that has an objective and no request."""
    labels = {endpoint.label for endpoint in figures.endpoints}
    names = {endpoint.name for endpoint in figures.endpoints}
    for name in slo.endpoints:
        if name not in labels | names:
            text = f"the SLO's endpoint {name!r} got no request{nearest(name, names)}"
            yield Reason("unmeasured_endpoint", text)
    for endpoint in figures.endpoints:
        limits = slo.objectives_of(endpoint.method, endpoint.name)
        measured = {**endpoint.slower_than_slo, "mean": endpoint.latency_seconds.get("mean")}
        wanted = (
            [*limits.latency_seconds, *(["mean"] * bool(limits.mean_seconds))] if limits else []
        )
        for objective in wanted:
            if measured.get(objective) is None:
                text = f"the {objective} of {endpoint.label} was not measured"
                why = "no request was reported with its time, or the load generator was killed"
                yield Reason("unmeasured_endpoint", f"{text}: {why}")
    unanswered = figures.honesty.hung or figures.honesty.starved_sustained
    is_judged = slo.starved_users is not None and slo.error_ratio is not None
    if slo.endpoints and unanswered and not is_judged:
        text = (
            f"{units.count(unanswered)} requests got no answer, and their endpoints are not known"
        )
        remedy = "set starved_users and errors in the slo, which judge them"
        yield Reason("unmeasured_endpoint", f"{text}, so no endpoint is judged by them; {remedy}")


def _unmeasured(objective: str, why: str, remedy: str) -> Reason:
    text = f"the SLO's {objective} was not measured: {why}; {remedy}"
    return Reason(f"unmeasured_{objective}", text)


def ended_early(window: Window, planned_seconds: float | None) -> Iterator[Reason]:
    """Yield a reason for a load that nobody ended, and that was shorter than planned."""
    if window.falls_short(planned_seconds):
        planned = f"{units.seconds(planned_seconds)} were planned"
        text = f"the load ended after {units.seconds(window.seconds)}, but {planned}"
        who = "it was not stopped by firedrill"
        yield Reason("load_ended_early", f"{text}, and {who}; locust.log may say why")
