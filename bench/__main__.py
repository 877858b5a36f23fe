"""Every benchmark, one after the other, each in a process of its own; then docs/performance.md from what they saved."""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.tables import RESULTS, markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER.parent / "docs" / "performance.md"
BENCHES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in {"__main__", "__init__", "tables"})

INTRODUCTION = """# Performance

Written by `make bench`, which measures all of it anew. Machines stall: blocks of the variants are shuffled, means are trimmed, and of
several rounds the median is given. Compare ratios, which hold on other machines, rather than times, which do not.

Measured with Python {python} on {cores} cores.
"""


def main(names: Sequence[str]) -> None:
    """Run the named benchmarks (all if none is named), then write the document from every result there is."""
    for name in names or BENCHES:
        print(f"\n{name}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True, cwd=FOLDER.parent)
    measured = [name for name in BENCHES if (RESULTS / f"{name}.json").exists()]
    introduction = INTRODUCTION.format(python=platform.python_version(), cores=os.cpu_count())
    DOCUMENT.write_text("\n".join([introduction, *map(_section, measured)]))


def _section(name: str) -> str:
    explained = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    title, _, text = explained.partition("\n")
    rows = json.loads((RESULTS / f"{name}.json").read_text())
    return f"## {title.rstrip('.')}\n{text}\n\n{markdown(rows)}\n"


if __name__ == "__main__":
    main(sys.argv[1:])
