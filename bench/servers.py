"""The launch profile against each server of the bundled API, for docs/servers.md.

Eight runs of 75 s: `python -m bench.servers`, on a machine that does nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from bench.result_tables import markdown, save, table
from firedrill import places, units

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENT = places.ROOT / "docs" / "servers.md"
BEGIN, END = "<!-- begin: python -m bench.servers -->", "<!-- end -->"
SERVERS = (
    "--server dev",
    "--server waitress",
    "--server waitress --threads 18 --connection-limit 300",
    "--server gunicorn --threads 1 --processes 4",
    "--server gunicorn --threads 1 --processes 18",
    "--server gunicorn --threads 9 --processes 2",
    "--server uvicorn",
    "--server uvicorn --processes 2",
)


def play(options: str) -> Mapping[str, Any]:
    """Play the profile once; return its run.json."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "firedrill", "run", "launch", *options.split(), "--json"]
        played = subprocess.run(
            [*command, "--out", folder, "--no-report", "--no-live"],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
    document: Mapping[str, Any] = json.loads(played.stdout)
    return document


def row(options: str, document: Mapping[str, Any]) -> dict[str, object]:
    """Return a run's row of the table."""
    figures = document["figures"]
    client = figures["client"]
    diagnosis = document.get("diagnosis") or {}
    return {
        "options": f"`{options}`",
        "verdict": document["verdict"]["status"],
        "p99, waiting included": units.latency(client["latency_including_waiting_seconds"]["p99"]),
        "achieved": units.rate(client["rate"]),
        "failed": units.percent(client["error_ratio"]),
        "bottleneck": diagnosis.get("bottleneck") or "none",
    }


def main() -> None:
    """Play, print, save, and write the table into the document."""
    rows = [row(options, play(options)) for options in SERVERS]
    table(rows)
    save("servers", rows)
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{markdown(rows)}\n{END}{after}")


if __name__ == "__main__":
    main()
