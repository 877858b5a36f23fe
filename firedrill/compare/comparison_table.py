"""The comparison of two groups of runs at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from firedrill import units
from firedrill.drill.show.fitted_table import Column, FittedTable

if TYPE_CHECKING:
    from firedrill.compare.comparison import Comparison
    from firedrill.compare.difference import Interval, Row

COLUMNS = (
    Column("figure", keep_whole=True),
    Column("A", is_number=True),
    Column("B", is_number=True),
    Column("B - A", is_number=True, drop_order=1),
    Column("95 % interval", is_number=True),
    Column("B / A", is_number=True),
    Column("95 % interval", is_number=True, drop_order=0),
    Column("differs", keep_whole=True),
)


def of_comparison(comparison: Comparison) -> RenderableType:
    """Show a row for each figure, then what that means."""
    return Group(
        Text(f"A: {', '.join(comparison.before)}"),
        Text(f"B: {', '.join(comparison.after)}"),
        Text(),
        FittedTable(COLUMNS, [_cells(row) for row in comparison.rows]),
        *(Text(f" • {sentence}") for sentence in comparison.sentences()),
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.figure,
        _value(row.figure, row.before),
        _value(row.figure, row.after),
        _signed(row.figure, row.difference.value),
        _range([_signed(row.figure, end) for end in _ends(row.difference)]),
        _ratio(row.ratio.value),
        _range([_ratio(end) for end in _ends(row.ratio)]),
        "yes" if row.is_different else "no",
    )


def _ends(interval: Interval) -> tuple[float | None, float | None]:
    return interval.low, interval.high


def _range(ends: list[str]) -> str:
    return units.NOTHING if units.NOTHING in ends else " to ".join(ends)


def _value(figure: str, value: float | None) -> str:
    if figure == "rate":
        return units.rate(value)
    return units.percent(value) if figure == "errors" else units.latency(value)


def _signed(figure: str, value: float | None) -> str:
    if value is None:
        return units.NOTHING
    return f"{'-' if value < 0 else '+'}{_value(figure, abs(value))}"


def _ratio(value: float | None) -> str:
    return units.NOTHING if value is None else f"{value:.2f}"
