"""The list of recorded runs at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from firedrill import units
from firedrill.drill.show.fitted_table import Column, FittedTable
from firedrill.drill.show.status_style import STATUS_STYLES
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.record.run_folder import Run

TIME_STAMP_CHARACTERS = 15
"""Length of the `20261124-132700` that an id begins with."""


def listing(runs: Sequence[Run]) -> FittedTable:
    """Return a row for each run, with its size on disk."""
    sizes = [run.size_bytes() for run in runs]
    short_ids = unambiguous([run.id for run in runs])
    rows: list[tuple[str | Text, ...]] = []
    for run, short_id, size in zip(runs, short_ids, sizes, strict=True):
        status, title = outcome_of(run)
        verdict = Text(status, style=STATUS_STYLES.get(status, ""))
        rows.append((short_id, verdict, Text(title), units.size(size)))
    columns = (
        Column("run", keep_whole=True, footer=units.counted(len(runs), "run")),
        Column("verdict", keep_whole=True),
        Column("profile and server"),
        Column("size", is_number=True, footer=units.size(sum(sizes))),
    )
    return FittedTable(columns, rows)


def unambiguous(ids: Sequence[str]) -> list[str]:
    """Return for each id the beginning that means no other; at least its time stamp."""
    return [_shortest(run_id, [other for other in ids if other != run_id]) for run_id in ids]


def _shortest(run_id: str, others: Sequence[str]) -> str:
    for length in range(TIME_STAMP_CHARACTERS, len(run_id)):
        beginning = run_id[:length]
        if not any(other.startswith(beginning) for other in others):
            return beginning.rstrip("-")
    return run_id


def outcome_of(run: Run) -> tuple[str, str]:
    """Return a run's verdict and title. A damaged run.json must not hide the other runs."""
    try:
        document = run.read()
    except BadInput:
        document = None
    if document is None or document.verdict is None:
        return "DAMAGED", "its run.json cannot be read"
    return document.status, document.title
