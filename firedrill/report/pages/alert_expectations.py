"""Timeline bars for the time in which an alert was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.report.charts import colors
from firedrill.report.charts.chart_types import Bar
from firedrill.report.pages import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.report.charts.canvas import Mark
    from firedrill.report.run_facts import Facts

SILENT = ("never", None)
"""Values of `expected` in the scorecard for alerts that are not expected."""


def bars(facts: Facts, causes: Sequence[Mark], end: float) -> Iterator[Bar]:
    """Yield a bar for each alert and cause of the scorecard.

    It spans the cause, or the whole load where only the profile expects the alert.

    Args:
        facts: The run.
        causes: The injected faults, by their text.
        end: End of the load in seconds since its start.
    """
    for row in facts.rows("scorecard"):
        if row.get("expected") not in SILENT and row.get("judgement") != "quiet":
            start, stop = _span(row, causes, end)
            yield Bar(str(row.get("alert")), start, stop, colors.EXPECTED, _text(row, start, stop))


def _span(row: Mapping[str, Any], causes: Sequence[Mark], end: float) -> tuple[float, float]:
    fired, delay = row.get("firing_after_seconds"), row.get("delay_seconds")
    start = fired - delay if fired is not None and delay is not None else None
    for cause in causes:
        if cause.text == row.get("cause") and (start is None or abs(cause.start - start) < 1):
            return max(0.0, cause.start), min(end, cause.end)
    return max(0.0, start or 0.0), end


def _text(row: Mapping[str, Any], start: float, stop: float) -> str:
    because = row.get("cause") or "by the profile"
    delay = row.get("delay_seconds")
    met = (
        f"detected after {units.seconds(delay)}" if delay is not None else str(row.get("judgement"))
    )
    span = f"{sentences.clock(start)}–{sentences.clock(stop)}"
    return f"{row.get('alert')} expected, {span} ({because}): {met}"
