"""The verdict: what the figures mean against the profile. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.errors import ExitCode
from firedrill.objectives import accepted_ratio, is_exceeded
from firedrill.record.limits import STALL_SECONDS, blind_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from firedrill.profile import Profile, Slo
    from firedrill.record.figures import Arrivals, Figures, Honesty, Window

LOST_LIMIT_RATIO = 0.01
"""Share of what should have been asked that a valid run may not have asked, or not in time."""

CPU_LIMIT_RATIO = 0.9
"""Of a core: a process that uses more has no time left for what comes next."""

LAG_LIMIT_RATIO = 0.25
"""Share of the time by which an event loop is late that explains what was not sent; a healthy one's is below a tenth."""

MORE_WORKERS = "use more workers (docs/distributed.md), or users that compute less"

BROKEN = {
    "generator_cpu": "the load generator used more than 0.9 of a core",
    "loop_lag": "the load generator's event loop was late",
    "worker_missing": "a load generator's worker was missing",
    "report_late": "a load generator's worker did not report for more than 10 s",
    "users_behind": "fewer users ran than the profile asked for, and had asked for long since",
    "pacing_missed": "users with a fixed pace began more than 1 % of their tasks late",
    "scrape_gap": "Prometheus missed pages of the load generator",
}
"""Conditions of a valid run, a cause before what it causes."""

OF_WORKERS = frozenset({"worker_missing", "report_late"})

AGAINST_API = frozenset({"api_ended", "aborted"})
"""Mishaps that are the API's failure, not the measurement's."""


class Status(StrEnum):
    """How a run ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INVALID = "INVALID"
    INTERRUPTED = "INTERRUPTED"


EXIT_CODES = {
    Status.PASSED: ExitCode.PASSED,
    Status.FAILED: ExitCode.FAILED,
    Status.INVALID: ExitCode.INVALID,
    Status.INTERRUPTED: ExitCode.INTERRUPTED,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was wrong: a word for machines, a sentence for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status, and every reason for it that was found."""

    status: Status
    reasons: tuple[Reason, ...]

    def blaming(self, reasons: Sequence[Reason]) -> Verdict:
        """With more reasons against the API or its alerts: a run that had passed has failed, any other stays what it is."""
        has_failed = reasons and self.status is Status.PASSED
        return Verdict(Status.FAILED if has_failed else self.status, (*self.reasons, *reasons))


def judge(
    profile: Profile,
    figures: Figures | None,
    mishaps: Sequence[Reason],
    regressions: Iterable[Reason] = (),
    *,
    interrupted: bool = False,
) -> Verdict:
    """Judge a run, but for its alerts (scorecard.py).

    Args:
        profile: Its SLO.
        figures: What was measured; None if nothing was.
        mishaps: What happened to the parts: those of AGAINST_API count against the API, every other against the measurement.
        regressions: What became worse since an earlier run; counts against the API.
        interrupted: Somebody stopped it; the reasons found so far are given all the same.
    """
    against_api = [mishap for mishap in mishaps if mishap.code in AGAINST_API]
    void = [mishap for mishap in mishaps if mishap.code not in AGAINST_API]
    if figures is not None:
        told = {mishap.code for mishap in mishaps}
        void += (
            reason
            for reason in (*_void(figures), *_unjudged(profile.slo, figures))
            if reason.code not in told
        )
        against_api += _slo_broken(profile.slo, figures)
    against_api += regressions
    reasons = (*void, *against_api)
    if interrupted:
        return Verdict(
            Status.INTERRUPTED, (Reason("interrupted", "the run was interrupted"), *reasons)
        )
    status = Status.INVALID if void else Status.FAILED if against_api else Status.PASSED
    return Verdict(status, reasons)


def _void(figures: Figures) -> Iterator[Reason]:
    unsent = _is_unsent(figures.arrivals)
    broken = (_overloaded(figures.honesty) if unsent else {}) | {
        condition: f"{BROKEN.get(condition, condition)} ({units.seconds(seconds)} of the run)"
        for condition, seconds in figures.invalid.items()
        if seconds >= STALL_SECONDS
    }
    for condition in sorted(broken, key=[*BROKEN, *broken].index):
        yield Reason(condition, broken[condition])
    if figures.arrivals is not None and unsent:
        yield _unsent(figures.arrivals, broken)
    yield from _crashed(figures)
    if figures.blind_seconds > blind_limit(figures.seconds):
        yield Reason(
            "blind",
            f"nothing was recorded of the load generator for {units.seconds(figures.blind_seconds)}",
        )


def _unjudged(slo: Slo | None, figures: Figures) -> Iterator[Reason]:
    """What was not measured was not kept either; but that nothing was answered may be what breaks the SLO."""
    if not figures.client.rate and not any(_slo_broken(slo, figures)):
        after = " after the warm-up" if figures.counts.client_requests else ""
        yield Reason("no_requests", f"the load generator reported no request{after}")
    elif slo is not None:
        yield from _unmeasured(slo, figures)


def _unmeasured(slo: Slo, figures: Figures) -> Iterator[Reason]:
    """Objectives that nothing is known of."""
    client = figures.client
    for name in slo.latency_seconds:
        if client.slower_than_slo.get(name) is None:
            yield _unknown(
                name, "no request was reported with its time", "report it, or drop the objective"
            )
    if slo.error_ratio is not None and client.error_ratio is None:
        yield _unknown(
            "errors",
            "no request was answered, or given up",
            "play the load for longer, or drop the objective",
        )
    if slo.starved_users is not None and figures.honesty.starved_sustained is None:
        mend = "wrap them in events.request.measure (docs/bring-your-own.md), or drop the objective"
        yield _unknown("starved_users", "nobody saw when these users' requests began", mend)


