"""The checks of a run: one for each objective, expectation and diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.drill.judge.verdict import AGAINST_API
from firedrill.record.outcome import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.profile import Objectives, Slo
    from firedrill.record.outcome import Reason
    from firedrill.record.run_document import RunDocument


class Outcome(StrEnum):
    """The outcome of a check."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """Not known: the measurement is not valid, or the figure is missing."""
    SKIPPED = "skipped"
    """Not decided: the run is not valid, or it was too short for the alert."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a run."""

    group: str
    """`objectives`, `alerts`, `diagnosis`, `baseline`, `measurement` or `run`."""
    name: str
    outcome: Outcome
    text: str = ""
    """The reason or the limit, as a sentence."""


def checks_of(document: RunDocument) -> list[Check]:
    """Return the checks of a run: objectives, alerts, diagnosis, then what else the verdict says.

    Every reason of the verdict is in a check, so a run that did not pass has a check that did not.
    """
    objectives = [*_objectives(document)]
    alerts = [*_alerts(document)]
    told = {line for check in (*objectives, *alerts) for line in check.text.splitlines()}
    rest = [_other(reason) for reason in document.reasons if reason.text not in told]
    if document.verdict is None or (document.figures is None and not rest):
        rest.append(Check("measurement", "figures", Outcome.ERROR, "nothing was measured"))
    if not any(check.outcome is Outcome.ERROR for check in rest):
        rest.append(Check("measurement", "valid", Outcome.PASSED))
    return [*objectives, *alerts, *_diagnosis(document), *rest]


def _objectives(document: RunDocument) -> Iterator[Check]:
    slo = document.profile.slo
    if slo is None:
        return
    for name, code, limit in _of_all_requests(slo):
        broken = [reason for reason in document.reasons if reason.code == code]
        unmeasured = f"unmeasured_{code.removeprefix('latency_')}"
        missing = [reason for reason in document.reasons if reason.code == unmeasured]
        yield _objective(document, name, limit, broken, missing)
    for endpoint, limits in slo.endpoints.items():
        for name, code, limit in _limits(limits):
            own_code = f"endpoint_{code.removeprefix('latency_')}"
            broken = [
                reason
                for reason in document.reasons
                if reason.code == own_code and _is_about(reason, endpoint)
            ]
            missing = [
                reason
                for reason in document.reasons
                if reason.code == "unmeasured_endpoint" and endpoint in reason.text
            ]
            yield _objective(document, f"{endpoint}: {name}", limit, broken, missing)


def _of_all_requests(slo: Slo) -> Iterator[tuple[str, str, str]]:
    yield from _limits(slo)
    if slo.starved_users is not None:
        yield "starved users", "starved_users", f"at most {slo.starved_users}"
    if slo.achieved_ratio is not None:
        limit = f"at least {units.percent(slo.achieved_ratio)} of the offered load"
        yield "achieved load", "achieved", limit


def _limits(limits: Objectives) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the code of its verdict reason, and the limit of each objective."""
    for name, seconds in limits.latency_seconds.items():
        yield name, f"latency_{name}", f"at most {units.latency(seconds)}"
    if limits.mean_seconds is not None:
        yield "mean", "latency_mean", f"at most {units.latency(limits.mean_seconds)}"
    if limits.error_ratio is not None:
        yield "errors", "errors", f"at most {units.percent(limits.error_ratio)}"


def _is_about(reason: Reason, endpoint: str) -> bool:
    """Return whether a reason begins with the endpoint's name, or with its method and name."""
    without_method = reason.text.partition(" ")[2]
    return any(text.startswith(f"{endpoint}: ") for text in (reason.text, without_method))


def _objective(
    document: RunDocument,
    name: str,
    limit: str,
    broken: list[Reason],
    missing: list[Reason],
) -> Check:
    if broken:
        return Check("objectives", name, Outcome.FAILED, _lines(broken))
    if missing:
        return Check("objectives", name, Outcome.ERROR, _lines(missing))
    if document.status in {Status.PASSED, Status.FAILED}:
        return Check("objectives", name, Outcome.PASSED, limit)
    return Check("objectives", name, Outcome.SKIPPED, f"the run is {document.status}")


def _lines(reasons: list[Reason]) -> str:
    return "\n".join(dict.fromkeys(reason.text for reason in reasons))


def _alerts(document: RunDocument) -> Iterator[Check]:
    for row in document.scorecard:
        if row.expected is None and not row.wrong:
            continue
        name = f"{row.alert} after {row.cause}" if row.cause else row.alert
        if row.wrong:
            outcome = Outcome.FAILED
        elif row.judgement == "undecided":
            outcome = Outcome.SKIPPED
        else:
            outcome = Outcome.PASSED
        yield Check("alerts", name, outcome, row.text or row.judgement)


def _diagnosis(document: RunDocument) -> Iterator[Check]:
    """Yield the check that no stage limited the run; a run that passed may have a bottleneck."""
    diagnosis = document.diagnosis
    if diagnosis is None:
        return
    findings = "\n".join(diagnosis.findings)
    if diagnosis.bottleneck is None and diagnosis.missing:
        missing = "\n".join(diagnosis.missing)
        yield Check("diagnosis", "bottleneck", Outcome.SKIPPED, missing)
    elif diagnosis.bottleneck is None or document.status == Status.PASSED:
        yield Check("diagnosis", "bottleneck", Outcome.PASSED, findings)
    else:
        yield Check("diagnosis", "bottleneck", Outcome.FAILED, findings)


def _other(reason: Reason) -> Check:
    """Return the check of a reason that is neither an objective's nor an expected alert's."""
    if reason.code.startswith("regression_"):
        return Check("baseline", reason.code, Outcome.FAILED, reason.text)
    if reason.code in AGAINST_API or reason.code.startswith(("alert_", "latency_", "endpoint_")):
        return Check("run", reason.code, Outcome.FAILED, reason.text)
    return Check("measurement", reason.code, Outcome.ERROR, reason.text)
