"""What a reader should know of a run that no verdict says. Pure; reads run.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.drill.judge.verdict import Reason
from firedrill.record.limits import BLIND_RATIO, blind_limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MISSED_PAGE_SECONDS = 1.5
"""Between two pages of the load generator lies a second; a longer time than this is that of a missed one."""


def remarks(document: Mapping[str, Any]) -> Iterator[Reason]:
    """A sentence for each."""
    if document["figures"]:
        if "task_exceptions" not in {reason["code"] for reason in document["verdict"]["reasons"]}:
            yield from _of_what_raised(document["figures"])
        yield from _of_what_hung(document["figures"], document["profile"]["slo"] or {})
        yield from _of_the_warmup(
            document["figures"]["seconds"], document["profile"]["warmup_seconds"]
        )
        yield from _of_the_load(document["figures"]["steps"])
        yield from _of_what_nobody_saw(
            document["figures"]["blind_seconds"], document["figures"]["seconds"]
        )


def _of_what_hung(figures: Mapping[str, Any], slo: Mapping[str, Any]) -> Iterator[Reason]:
    """Users that wait for ever are the worst that can happen, and in no percentile of what was answered."""
    honesty = figures["honesty"]
    starved, hung, oldest = (
        honesty["starved_sustained"],
        honesty["hung"],
        units.seconds(honesty["oldest_max_seconds"]),
    )
    if starved and slo.get("starved_users") is None:
        text = (
            f"{units.count(starved)} users starved, the oldest of their requests hung for {oldest}"
        )
        yield Reason(
            "starved_unjudged", f"{text}: the profile sets no starved_users to judge them by"
        )
    if hung and slo.get("error_ratio") is None:
        yield Reason(
            "hung_unjudged",
            f"{units.count(hung)} requests hung until they were given up: the profile sets no errors to judge them by",
        )


def _of_what_raised(figures: Mapping[str, Any]) -> Iterator[Reason]:
    """Too little to void the run, or what failed requests explain."""
    raised, failed = figures["honesty"]["exceptions"], figures["counts"]["client_failures"]
    if raised:
        beside = f"{units.count(raised)} tasks ended with an exception, beside {units.count(failed)} failed requests"
        yield Reason(
            "tasks_raised",
            f"{beside}: what they had not asked yet, nobody asked (locust.log has the exceptions)",
        )


def _of_the_warmup(seconds: float, warmup: float) -> Iterator[Reason]:
    if seconds <= warmup:
        yield Reason(
            "within_warmup",
            f"the load ended within the profile's warm-up of {units.seconds(warmup)}; the figures include it",
        )


def _of_the_load(steps: list[Mapping[str, Any]]) -> Iterator[Reason]:
    if any(step["users_measured"] is not None for step in steps):
        yield Reason(
            "own_shape",
            "the locustfile's own shape made the load, and not the profile: the steps show the users that it ran",
        )


def _of_what_nobody_saw(blind: float, seconds: float) -> Iterator[Reason]:
    if max(MISSED_PAGE_SECONDS, BLIND_RATIO * seconds) < blind <= blind_limit(seconds):
        share = units.percent(blind / seconds)
        yield Reason(
            "seen_in_part",
            f"nothing was recorded of the load generator for {units.seconds(blind)}, {share} of the run",
        )
