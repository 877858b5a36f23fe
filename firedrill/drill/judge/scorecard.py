"""Alerts against what they were for: which were expected, which fired, how soon after their cause. Pure; reads and completes run.json.

What is expected of which alert stands in the profile, and is fixed before the run: `always`, `if_slo_broken`, `never`, and the alerts that
a fault names. An alert whose cause nobody named is held against the latest one, which is a guess and marked as such.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.alerts.backtest import causes
from firedrill.drill.judge.verdict import Reason
from firedrill.record.figures import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from firedrill.alerts.backtest.causes import Cause

    Span = tuple[float, float, float]
    """When an alert became active, fired, and ceased to fire."""

SLO_BROKEN = ("starved_users", "errors", "api_ended", "aborted", "latency_")
"""How codes of the verdict's reasons begin that say so."""


@dataclass(frozen=True, slots=True)
class Row:
    """One alert, held against one cause or against what the profile says. Times in seconds."""

    alert: str
    judgement: str
    """detected: it fired after a cause. expected: it fired as the profile says, without a known cause. missed: the profile expects it.

    false: the profile says never, or there was no cause. quiet: it did not fire, and need not have. undecided: the load ended too early, or

    it fired already before the load began, or was active already before its fault did, or its rule could not be evaluated.
    """
    expected: str | None = None
    """always, if_slo_broken, never, or `fault` where a fault names it; None where nobody expected anything."""
    firing_after_seconds: float | None = None
    cause: str | None = None
    attribution: str | None = None
    """`named` if the profile names the alert beside its cause, `latest` if the cause is a guess."""
    delay_seconds: float | None = None
    wrong: bool = False
    """Whether it fails the run."""
    text: str = ""
    """What happened, where that is wrong or undecided."""


