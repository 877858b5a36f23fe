"""The fault matrix at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from firedrill import units
from firedrill.drill.show.fitted_table import Column, FittedTable
from firedrill.drill.show.status_style import headline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.drill.judge.fault_matrix import Column as MatrixColumn
    from firedrill.drill.judge.fault_matrix import Matrix

JUDGEMENT_STYLES = {
    "detected": "bold green",
    "missed": "bold red",
    "false": "bold red",
    "undecided": "bold yellow",
}

COLUMNS = (
    Column("fault", keep_whole=True),
    Column("alert", keep_whole=True),
    Column("judgement", keep_whole=True),
    Column("delay", is_number=True),
    Column("earliest", is_number=True, drop_order=2),
    Column("latest", is_number=True, drop_order=1),
)


def of_matrix(matrix: Matrix) -> RenderableType:
    """Show a row for each fault and alert, with the delay beside the alert's detection bounds."""
    rows: list[tuple[str | Text, ...]] = []
    sections = set()
    for column in matrix.columns:
        sections.add(len(rows))
        rows += _rows(column, matrix)
    notes = []
    if matrix.unproven:
        names = ", ".join(matrix.unproven)
        text = f"the quiet run is too short to judge {names}; play it longer with --duration"
        notes.append(Text(text, style="dim"))
    return Group(
        headline(matrix.status, "fault matrix"),
        *(Text(f" • {reason}") for reason in matrix.reasons),
        Text(),
        FittedTable(COLUMNS, rows, frozenset(sections)),
        *notes,
    )


def _rows(column: MatrixColumn, matrix: Matrix) -> Iterator[tuple[str | Text, ...]]:
    if not column.cells:
        yield (column.fault, *[units.NOTHING] * (len(COLUMNS) - 1))
    for number, cell in enumerate(column.cells):
        bounds = matrix.least.get(cell.alert)
        yield (
            "" if number else column.fault,
            cell.alert,
            Text(cell.judgement, style=JUDGEMENT_STYLES.get(cell.judgement, "dim")),
            units.seconds(cell.delay_seconds),
            units.seconds(bounds.earliest_seconds if bounds else None),
            units.seconds(bounds.latest_seconds if bounds else None),
        )
