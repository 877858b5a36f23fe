"""docs/performance.md: what each benchmark measures, in its own words, and what it measured last."""

from __future__ import annotations

import ast
import json
import os
import platform
from pathlib import Path

from bench.result_tables import RESULTS, markdown, save

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER.parent / "docs" / "performance.md"
BENCHES = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path.stem not in {"__main__", "__init__", "performance_document", "result_tables"}
)
MACHINE = "machine"

INTRODUCTION = """# Performance

Written by `make bench`, which measures all of it anew. Machines stall: blocks of the variants are shuffled, means are trimmed, and of
several rounds the median is given. Compare ratios, which hold on other machines, rather than times, which do not.

Measured with Python {python} on {cores} cores.
"""


def save_machine() -> None:
    """What is measured from now on is measured here."""
    save(MACHINE, [{"python": platform.python_version(), "cores": os.cpu_count()}])


def text() -> str:
    """The document, from the results there are."""
    (machine,) = _rows(MACHINE)
    return "\n".join([INTRODUCTION.format(**machine), *map(_section, BENCHES)])


def _section(name: str) -> str:
    explained = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    title, _, words = explained.partition("\n")
    return f"## {title.rstrip('.')}\n{words}\n\n{markdown(_rows(name))}\n"


def _rows(name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((RESULTS / f"{name}.json").read_text())
    return rows


if __name__ == "__main__":
    DOCUMENT.write_text(text())
