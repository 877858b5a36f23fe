"""Where on the timeline an alert was expected: from its cause on, or all the time where the profile alone expects it. Pure."""

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
"""What the scorecard says of alerts that nobody expects."""


def bars(facts: Facts, causes: Sequence[Mark], end: float) -> Iterator[Bar]:
    """A bar for each alert and cause of the scorecard, to be drawn below what the alert did.

    Args:
        facts: The run.
        causes: What was broken on purpose, by its name.
        end: Of the load, in seconds since its beginning.
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
    because = row.get("cause") or "the profile says so"
    delay = row.get("delay_seconds")
    met = (
        f"detected {units.seconds(delay)} after it"
        if delay is not None
        else str(row.get("judgement"))
    )
    return f"{row.get('alert')} expected, {sentences.clock(start)}–{sentences.clock(stop)} ({because}): {met}"
