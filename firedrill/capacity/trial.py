"""The judgement of one trial, from the counts that were scraped so far. No I/O and no clock."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.capacity.steady_state import share_interval, significant_slope, warmup_points
from firedrill.objectives import accepted_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.profile import Slo

FEWEST_SECONDS = 4.0
"""A trial is not judged before; its first second opens the connections."""

STEADY_SECONDS = 5.0
"""Shortest time after the warm-up in which an SLO can be said to hold."""

GROWTH_RATIO = 0.01
"""Requests in flight that grow by more than this share of the rate are a queue without end."""

TREND_POINTS = 8
SHORT_GROWTH_RATIO = 0.1
"""Growth that counts where there are fewer scrapes after the warm-up than TREND_POINTS.

A queue near its limit rises and falls by itself for some seconds.
"""

ROUNDING = 1e-9
"""Shares are floating point: 1 - 0.99 is a little more than 0.01."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one scrape. All but those of the waiting grow."""

    seconds: float
    """Since the begin of the trial."""
    answered: float
    response_seconds: float
    """Sum of all response times, from the due times on."""
    slower: Mapping[str, float]
    """Answered requests slower than each latency objective."""
    failed: float
    dropped: float
    """Arrivals for which no user was free in time."""
    waiting: float
    """Requests in flight, and arrivals without a free user."""
    overdue: Mapping[str, float]
    """Of the waiting, those older than each latency objective."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The figures and the decision of a trial so far."""

    holds: bool
    is_certain: bool
    """Whether more of the trial would not change it."""
    reason: str
    """The evidence, as a phrase."""
    warmup_seconds: float


@dataclass(frozen=True, slots=True)
class _Objective:
    """Requests that broke an objective, second by second, and the share that it accepts."""

    text: str
    broken: Sequence[float]
    accepted: float
    still_open: float = 0.0
    """Waiting requests that have broken it already."""


def judge(samples: Sequence[Counts], slo: Slo, rate: float) -> Judgement | None:
    """Judge a trial by its scrapes since its begin; None while they are too few.

    Args:
        samples: Counts of all scrapes of the trial, in order.
        slo: The SLO, of which latencies and errors are judged.
        rate: The arrivals a second of the trial.
    """
    if len(samples) < 3 or samples[-1].seconds < FEWEST_SECONDS:
        return None
    steady = samples[_warmup(samples) :]
    warmup = steady[0].seconds
    answered = [later.answered - before.answered for before, later in pairwise(steady)]
    dropped = steady[-1].dropped - steady[0].dropped
    broken: list[str] = []
    is_undecided = is_certainly_broken = False
    for objective in _objectives(steady, slo):
        # What waits for too long and what was dropped is slow for certain.
        parts = [*objective.broken, objective.still_open + dropped]
        wholes = [*answered, objective.still_open + dropped]
        if not sum(wholes):
            return Judgement(
                holds=False,
                is_certain=False,
                reason="no request was answered",
                warmup_seconds=warmup,
            )
        low, high = share_interval(parts, wholes)
        share = sum(parts) / sum(wholes)
        if share > objective.accepted + ROUNDING:
            broken.append(f"{units.percent(share)} of the requests {objective.text}")
            is_certainly_broken = is_certainly_broken or low > objective.accepted
        is_undecided = is_undecided or low <= objective.accepted < high
    growth = _growth(steady, rate)
    if growth:
        broken.append(f"requests in flight grew by {growth:.1f} a second")
    if broken:
        is_certain = is_certainly_broken or growth > 0
        return Judgement(
            holds=False,
            is_certain=is_certain,
            reason=" and ".join(broken),
            warmup_seconds=warmup,
        )
    is_long = steady[-1].seconds - warmup >= STEADY_SECONDS
    return Judgement(
        holds=True,
        is_certain=is_long and not is_undecided,
        reason="the SLO held",
        warmup_seconds=warmup,
    )


def throughput(samples: Sequence[Counts]) -> float | None:
    """Return the answers a second."""
    if len(samples) < 2:
        return None
    first, last = samples[0], samples[-1]
    return (last.answered - first.answered) / (last.seconds - first.seconds)


def goodput(samples: Sequence[Counts]) -> float | None:
    """Return the answers a second that succeeded within every latency objective.

    A failed request that was slow as well counts twice, so it is a lower bound.
    """
    if len(samples) < 2:
        return None
    first, last = samples[0], samples[-1]
    slow = max((last.slower[name] - first.slower[name] for name in last.slower), default=0.0)
    good = last.answered - first.answered - slow - (last.failed - first.failed)
    return max(0.0, good) / (last.seconds - first.seconds)


def _warmup(samples: Sequence[Counts]) -> int:
    """Return the index of the first sample after the warm-up, by the mean response times."""
    means = [
        (later.response_seconds - before.response_seconds) / (later.answered - before.answered)
        if later.answered > before.answered
        else 0.0
        for before, later in pairwise(samples)
    ]
    return warmup_points(means)


def _objectives(steady: Sequence[Counts], slo: Slo) -> list[_Objective]:
    last = steady[-1]
    found = [
        _Objective(
            f"were slower than {units.latency(limit)} ({name} accepts "
            f"{units.percent(accepted_ratio(name))})",
            [later.slower[name] - before.slower[name] for before, later in pairwise(steady)],
            accepted_ratio(name),
            last.overdue[name],
        )
        for name, limit in slo.latency_seconds.items()
    ]
    if slo.error_ratio is not None:
        text = f"failed (the SLO accepts {units.percent(slo.error_ratio)})"
        failed = [later.failed - before.failed for before, later in pairwise(steady)]
        found.append(_Objective(text, failed, slo.error_ratio))
    return found


def _growth(steady: Sequence[Counts], rate: float) -> float:
    """Return by how much the requests in flight grow a second; 0 where they do not.

    An API above its capacity is known by that both they and the response times rise.
    """
    times = [sample.seconds for sample in steady]
    slope = significant_slope(times, [sample.waiting for sample in steady])
    means = [
        (later.response_seconds - before.response_seconds)
        / max(1.0, later.answered - before.answered)
        for before, later in pairwise(steady)
    ]
    if len(steady) < TREND_POINTS:
        return slope if slope > SHORT_GROWTH_RATIO * rate else 0.0
    rises = significant_slope(times[1:], means) > 0
    return slope if slope > GROWTH_RATIO * rate and rises else 0.0
