"""The document docs/performance.md: each benchmark's description and its last results."""

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
    if path.stem not in {"__main__", "__init__", "performance_document", "result_tables", "servers"}
)
MACHINE = "machine"

INTRODUCTION = """# Performance

`make bench` measures everything anew and writes this page. Machines stall, so blocks of the
variants are shuffled, means are trimmed, and the median of several rounds is given. Compare ratios,
which hold on other machines, rather than times, which do not.

Measured with Python {python} on {cores} cores.
"""


def save_machine() -> None:
    """Save the machine that results are measured on."""
    save(MACHINE, [{"python": platform.python_version(), "cores": os.cpu_count()}])


def text() -> str:
    """Return the document with the saved results."""
    (machine,) = _rows(MACHINE)
    return "\n".join([INTRODUCTION.format(**machine), *map(_section, BENCHES)])


def _section(name: str) -> str:
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    title, _, text = docstring.partition("\n")
    return f"## {title.rstrip('.')}\n{text}\n\n{markdown(_rows(name))}\n"


def _rows(name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((RESULTS / f"{name}.json").read_text())
    return rows


if __name__ == "__main__":
    DOCUMENT.write_text(text())
