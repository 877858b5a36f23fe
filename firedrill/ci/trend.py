"""The trend of runs: for each profile and server, charts of a line and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from firedrill import units
from firedrill.ci import markdown
from firedrill.drill.show.fitted_table import Column, FittedTable
from firedrill.drill.show.status_style import STATUS_STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.ci.history import Entry

COMMIT_CHARACTERS = 8
BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 40
"""Runs in a chart, the newest."""

COLUMNS = (
    Column("started", keep_whole=True),
    Column("commit", keep_whole=True, drop_order=3),
    Column("verdict", keep_whole=True),
    Column("offered", is_number=True, drop_order=1),
    Column("rate", is_number=True),
    Column("errors", is_number=True),
    Column("p50", is_number=True, drop_order=0),
    Column("p95", is_number=True, drop_order=2),
    Column("p99", is_number=True),
)


def of_entries(entries: Sequence[Entry]) -> RenderableType:
    """Show the trend at the terminal, oldest run first."""
    parts: list[RenderableType] = []
    for title, runs in _by_load(entries).items():
        parts += [
            Text(title, style="bold"),
            *_charts(runs),
            FittedTable(COLUMNS, [_row(entry) for entry in runs]),
            Text(),
        ]
    return Group(*parts[:-1])


def as_markdown(entries: Sequence[Entry]) -> str:
    """Return the trend as Markdown, with a chart that GitHub and GitLab draw (Mermaid)."""
    lines = []
    for title, runs in _by_load(entries).items():
        rows = [[str(cell) for cell in _row(entry)] for entry in runs]
        lines += [f"### {markdown.escaped(title)}", "", *_mermaid(runs), ""]
        lines += [*markdown.table([column.heading for column in COLUMNS], rows), ""]
    return "\n".join(lines)


def _by_load(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Return the runs by profile and server; only those show a trend together."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(f"{entry.profile} against {entry.served_by}", []).append(entry)
    return groups


def _row(entry: Entry) -> list[str | Text]:
    return [
        entry.started[:16].replace("T", " "),
        (entry.commit or units.NOTHING)[:COMMIT_CHARACTERS],
        Text(entry.verdict, style=STATUS_STYLES.get(entry.verdict, "")),
        units.rate(entry.offered_rate),
        units.rate(entry.rate),
        units.percent(entry.error_ratio),
        units.latency(entry.p50_seconds),
        units.latency(entry.p95_seconds),
        units.latency(entry.p99_seconds),
    ]


def _charts(runs: Sequence[Entry]) -> list[Text]:
    latest = runs[-MOST_BARS:]
    p99 = _chart(
        "p99",
        [units.latency(entry.p99_seconds) for entry in latest],
        [entry.p99_seconds for entry in latest],
    )
    rate = _chart(
        "rate", [units.rate(entry.rate) for entry in latest], [entry.rate for entry in latest]
    )
    return [chart for chart in (p99, rate) if chart]


def _chart(name: str, texts: Sequence[str], values: Sequence[float | None]) -> Text | None:
    """Return a bar for each run, from 0 to the largest value; None where that is no trend."""
    known = [text for text, value in zip(texts, values, strict=True) if value is not None]
    highest = max((value for value in values if value is not None), default=0.0)
    if len(known) < 2 or not highest:
        return None
    bars = "".join(" " if value is None else _bar(value / highest) for value in values)
    return Text(f"{name:<4} {bars}  {known[0]} to {known[-1]}")


def _bar(share: float) -> str:
    return BARS[min(len(BARS) - 1, int(share * len(BARS)))]


def _mermaid(runs: Sequence[Entry]) -> list[str]:
    points = [entry for entry in runs[-MOST_BARS:] if entry.p99_seconds is not None]
    if len(points) < 2:
        return []
    labels = ", ".join(f'"{number}"' for number in range(1, len(points) + 1))
    values = ", ".join(f"{1000 * (entry.p99_seconds or 0.0):.1f}" for entry in points)
    return [
        "```mermaid",
        "xychart-beta",
        '    title "p99 by run, waiting included"',
        f"    x-axis [{labels}]",
        '    y-axis "ms"',
        f"    line [{values}]",
        "```",
    ]
