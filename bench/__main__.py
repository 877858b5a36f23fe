"""Run every benchmark in a process of its own, then write docs/performance.md."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench import performance_document

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(names: Sequence[str]) -> None:
    """Run the named benchmarks, or all, and write the document from every saved result."""
    for name in names or performance_document.BENCHES:
        print(f"\n{name}", flush=True)
        subprocess.run(
            [sys.executable, "-m", f"bench.{name}"],
            check=True,
            cwd=performance_document.FOLDER.parent,
        )
    performance_document.save_machine()
    performance_document.DOCUMENT.write_text(performance_document.text())


if __name__ == "__main__":
    main(sys.argv[1:])
