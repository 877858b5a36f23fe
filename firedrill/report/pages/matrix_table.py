"""Table of the fault matrix, in the report of the run without a fault."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.report.pages.render import Table
from firedrill.report.run_facts import whole_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from firedrill.report.run_facts import Facts


def read(folder: Path) -> dict[str, Any]:
    """Return the matrix in a run's folder; empty where none can be read."""
    with suppress(OSError, ValueError):
        content = json.loads((folder / "matrix.json").read_text())
        return content if isinstance(content, dict) else {}
    return {}


def table(facts: Facts) -> Table | None:
    """Return a table with a row for each fault and alert; None for a run without a matrix."""
    if not whole_columns(facts.matrix):
        return None
    return Table(
        ("fault", "alert", "judgement", "delay", "earliest", "latest"),
        list(_rows(facts)),
        texts=(0, 1, 2),
    )


def _rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    for column in whole_columns(facts.matrix):
        cells = [cell for cell in column["cells"] if isinstance(cell, dict)]
        yield from (
            _row(column["fault"], cell, facts.mapping("matrix.least")) for cell in cells or [{}]
        )


def _row(
    fault: str, cell: Mapping[str, Any], bounds_by_alert: Mapping[str, Any]
) -> tuple[str, ...]:
    alert_bounds = bounds_by_alert.get(str(cell.get("alert")))
    bounds = alert_bounds if isinstance(alert_bounds, dict) else {}
    times = (cell.get("delay_seconds"), bounds.get("seconds"), bounds.get("full_seconds"))
    texts = (units.seconds(time if isinstance(time, int | float) else None) for time in times)
    return fault, str(cell.get("alert", units.NOTHING)), str(cell.get("judgement", "")), *texts
