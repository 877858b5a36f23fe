"""Alerts against what they were for: which were expected, which fired, how soon after their cause. Pure; reads and completes run.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.alerts import causes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.alerts.causes import Cause

SLO_BROKEN = ("starved_users", "errors", "api_ended", "latency_")
"""How codes of the verdict's reasons begin that say so."""


def of_run(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each alert that fired or that the profile names, in order of the firing; those that did not fire come last.

    `judgement` is one of: detected (it fired after a cause), expected (it fired as the profile says, without a known cause), missed (the
    profile expects it), false (the profile says never, or there was no cause), quiet (it did not fire, and need not have).
    """
    if not document["figures"]:
        return []
    expected = _expected(document)
    fired = _fired(document)
    rows = [_row(document, name, expected.get(name), fired.get(name)) for name in dict.fromkeys([*fired, *expected])]
    return sorted(rows, key=lambda row: (row["firing_after_seconds"] is None, row["firing_after_seconds"] or 0.0))


def _expected(document: Mapping[str, Any]) -> dict[str, str]:
    """What the profile says of an alert: always, never, or if_slo_broken, which is left out where the SLO held."""
    alerts = document["profile"]["alerts"]
    is_broken = any(reason["code"].startswith(SLO_BROKEN) for reason in document["verdict"]["reasons"])
    kinds = ("never", *(("if_slo_broken",) if is_broken else ()), "always")
    return {name: kind for kind in kinds for name in alerts[kind]}


def _fired(document: Mapping[str, Any]) -> dict[str, float]:
    """When each alert first fired, in seconds since the load began."""
    fired: dict[str, float] = {}
    for alert in document["figures"]["alerts"]:
        after = alert["firing_after_seconds"]
        if after is not None:
            fired[alert["name"]] = min(after, fired.get(alert["name"], after))
    return fired


def _row(document: Mapping[str, Any], name: str, expected: str | None, fired_after: float | None) -> dict[str, Any]:
    start = document["window"]["start"]
    cause = None if fired_after is None else _cause(document, start + fired_after)
    return {
        "alert": name,
        "expected": expected,
        "firing_after_seconds": fired_after,
        "cause": cause.name if cause else None,
        "delay_seconds": None if cause is None or fired_after is None else start + fired_after - cause.start,
        "judgement": _judgement(expected, is_fired=fired_after is not None, has_cause=cause is not None),
    }


def _cause(document: Mapping[str, Any], moment: float) -> Cause | None:
    """The latest thing that had gone wrong by then."""
    before = [cause for cause in causes.of_run(document) if cause.start <= moment]
    return before[-1] if before else None


def _judgement(expected: str | None, *, is_fired: bool, has_cause: bool) -> str:
    if not is_fired:
        return "quiet" if expected in {None, "never"} else "missed"
    if expected == "never":
        return "false"
    return "detected" if has_cause else "expected" if expected else "false"
