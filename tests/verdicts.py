"""The verdict of a run, without the reasons that lie in the machine that the tests run on."""

from firedrill.drill.judge.verdict import AGAINST_API, EXIT_CODES
from firedrill.record.outcome import Status

MACHINE_REASONS = frozenset({"generator_cpu", "loop_lag", "report_late", "scrape_gap", "blind"})
"""Reasons that say that the generator, or its Prometheus, got no CPU time (docs/profiles.md)."""

OBJECTIVE_PREFIXES = ("latency_", "alert_", "regression_", "errors", "starved_users")
"""How the codes of reasons begin that fail a run without voiding it."""


def status_and_reasons(code, document, ignored=MACHINE_REASONS):
    """Return the status of a run and the codes of its reasons, without the ignored ones.

    An ignored reason voids a run whatever else was found, so the status is the one that the other
    reasons give on a faster machine.
    """
    verdict = document["verdict"]
    status, codes = verdict["status"], [reason["code"] for reason in verdict["reasons"]]
    assert code == EXIT_CODES[Status(status)], (code, status)
    others = [reason for reason in codes if reason not in ignored]
    if status == Status.INVALID and others != codes and all(_fails(reason) for reason in others):
        status = Status.FAILED if others else Status.PASSED
    return str(status), others


def failed(code, document, ignored=MACHINE_REASONS):
    """Return whether a run failed, or would have failed on a faster machine."""
    return status_and_reasons(code, document, ignored)[0] == Status.FAILED


def passed(code, document, ignored=MACHINE_REASONS):
    """Return whether a run passed, or would have passed on a faster machine."""
    return status_and_reasons(code, document, ignored)[0] == Status.PASSED


def _fails(code):
    return code in AGAINST_API or code.startswith(OBJECTIVE_PREFIXES)