def of_run(
    document: Mapping[str, Any], lingers: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """A row for each alert that fired or that the profile names, in order of the firing; those that did not fire come last.

    `lingers` says by alert for how many seconds it may owe its firing to a fault that is over; without bound where nobody knows its rule.
    """
    if not document["figures"]:
        return []
    rows = sorted(
        _Card(document, lingers or {}).rows(),
        key=lambda row: inf if row.firing_after_seconds is None else row.firing_after_seconds,
    )
    return [asdict(row) for row in rows]


def reasons(rows: Iterable[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """Why the alerts fail a run."""
    return tuple(
        dict.fromkeys(
            Reason(f"alert_{row['judgement']}", row["text"]) for row in rows if row["wrong"]
        )
    )


def remarks(rows: Iterable[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """What the run does not say."""
    return tuple(
        dict.fromkeys(
            Reason("alert_undecided", row["text"])
            for row in rows
            if row["judgement"] == "undecided"
        )
    )


class _Card:
    def __init__(self, document: Mapping[str, Any], lingers: Mapping[str, float]) -> None:
        self._lingers = lingers
        alerts = document["figures"]["alerts"]
        self._start: float = document["window"]["start"]
        self._causes = causes.of_run(document)
        self._expected = _expected(document)
        self._fired = _fired(alerts)
        self._pending = {
            alert["name"]: alert["pending_after_seconds"]
            for alert in alerts
            if alert["pending_at_end"]
        }
        self._unevaluated: Mapping[str, str] = (
            document.get("unevaluated") or {}
        )  # Older runs do not tell.
        self._is_early = _ended_early(document)

    def rows(self) -> Iterator[Row]:
        named: dict[str, list[Cause]] = {}
        for cause in self._causes:
            for name in cause.alerts:
                named.setdefault(name, []).append(cause)
        for name, its in named.items():
            ends = [*(self._after(following) for following in its[1:]), inf]
            yield from (
                self._of_cause(name, cause, until) for cause, until in zip(its, ends, strict=True)
            )
        for name in dict.fromkeys([*self._fired, *self._expected]):
            left_over, first = self._left_over(name), self._first(name)
            if left_over:
                yield left_over
            if first and (name not in named or first[0] < self._after(named[name][0])):
                yield self._of_firing(name, *first)
            elif name not in named and not left_over:
                yield self._of_silence(name)

    def _after(self, cause: Cause) -> float:
        return cause.start - self._start

    def _first(self, name: str) -> tuple[float, float] | None:
        """When it fired first, and had become active."""
        return min(
            ((begun, active) for active, begun, _ in self._fired.get(name, ()) if begun > 0),
            default=None,
        )

    def _left_over(self, name: str) -> Row | None:
        """An alert that fired before this load could set it off, as where a run is attached to what ran already."""
        begun = next((begun for _, begun, _ in self._fired.get(name, ()) if begun <= 0), None)
        text = (
            f"the alert {name} fired already when the load began: what set it off was there before"
        )
        return (
            None
            if begun is None
            else Row(name, "undecided", self._expected.get(name), begun, text=text)
        )

    def _of_cause(self, name: str, cause: Cause, until: float) -> Row:
        """An alert that a fault names, from the fault on until the next one that names it."""
        since, spans = self._after(cause), self._fired.get(name, ())
        latest = cause.end - self._start + self._lingers.get(name, inf)
        after = min(
            (begun for active, begun, _ in spans if since <= active < until and begun <= latest),
            default=None,
        )
        row = Row(
            name,
            "detected",
            "fault",
            after,
            cause.name,
            "named",
            None if after is None else after - since,
        )
        begun = f"{cause.name}, which began after {units.seconds(since)}"
        before = next((begin for active, begin, end in spans if active < since <= end), None)
        if before is not None:
            did = "fired" if before < since else "was pending"
            text = (
                f"the alert {name} {did} already before {begun}: it neither detected nor missed it"
            )
            return replace(
                row, judgement="undecided", firing_after_seconds=None, delay_seconds=None, text=text
            )
        if after is not None:
            return row
        late = next((at for active, at, _ in spans if since <= active < until), None)
        did = (
            self._did(name)
            if late is None
            else f"fired after {units.seconds(late)}, when it looked back on nothing of its fault"
        )
        return self._missed(row, f"the alert {name} {did}; the profile expects it after {begun}")

    def _of_firing(self, name: str, after: float, active: float) -> Row:
        expected, cause = self._expected.get(name), self._latest_cause(active)
        row = Row(
            name, "detected" if cause else "expected" if expected else "false", expected, after
        )
        if cause:
            row = replace(
                row,
                cause=cause.name,
                attribution="latest",
                delay_seconds=after - self._after(cause),
            )
        if expected != "never":
            return row
        text = (
            f"the alert {name} fired after {units.seconds(after)}; the profile says it never does"
        )
        return replace(row, judgement="false", wrong=True, text=text)

    def _of_silence(self, name: str) -> Row:
        expected = self._expected[name]
        row = Row(name, "quiet", expected)
        if expected == "always":
            return self._missed(row, f"the alert {name} {self._did(name)}; the profile expects it")
        if expected == "if_slo_broken":
            return self._of_silence_when_broken(row)
        if name in self._unevaluated:
            return replace(
                row,
                judgement="undecided",
                text=f"the alert {name} {self._did(name)}: that it was quiet says nothing",
            )
        return row

    def _of_silence_when_broken(self, row: Row) -> Row:
        """One of those that the profile lists is enough: somebody knew. What broke in the last moments, none of them could know."""
        listed = [name for name, expected in self._expected.items() if expected == "if_slo_broken"]
        if any(name in self._fired for name in listed):
            return row
        is_late = any(name in self._pending for name in listed)
        what = (
            f"none of {', '.join(listed)} fired"
            if len(listed) > 1
            else f"the alert {listed[0]} {self._did(listed[0])}"
        )
        return self._missed(
            row, f"the SLO was broken, and {what}: nobody would have known", is_late=is_late
        )

    def _did(self, name: str) -> str:
        """What an alert did that did not fire."""
        pending = self._pending.get(name)
        if name in self._unevaluated:
            return f"did not fire, but its rule could not be evaluated ({self._unevaluated[name]})"
        return (
            "did not fire"
            if pending is None
            else f"was pending from {units.seconds(pending)} on, and not firing when the load ended"
        )

    def _missed(self, row: Row, text: str, *, is_late: bool = False) -> Row:
        if self._is_early or is_late:
            return replace(
                row, judgement="undecided", text=f"{text}; the load ended too early to tell"
            )
        return replace(row, judgement="missed", text=text, wrong=True)

    def _latest_cause(self, after: float) -> Cause | None:
        """The latest thing that had gone wrong by then."""
        return next(
            (cause for cause in reversed(self._causes) if self._after(cause) <= after), None
        )


def _expected(document: Mapping[str, Any]) -> dict[str, str]:
    """What the profile says of an alert: always, never, or if_slo_broken, which is left out where the SLO held."""
    alerts = document["profile"]["alerts"]
    is_broken = any(
        reason["code"].startswith(SLO_BROKEN) for reason in document["verdict"]["reasons"]
    )
    kinds = ("never", *(("if_slo_broken",) if is_broken else ()), "always")
    return {name: kind for kind in kinds for name in alerts[kind]}


def _fired(alerts: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Span, ...]]:
    """When each alert became active, and began and ceased to fire, in seconds since the load began, over all its label sets."""
    fired: dict[str, list[Span]] = {}
    for alert in alerts:
        if alert["firing_after_seconds"] is not None:
            spans = zip(alert["active_after_seconds"], alert["firings"], strict=True)
            fired.setdefault(alert["name"], []).extend(
                (active, begun, end) for active, (begun, end) in spans
            )
    return {name: tuple(sorted(spans, key=lambda span: span[1:])) for name, spans in fired.items()}


def _ended_early(document: Mapping[str, Any]) -> bool:
    """A load that ended before its profile's end did not give every alert its time."""
    is_cut = Window(**document["window"]).falls_short(document["profile"]["duration_seconds"])
    return is_cut or bool(document["aborted"]) or document["verdict"]["status"] == "INTERRUPTED"
