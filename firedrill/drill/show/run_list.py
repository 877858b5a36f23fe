"""The list of recorded runs at the terminal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from firedrill import units
from firedrill.drill.show.fitted_table import Column, FittedTable, filled_columns
from firedrill.drill.show.status_style import STATUS_STYLES
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from firedrill.record.run_folder import Run

TIME_STAMP_CHARACTERS = 15
"""Length of the `20261124-132700` that an id begins with."""


@dataclass(frozen=True, slots=True)
class Row:
    """A recorded run in the list."""

    id: str
    short_id: str
    """The beginning of the id that means no other run."""
    status: str
    title: str
    profile: str | None
    rate: float | None
    """Requests answered a second."""
    p99_seconds: float | None
    """With the waiting included."""
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return what `runs --json` prints."""
        values = asdict(self)
        values.pop("short_id")
        return values


SORT_KEYS: Mapping[str, Callable[[Row], Any]] = {
    "time": lambda row: row.id,
    "profile": lambda row: row.title,
    "verdict": lambda row: row.status,
    "rate": lambda row: row.rate or 0.0,
    "p99": lambda row: row.p99_seconds or 0.0,
    "size": lambda row: row.size_bytes,
}
"""What `runs --sort` sorts by."""


def rows(runs: Sequence[Run]) -> list[Row]:
    """Return a row for each run. A damaged run.json must not hide the other runs."""
    short_ids = unambiguous([run.id for run in runs])
    return [_row(run, short_id) for run, short_id in zip(runs, short_ids, strict=True)]


def sorted_by(rows: Sequence[Row], key: str) -> list[Row]:
    """Return the rows in the order of a key, equal ones by time."""
    return sorted(rows, key=lambda row: (SORT_KEYS[key](row), row.id))


def listing(rows: Sequence[Row]) -> FittedTable:
    """Return the table of these rows."""
    columns = (
        Column("run", keep_whole=True, footer=units.counted(len(rows), "run")),
        Column("verdict", keep_whole=True),
        Column("profile and server"),
        Column("rate", is_number=True, drop_order=1),
        Column("p99", is_number=True, drop_order=2),
        Column(
            "size",
            is_number=True,
            drop_order=0,
            footer=units.size(sum(row.size_bytes for row in rows)),
        ),
    )
    cells = (
        (
            row.short_id,
            Text(row.status, style=STATUS_STYLES.get(row.status, "")),
            Text(row.title),
            units.rate(row.rate),
            units.latency(row.p99_seconds),
            units.size(row.size_bytes),
        )
        for row in rows
    )
    return filled_columns(columns, cells, units.NOTHING)


def unambiguous(ids: Sequence[str]) -> list[str]:
    """Return for each id the beginning that means no other; at least its time stamp."""
    return [_shortest(run_id, [other for other in ids if other != run_id]) for run_id in ids]


def _shortest(run_id: str, others: Sequence[str]) -> str:
    for length in range(TIME_STAMP_CHARACTERS, len(run_id)):
        beginning = run_id[:length]
        if not any(other.startswith(beginning) for other in others):
            return beginning.rstrip("-")
    return run_id


def _row(run: Run, short_id: str) -> Row:
    document = None
    with suppress(BadInput):
        document = run.read()
    size = run.size_bytes()
    if document is None or document.verdict is None:
        title = "its run.json cannot be read"
        return Row(run.id, short_id, "DAMAGED", title, None, None, None, size)
    client = document.figures.client if document.figures else None
    return Row(
        id=run.id,
        short_id=short_id,
        status=document.status,
        title=document.title,
        profile=document.profile.name,
        rate=client.rate if client else None,
        p99_seconds=client.latency_including_waiting_seconds.get("p99") if client else None,
        size_bytes=size,
    )