def _unknown(objective: str, why: str, mend: str) -> Reason:
    return Reason(
        f"unmeasured_{objective}", f"the SLO's {objective} was not measured: {why}; {mend}"
    )


def _overloaded(honesty: Honesty) -> dict[str, str]:
    """What says that a generator could not send, also where it did not last for as long as the conditions ask."""
    cpu, lag = honesty.generator_cpu_max_ratio or 0.0, honesty.generator_lag_ratio or 0.0
    by_cpu = (
        {"generator_cpu": f"the load generator used {cpu:.2f} of a core"}
        if cpu >= CPU_LIMIT_RATIO
        else {}
    )
    late = f"the load generator's event loop was late for {units.percent(lag)} of the time"
    return by_cpu | ({"loop_lag": late} if lag >= LAG_LIMIT_RATIO else {})


def ended_early(window: Window, planned_seconds: float | None) -> Iterator[Reason]:
    """What is wrong with a load that nobody ended, and that did not last for as long as it was to."""
    if window.falls_short(planned_seconds):
        asked = (
            f"{units.seconds(planned_seconds)} were asked for, and it was not stopped by firedrill"
        )
        yield Reason(
            "load_ended_early",
            f"the load ended after {units.seconds(window.seconds)}: {asked} (locust.log)",
        )


def _is_unsent(arrivals: Arrivals | None) -> bool:
    return arrivals is not None and arrivals.unsent > LOST_LIMIT_RATIO * arrivals.offered


def _unsent(arrivals: Arrivals, broken: Iterable[str]) -> Reason:
    share = f"{units.count(arrivals.unsent)} of {units.count(arrivals.offered)} arrivals were never sent"
    why = "no user was free (raise max_in_flight), or their worker has not this profile"
    if OF_WORKERS.intersection(broken):
        why = "their worker was gone (its log, docs/distributed.md)"
    if {"generator_cpu", "loop_lag"}.intersection(broken):
        why = f"the load generator did not get to them: {MORE_WORKERS}"
    return Reason("arrivals_unsent", f"{share}: {why}")


def _crashed(figures: Figures) -> Iterator[Reason]:
    """Every request may be one of a task's many: the share is at least this. A task that trips over a failed request is the API's doing."""
    crashed, requests = figures.honesty.exceptions or 0.0, figures.counts.client_requests
    tasks = figures.arrivals.started if figures.arrivals else max(requests, crashed)
    if crashed - figures.counts.client_failures > LOST_LIMIT_RATIO * tasks:
        of = (
            f"{units.count(tasks)} arrivals"
            if figures.arrivals
            else f"{units.count(requests)} requests"
        )
        failed = (
            f" ({units.count(figures.counts.client_failures)} failed)"
            if figures.counts.client_failures
            else ""
        )
        text = f"{units.count(crashed)} tasks ended with an exception, beside {of}{failed}: what they had not asked yet, nobody asked"
        yield Reason("task_exceptions", f"{text} (locust.log has the exceptions)")


def _slo_broken(slo: Slo | None, figures: Figures) -> Iterator[Reason]:
    if slo is None:
        return
    yield from _starved(slo, figures)
    yield from _slow(slo, figures)
    yield from _failing(slo, figures)


def _starved(slo: Slo, figures: Figures) -> Iterator[Reason]:
    starved, oldest = (
        figures.honesty.starved_sustained,
        units.seconds(figures.honesty.oldest_max_seconds),
    )
    if slo.starved_users is not None and starved is not None and starved > slo.starved_users:
        hung = f"their requests hung, the oldest for {oldest}, and are in no latency figure"
        yield Reason(
            "starved_users",
            f"{units.count(starved)} users starved: {hung}; the SLO accepts {slo.starved_users}",
        )


def _slow(slo: Slo, figures: Figures) -> Iterator[Reason]:
    for name, bound in slo.latency_seconds.items():
        slower, accepted = figures.client.slower_than_slo.get(name), accepted_ratio(name)
        if slower is not None and is_exceeded(name, slower):
            seen = figures.client.latency_including_waiting_seconds.get(
                name
            )  # None for p90, which is judged by its share alone
            least = "at least " if name in figures.client.at_least else ""
            client = (
                f"client {name}"
                if seen is None
                else f"client {name} is {least}{units.seconds(seen)}"
            )
            share = f"{units.percent(slower)} of the requests took longer than {units.seconds(bound)}{_left(figures.arrivals)}"
            yield Reason(
                f"latency_{name}", f"{client}: {share}; the SLO accepts {units.percent(accepted)}"
            )


def _left(arrivals: Arrivals | None) -> str:
    left = arrivals.left if arrivals else 0
    return f" ({units.count(left)} never sent: still waiting at the end)" if left else ""


def _failing(slo: Slo, figures: Figures) -> Iterator[Reason]:
    failing = figures.client.error_ratio
    if slo.error_ratio is not None and failing is not None and failing > slo.error_ratio:
        hung = (
            f" ({units.count(figures.honesty.hung)} of them hung)" if figures.honesty.hung else ""
        )
        yield Reason(
            "errors",
            f"{units.percent(failing)} of the requests failed{hung}; the SLO accepts {units.percent(slo.error_ratio)}",
        )
