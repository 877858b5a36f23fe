"""The fault matrix, judged: which alert noticed which fault, and how soon. Reads run.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.fault_client import spell
from firedrill.record.outcome import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from firedrill.alerts.backtest.detection_bounds import DetectionBounds
    from firedrill.record.figures import Window
    from firedrill.record.outcome import ScorecardRow
    from firedrill.record.run_document import RunDocument

OF_THE_MACHINE = frozenset({"ApiCpuPressure", "ApiListenBacklog"})
"""Alerts on counters that the kernel keeps for the whole machine. Other programs set them off,
so they are shown, and judged for no fault."""

QUIET = "quiet"
"""Name of the run without a fault."""


@dataclass(frozen=True, slots=True)
class Cell:
    """An alert in one run.

    The judgements:

    - detected, missed: the fault names it.
    - also: it fired after a fault that does not name it.
    - false: it fired with nothing wrong yet.
    - machine: the same, but other programs of the machine can set it off.
    - undecided: it was active before the fault and fired, or the run was cut short.
    """

    alert: str
    judgement: str
    delay_seconds: float | None = None
    """Since the fault began, or since the load did where there is no fault."""


@dataclass(frozen=True, slots=True)
class Column:
    """A run of the matrix."""

    fault: str
    run: str
    status: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All runs, with the reasons why the matrix did not pass."""

    status: Status
    reasons: tuple[str, ...]
    columns: tuple[Column, ...]
    least: Mapping[str, DetectionBounds] = field(default_factory=dict)
    """Detection bounds of each alert that fired or was expected."""
    unproven: tuple[str, ...] = ()
    """Alerts that need longer to fire than the quiet run lasted, so its silence proves nothing."""

    def write(self, folder: Path) -> Path:
        """Write matrix.json; returns the file."""
        file = folder / "matrix.json"
        file.write_text(self.text())
        return file

    def text(self) -> str:
        """Return the matrix as JSON."""
        bounds = {
            name: {
                **asdict(bound),
                "seconds": bound.earliest_seconds,
                "full_seconds": bound.latest_seconds,
            }
            for name, bound in self.least.items()
        }
        return json.dumps({**asdict(self), "least": bounds}, indent=2) + "\n"


def judge(documents: Sequence[RunDocument], bounds: Mapping[str, DetectionBounds]) -> Matrix:
    """Judge the runs: every fault needs its alerts, every alert a fault. INVALID if a run is.

    Args:
        documents: The quiet run, then one run a fault.
        bounds: Detection bounds by alert.
    """
    columns = tuple(_column(document) for document in documents)
    reasons = tuple(
        reason
        for column, document in zip(columns, documents, strict=True)
        for reason in _reasons(column, document)
    )
    shown = {cell.alert for column in columns for cell in column.cells}
    return Matrix(
        status=_status(columns, reasons),
        reasons=reasons,
        columns=columns,
        least={name: bound for name, bound in bounds.items() if name in shown},
        unproven=_unproven(documents[0].window, bounds),
    )


def fault_names(sizes: Mapping[str, float]) -> str:
    """Return the faults of a step in words: `errors 20 % and cpu 1 core`."""
    return " and ".join(spell(fault, size) for fault, size in sizes.items())


def _unproven(quiet: Window | None, bounds: Mapping[str, DetectionBounds]) -> tuple[str, ...]:
    seconds = quiet.seconds if quiet else 0.0
    return tuple(sorted(name for name, bound in bounds.items() if bound.latest_seconds > seconds))


def _column(document: RunDocument) -> Column:
    faults, window = document.faults, document.window
    fault_start = faults[0].start - window.start if faults and window else None
    name = next((fault_names(step.sizes) for step in document.profile.faults), QUIET)
    cells = tuple(_cells(document.scorecard, fault_start))
    return Column(fault=name, run=document.id, status=document.status, cells=cells)


def _cells(rows: Iterable[ScorecardRow], fault_start: float | None) -> Iterator[Cell]:
    for row in rows:
        after = row.firing_after_seconds
        if row.expected == "fault":
            yield Cell(row.alert, row.judgement, row.delay_seconds)
        elif after is not None and fault_start is not None and row.cause:
            yield Cell(row.alert, "also", after - fault_start)
        elif after is not None:
            yield _cell_without_cause(row.alert, after, fault_start)


def _cell_without_cause(alert: str, after: float, fault_start: float | None) -> Cell:
    """Return the cell of an alert that became active with nothing wrong yet."""
    if alert in OF_THE_MACHINE:
        return Cell(alert, "machine", after)
    if fault_start is None or after < fault_start:
        return Cell(alert, "false", after)
    # The fault that began meanwhile may have kept it pending, or not.
    return Cell(alert, "undecided")


def _reasons(column: Column, document: RunDocument) -> Iterator[str]:
    undecided = [row.text for row in document.scorecard if row.judgement == "undecided"]
    for text in (*(reason.text for reason in document.reasons), *undecided):
        yield f"{column.fault}: {text}"
    for cell in column.cells:
        if cell.judgement == "false":
            after = units.seconds(cell.delay_seconds)
            alert = f"the alert {cell.alert} fired after {after}"
            yield f"{column.fault}: {alert}, with nothing wrong yet"


def _status(columns: Sequence[Column], reasons: Sequence[str]) -> Status:
    for status in (Status.INTERRUPTED, Status.INVALID):
        if any(column.status == status for column in columns):
            return status
    return Status.FAILED if reasons else Status.PASSED
