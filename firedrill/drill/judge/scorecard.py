"""The alert scorecard: alerts that were expected, alerts that fired, and how soon. No I/O.

The profile says before the run what is expected of an alert: `always`, `if_slo_broken`, `never`,
or that a fault names it. An alert without a named cause is compared with the latest one, which is
a guess and marked as such.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.alerts.backtest import causes
from firedrill.record.outcome import Reason, ScorecardRow, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from firedrill.alerts.backtest.causes import Cause
    from firedrill.record.figures import Alert, Figures, Window
    from firedrill.record.run_document import RunDocument

    Span = tuple[float, float, float]
    """Times at which an alert became active, began to fire, and ceased to fire."""

SLO_BROKEN = ("starved_users", "errors", "api_ended", "aborted", "latency_")
"""Beginnings of the codes of verdict reasons for a broken SLO."""


def of_run(
    document: RunDocument, attribution_seconds: Mapping[str, float] | None = None
) -> tuple[ScorecardRow, ...]:
    """Return a row for each alert that fired or was expected, in order of the firing.

    Alerts that did not fire come last.

    Args:
        document: The run, without its scorecard.
        attribution_seconds: By alert, how long after the end of a fault it may still fire because
            of it; without a limit where its rule is not known.
    """
    if document.figures is None or document.window is None:
        return ()
    card = _Scorecard(document, document.figures, document.window, attribution_seconds or {})
    return tuple(sorted(card.rows(), key=_firing_order))


def _firing_order(row: ScorecardRow) -> float:
    return inf if row.firing_after_seconds is None else row.firing_after_seconds


def reasons(rows: Iterable[ScorecardRow]) -> tuple[Reason, ...]:
    """Return the reasons why the alerts fail a run."""
    wrong = (Reason(f"alert_{row.judgement}", row.text) for row in rows if row.wrong)
    return tuple(dict.fromkeys(wrong))


def remarks(rows: Iterable[ScorecardRow]) -> tuple[Reason, ...]:
    """Return a remark for each alert that could not be judged."""
    undecided = (
        Reason("alert_undecided", row.text) for row in rows if row.judgement == "undecided"
    )
    return tuple(dict.fromkeys(undecided))


class _Scorecard:
    def __init__(
        self,
        document: RunDocument,
        figures: Figures,
        window: Window,
        attribution_seconds: Mapping[str, float],
    ) -> None:
        self._attribution_seconds = attribution_seconds
        self._start = window.start
        self._causes = causes.from_run(document)
        self._expected = _expectations(document)
        self._firings = _firings(figures.alerts)
        self._pending = {
            alert.name: alert.pending_after_seconds
            for alert in figures.alerts
            if alert.pending_at_end
        }
        self._unevaluated = document.unevaluated
        self._is_early = _ended_early(document, window)

    def rows(self) -> Iterator[ScorecardRow]:
        named: dict[str, list[Cause]] = {}
        for cause in self._causes:
            for name in cause.alerts:
                named.setdefault(name, []).append(cause)
        for name, own_causes in named.items():
            ends = [*(self._after(following) for following in own_causes[1:]), inf]
            for cause, until in zip(own_causes, ends, strict=True):
                yield self._named_cause(name, cause, until)
        for name in dict.fromkeys([*self._firings, *self._expected]):
            left_over, first = self._left_over(name), self._first_firing(name)
            if left_over:
                yield left_over
            if first and (name not in named or first[0] < self._after(named[name][0])):
                yield self._firing(name, *first)
                if name not in named:
                    yield from self._later_firings(name, first[0])
            elif name not in named and not left_over:
                yield self._no_firing(name)

    def _after(self, cause: Cause) -> float:
        return cause.start - self._start

    def _first_firing(self, name: str) -> tuple[float, float] | None:
        """Return the times at which an alert first fired under load, and had become active."""
        spans = self._firings.get(name, ())
        return min(((begin, active) for active, begin, _ in spans if begin > 0), default=None)

    def _left_over(self, name: str) -> ScorecardRow | None:
        """Return the row of an alert that fired before the load, as in an attached run."""
        spans = self._firings.get(name, ())
        begin = next((begin for _, begin, _ in spans if begin <= 0), None)
        if begin is None:
            return None
        text = f"the alert {name} was firing when the load began, so the load did not cause it"
        return ScorecardRow(
            alert=name,
            judgement="undecided",
            expected=self._expected.get(name),
            firing_after_seconds=begin,
            text=text,
        )

    def _named_cause(self, name: str, cause: Cause, until: float) -> ScorecardRow:
        """Return the row of an alert and a fault that names it, until the next one that does."""
        since, spans = self._after(cause), self._firings.get(name, ())
        latest = cause.end - self._start + self._attribution_seconds.get(name, inf)
        candidates = [begin for active, begin, _ in spans if since <= active < until]
        after = min((begin for begin in candidates if begin <= latest), default=None)
        row = ScorecardRow(
            alert=name,
            judgement="detected",
            expected="fault",
            firing_after_seconds=after,
            cause=cause.name,
            attribution="named",
            delay_seconds=None if after is None else after - since,
        )
        fault = f"{cause.name}, which began after {units.seconds(since)}"
        before = next((begin for active, begin, end in spans if active < since <= end), None)
        if before is not None:
            state = "fired" if before < since else "was pending"
            text = f"the alert {name} {state} already before {fault}: neither detected nor missed"
            return replace(
                row, judgement="undecided", firing_after_seconds=None, delay_seconds=None, text=text
            )
        if after is not None:
            return row
        late = next(iter(candidates), None)
        behaviour = self._silence(name)
        if late is not None:
            fired = f"fired after {units.seconds(late)}"
            behaviour = f"{fired}, when its rule no longer looked back on the fault"
        return self._missed(
            row, f"the alert {name} {behaviour}; the profile expects it after {fault}"
        )

    def _firing(self, name: str, after: float, active: float) -> ScorecardRow:
        """Return the row of an alert that fired without a cause that names it."""
        expected, cause = self._expected.get(name), self._latest_cause(name, active, after)
        row = ScorecardRow(
            alert=name,
            judgement="expected" if expected else "false",
            expected=expected,
            firing_after_seconds=after,
        )
        if cause:
            row = replace(
                row,
                judgement="detected",
                cause=cause.name,
                attribution="latest",
                delay_seconds=after - self._after(cause),
            )
        if expected != "never":
            return row
        happened = f"the alert {name} fired after {units.seconds(after)}"
        text = f"{happened}; the profile lists it under never"
        return replace(row, judgement="false", wrong=True, text=text)

    def _no_firing(self, name: str) -> ScorecardRow:
        """Return the row of an alert that the profile lists, and that did not fire."""
        expected = self._expected[name]
        row = ScorecardRow(alert=name, judgement="quiet", expected=expected)
        if expected == "always":
            text = f"the alert {name} {self._silence(name)}; the profile expects it"
            return self._missed(row, text)
        if expected == "if_slo_broken":
            return self._no_firing_when_broken(row)
        if name in self._unevaluated:
            text = f"the alert {name} {self._silence(name)}, so its silence proves nothing"
            return replace(row, judgement="undecided", text=text)
        return row

    def _no_firing_when_broken(self, row: ScorecardRow) -> ScorecardRow:
        """Return the row of an alert that is expected where the SLO broke.

        One firing alert of the list is enough. An alert that was pending at the end had no time.
        """
        listed = [name for name, expected in self._expected.items() if expected == "if_slo_broken"]
        if any(name in self._firings for name in listed):
            return row
        is_late = any(name in self._pending for name in listed)
        silence = f"the alert {listed[0]} {self._silence(listed[0])}"
        if len(listed) > 1:
            silence = f"none of {', '.join(listed)} fired"
        text = f"the SLO broke, but {silence}; the profile expects it (if_slo_broken)"
        return self._missed(row, text, is_late=is_late)

    def _silence(self, name: str) -> str:
        """Describe an alert that did not fire."""
        pending = self._pending.get(name)
        if name in self._unevaluated:
            return f"did not fire, but its rule could not be evaluated ({self._unevaluated[name]})"
        if pending is None:
            return "did not fire"
        return f"was pending from {units.seconds(pending)} on, and not firing when the load ended"

    def _missed(self, row: ScorecardRow, text: str, *, is_late: bool = False) -> ScorecardRow:
        if self._is_early or is_late:
            text = f"{text}; the load ended too early to tell"
            return replace(row, judgement="undecided", text=text)
        return replace(row, judgement="missed", text=text, wrong=True)

    def _latest_cause(self, name: str, active: float, after: float) -> Cause | None:
        """Return the latest cause that had begun when an alert became active.

        None if it was over for so long that the alert no longer looked back on it.
        """
        begun = (cause for cause in reversed(self._causes) if self._after(cause) <= active)
        latest = next(begun, None)
        window = self._attribution_seconds.get(name, inf)
        if latest is None or after > latest.end - self._start + window:
            return None
        return latest

    def _later_firings(self, name: str, first: float) -> Iterator[ScorecardRow]:
        """Yield a row for the first later firing of each other judgement and cause."""
        spans = self._firings[name]
        rows = [
            self._firing(name, begin, active) for active, begin, _ in spans if begin >= first > 0
        ]
        seen = {(rows[0].judgement, rows[0].cause)}
        for row in rows[1:]:
            if (row.judgement, row.cause) not in seen:
                seen.add((row.judgement, row.cause))
                yield row


def _expectations(document: RunDocument) -> dict[str, str]:
    """Return the profile's expectation by alert; if_slo_broken only where the SLO broke."""
    alerts = document.profile.alerts
    is_broken = any(reason.code.startswith(SLO_BROKEN) for reason in document.reasons)
    lists = {
        "never": alerts.never,
        "if_slo_broken": alerts.if_slo_broken if is_broken else (),
        "always": alerts.always,
    }
    return {name: kind for kind, names in lists.items() for name in names}


def _firings(alerts: Iterable[Alert]) -> dict[str, tuple[Span, ...]]:
    """Return the spans of each alert over all its label sets, in seconds since the load began."""
    fired: dict[str, list[Span]] = {}
    for alert in alerts:
        if alert.firing_after_seconds is not None:
            spans = zip(alert.active_after_seconds, alert.firings, strict=True)
            fired.setdefault(alert.name, []).extend(
                (active, begin, end) for active, (begin, end) in spans
            )
    return {name: tuple(sorted(spans, key=lambda span: span[1:])) for name, spans in fired.items()}


def _ended_early(document: RunDocument, window: Window) -> bool:
    """Return whether the load ended before its plan, so that some alerts had no time to fire."""
    is_short = window.falls_short(document.profile.duration_seconds)
    return is_short or bool(document.aborted) or document.status == Status.INTERRUPTED
