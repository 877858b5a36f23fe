"""Notes on a run that its verdict does not contain. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.drill.judge import user_code
from firedrill.drill.judge.validity import unseen_waiting
from firedrill.objectives import is_excluded
from firedrill.profile_form import nearest
from firedrill.record.limits import BLIND_RATIO, blind_limit
from firedrill.record.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from firedrill.profile import Slo
    from firedrill.record.figures import Figures, Restarts, StepFigures
    from firedrill.record.outcome import ExceptionKind
    from firedrill.record.run_document import RunDocument

PROCESSES = {"api": "the API", "locust": "the load generator", "prometheus": "Prometheus"}
"""Names of the jobs whose processes are known."""

SCRAPE_GAP_SECONDS = 1.5
"""Scrapes of the load generator are a second apart; a longer gap is a missed scrape."""


def remarks(document: RunDocument) -> Iterator[Reason]:
    """Yield a remark for each note."""
    figures = document.figures
    if figures is None:
        return
    if "task_exceptions" not in {reason.code for reason in document.reasons}:
        yield from _crashed_tasks(figures, document.exceptions)
    yield from _hung_requests(figures, document.profile.slo)
    yield from _short_load(figures, document.profile.warmup_seconds)
    yield from _own_load_shape(figures.steps)
    yield from _scrape_gap(figures)
    yield from _idle_exclusions(document.profile.exclude, figures)
    yield from _restarts(figures.restarts)


def _hung_requests(figures: Figures, slo: Slo | None) -> Iterator[Reason]:
    """Yield remarks on hung requests that no objective judges; no percentile contains them."""
    starved, hung = figures.honesty.starved_sustained, figures.honesty.hung
    if starved and (slo is None or slo.starved_users is None):
        oldest = units.seconds(figures.honesty.oldest_max_seconds)
        text = f"{units.count(starved)} users got no answer (oldest request: {oldest})"
        remedy = "no objective judges this: set starved_users in the profile's slo"
        yield Reason("starved_unjudged", f"{text}; {remedy}")
    unseen = unseen_waiting(figures.honesty.unobserved)
    if unseen and (slo is None or slo.starved_users is None or slo.starved_users_if_measured):
        yield Reason("starvation_unmeasured", f"starvation was not measured: {unseen}")
    if hung and (slo is None or slo.error_ratio is None):
        text = f"{units.count(hung)} requests hung until they were given up"
        remedy = "no objective judges this: set errors in the profile's slo"
        yield Reason("hung_unjudged", f"{text}; {remedy}")


def _crashed_tasks(figures: Figures, exceptions: Sequence[ExceptionKind]) -> Iterator[Reason]:
    """Yield a remark on crashed tasks: too few to void the run, or explained by failed requests."""
    crashed, failed = figures.honesty.exceptions, figures.counts.client_failures
    if crashed:
        tasks = user_code.crashed_tasks(crashed, exceptions)
        text = f"{tasks}, beside {units.count(failed)} failed requests"
        lost = "and did not send the rest of their requests; locust.log has the exceptions"
        yield Reason("tasks_raised", f"{text}, {lost}")


def _short_load(figures: Figures, warmup_seconds: float) -> Iterator[Reason]:
    if figures.seconds is not None and figures.seconds <= warmup_seconds:
        length, warmup = units.seconds(figures.seconds), units.seconds(warmup_seconds)
        text = f"the load lasted {length}, and the profile's warm-up {warmup}"
        yield Reason("within_warmup", f"{text}; the figures include the warm-up")


def _own_load_shape(steps: tuple[StepFigures, ...]) -> Iterator[Reason]:
    if any(step.users_measured is not None for step in steps):
        text = "the locustfile's own load shape replaced the profile's"
        yield Reason("own_shape", f"{text}; the steps show the users that ran")


def _idle_exclusions(patterns: Iterable[str], figures: Figures) -> Iterator[Reason]:
    """Yield a remark for each pattern of `exclude` that no request matched."""
    names = {endpoint.name for endpoint in figures.endpoints}
    for pattern in patterns:
        if not any(
            is_excluded(endpoint.method, endpoint.name, [pattern]) for endpoint in figures.endpoints
        ):
            text = f"the profile's exclude {pattern!r} matched no request{nearest(pattern, names)}"
            yield Reason("exclude_unmatched", text)


def _scrape_gap(figures: Figures) -> Iterator[Reason]:
    blind, seconds = figures.blind_seconds, figures.seconds
    if blind is None or not seconds:
        return
    if max(SCRAPE_GAP_SECONDS, BLIND_RATIO * seconds) < blind <= blind_limit(seconds):
        share = units.percent(blind / seconds)
        text = f"the load generator was not scraped for {units.seconds(blind)}, {share} of the run"
        yield Reason("seen_in_part", f"{text}; peaks in that time are not recorded")


def _restarts(jobs: Iterable[Restarts]) -> Iterator[Reason]:
    """Yield a remark on each job whose counts are not those of one process."""
    for job in jobs:
        name = PROCESSES.get(job.job, f"job {job.job}")
        lost = "what a process counted after its last scrape is lost, so its counts are too low"
        if job.restarts:
            times = "once" if job.restarts == 1 else f"{job.restarts} times"
            who = (
                f"{name}'s process restarted {times}"
                if job.instances == 1
                else f"{job.restarted} of {job.instances} processes of {name} restarted, {times}"
                " in all"
            )
            yield Reason("process_restarted", f"{who}; {lost}")
        if job.counter_resets:
            times = "once" if job.counter_resets == 1 else f"{job.counter_resets} times"
            text = f"{job.counter} of {name} fell {times}, so the counts began anew; {lost}"
            yield Reason("counter_reset", text)
        if job.mixed:
            text = f"several processes answered in turn as {name}"
            yield Reason(
                "processes_mixed",
                f"{text}, so its counts are not sums; expected one process behind each --scrape",
            )
