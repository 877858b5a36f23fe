"""The verdict on a capacity, and its result in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.capacity.capacity_profile import slo_text
from firedrill.capacity.search import LOWEST_RATE, Ending
from firedrill.record.outcome import Reason, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.profile import Slo
    from firedrill.record.capacity import Capacity

ENDINGS = {
    Ending.HIGHEST_RATE: "the SLO held at the highest rate for which the load generator has users "
    "(max_in_flight in the profile)",
    Ending.UNSETTLED: "repeats of the same rate contradicted each other; leave the machine alone, "
    "or give it more time",
    Ending.OUT_OF_TIME: "the time limit ended the search (--time-limit)",
    Ending.INTERRUPTED: "the search was interrupted",
    Ending.PART_ENDED: "a part of the stack ended in the search",
}
"""Why a search ended before it found the capacity."""


def verdict(result: Capacity, mishaps: Sequence[Reason]) -> Verdict:
    """Judge a capacity: it fails below the expected load, or where there is none at all."""
    reasons = [*mishaps, *_shortcomings(result)]
    if result.ending == Ending.INTERRUPTED:
        status = Status.INTERRUPTED
    elif mishaps or _is_unknown(result):
        status = Status.INVALID
    else:
        status = Status.FAILED if reasons else Status.PASSED
    return Verdict(status, tuple(reasons))


def _is_unknown(result: Capacity) -> bool:
    """Return whether the measurement does not answer what was asked."""
    if result.rate is None:
        return result.ending != Ending.UNSUSTAINABLE or _is_limited_by_generator(result)
    return result.is_lower_bound and _is_below_expected(result)


def _is_below_expected(result: Capacity) -> bool:
    return result.headroom_ratio is not None and result.headroom_ratio < 0


def _is_limited_by_generator(result: Capacity) -> bool:
    return bool(result.trials) and result.trials[-1].outcome == "limited"


def _shortcomings(result: Capacity) -> Iterator[Reason]:
    if result.ending == Ending.UNSUSTAINABLE:
        why = result.trials[-1].reason if result.trials else "nothing was measured"
        yield Reason("slo_unsustainable", f"even {LOWEST_RATE:g}/s breaks the SLO: {why}")
    elif result.rate is None:
        why = ENDINGS[Ending(result.ending)]
        yield Reason("no_capacity", f"no rate was found at which the SLO holds: {why}")
    if _is_below_expected(result):
        yield Reason(
            "below_expected_load",
            f"the API sustains {rate_text(result)}, and {units.rate(result.expected_rate)} are "
            f"expected: {units.percent(-(result.headroom_ratio or 0.0))} too little",
        )


def rate_text(result: Capacity) -> str:
    """Return the capacity in words: `71.3/s`, or `at least 400.0/s`."""
    return f"{'at least ' if result.is_lower_bound else ''}{units.rate(result.rate)}"


def remarks(result: Capacity, slo: Slo) -> Iterator[Reason]:
    """Yield the result in sentences: rate, bottleneck, headroom, overload."""
    if result.rate is None:
        return
    above = (
        f"{units.rate(result.failed_rate)} did not hold"
        if result.failed_rate
        else "no higher rate was played"
    )
    confirmed = "confirmed by repeats" if result.is_confirmed else "not confirmed by repeats"
    yield Reason(
        "capacity",
        f"the API sustains {rate_text(result)} within {slo_text(slo)} ({above}; {confirmed}; "
        f"arrivals: {result.spacing})",
    )
    if result.bottleneck and result.bottleneck.resource == "generator":
        yield Reason("generator_limit", f"{result.bottleneck.evidence}; use more --workers")
    elif result.is_lower_bound:
        yield Reason("search_ended_early", ENDINGS.get(Ending(result.ending), ""))
    if result.bottleneck and result.bottleneck.resource != "generator":
        bottleneck = result.bottleneck
        yield Reason("bottleneck", f"bottleneck: {bottleneck.resource} ({bottleneck.evidence})")
    if result.headroom_ratio is not None and result.headroom_ratio >= 0:
        yield Reason(
            "headroom",
            f"headroom at {units.rate(result.expected_rate)}: "
            f"{units.percent(result.headroom_ratio)}",
        )
