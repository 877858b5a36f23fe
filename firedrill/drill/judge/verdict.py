"""The verdict on a run, and its exit code: the figures judged against the profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.drill.judge.slo_check import broken_objectives
from firedrill.drill.judge.user_code import listener_reasons
from firedrill.drill.judge.validity import (
    broken_conditions,
    missing_requests,
    unmeasured_objectives,
)
from firedrill.errors import ExitCode
from firedrill.record.outcome import Reason, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from firedrill.profile import Profile, Slo
    from firedrill.record.figures import Figures
    from firedrill.record.outcome import ExceptionKind

AGAINST_API = frozenset({"api_ended", "aborted", "own_check_failed", "tear_down_failed"})
"""Codes of mishaps that are no failure of the measurement: the API's, or of the user's checks."""

EXIT_CODES = {
    Status.PASSED: ExitCode.PASSED,
    Status.FAILED: ExitCode.FAILED,
    Status.INVALID: ExitCode.INVALID,
    Status.INTERRUPTED: ExitCode.INTERRUPTED,
}


def judge(
    profile: Profile,
    figures: Figures | None,
    mishaps: Sequence[Reason],
    regressions: Iterable[Reason] = (),
    *,
    interrupted: bool = False,
    exceptions: Sequence[ExceptionKind] = (),
) -> Verdict:
    """Judge a run, except for its alerts (see scorecard.py).

    Args:
        profile: The profile with its SLO.
        figures: The measured figures; None if nothing was measured.
        mishaps: Failures of the parts. Those of AGAINST_API count against the API, all others
            against the measurement.
        regressions: Signals that became worse since a baseline; they count against the API.
        interrupted: Whether somebody stopped the run. Its reasons are given all the same.
        exceptions: Exceptions of the user's code.
    """
    mishaps = (*mishaps, *listener_reasons(exceptions))
    against_api = [mishap for mishap in mishaps if mishap.code in AGAINST_API]
    void = [mishap for mishap in mishaps if mishap.code not in AGAINST_API]
    if figures is not None:
        known = {mishap.code for mishap in mishaps}
        against_measurement = (
            *broken_conditions(figures, exceptions),
            *_unjudged(profile.slo, figures),
        )
        void += (reason for reason in against_measurement if reason.code not in known)
        against_api += _broken_slo(profile.slo, figures)
    against_api += regressions
    reasons = (*void, *against_api)
    if interrupted:
        stopped = Reason("interrupted", "the run was interrupted")
        return Verdict(Status.INTERRUPTED, (stopped, *reasons))
    if void:
        return Verdict(Status.INVALID, reasons)
    return Verdict(Status.FAILED if against_api else Status.PASSED, reasons)


def _broken_slo(slo: Slo | None, figures: Figures) -> Iterator[Reason]:
    if slo is not None:
        yield from broken_objectives(slo, figures)


def _unjudged(slo: Slo | None, figures: Figures) -> Iterator[Reason]:
    """Yield reasons for what was not measured.

    A run without answers needs none if just that breaks its SLO.
    """
    if not figures.client.rate and not any(_broken_slo(slo, figures)):
        yield missing_requests(figures)
    elif slo is not None:
        yield from unmeasured_objectives(slo, figures)
