"""The tables of results: printed as Markdown and saved as JSON by every benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = Path(__file__).parent / "results"


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows under their keys as a Markdown table."""
    columns = list(rows[0])
    cells = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(text.ljust(width) for text, width in zip(line, widths, strict=True))} |"
        for line in cells
    )


def table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a Markdown table."""
    print(markdown(rows))


def save(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write bench/results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=2) + "\n")
