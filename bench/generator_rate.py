"""What the exporter and the open loop cost a load generator: requests for a second of its CPU.

One FastHttpUser process against a server that answers at once: plain Locust with 20 users that do not pause, the same with the exporter
(scraped every second), and the same requests as 1,000 arrivals a second of an open loop. Of the CPU time a second is taken off for the
start. Five rounds in turn, medians. Aim: the exporter costs 3 % at most. Run: `python -m bench.generator_rate`.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from bench.loads import runs
from bench.tables import save, table
from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE

ROUNDS, SECONDS, START_SECONDS = 5, 5, 1.0
PLAIN = Path(__file__).parent / "loads" / "plain.py"


def one_round(url: str, folder: Path) -> dict[str, float]:
    """Requests a CPU second by variant."""
    closed = ("-u", 20, "-r", 20, "-t", f"{SECONDS}s")
    plain = runs.run(str(PLAIN), url, *closed)
    exported = runs.run(f"{PLAIN},{EXPORTER_PLUGIN}", url, *closed)
    steps = f"arrivals: open\nmax_in_flight: 100\nsteps: [{{start_time: 0s, rate: 1000}}]\nduration: {SECONDS}s"
    opened = runs.run(str(LOCUSTFILE), url, "--load-profile", runs.profile(folder, steps))
    measured = {"plain Locust": plain, "with the exporter": exported, "open loop": opened}
    return {name: run.requests / (run.cpu_seconds - START_SECONDS) for name, run in measured.items()}


def main() -> None:
    """Measure, print, save."""
    with runs.fast_target() as url, tempfile.TemporaryDirectory() as folder:
        rounds = [one_round(url, Path(folder)) for _ in range(ROUNDS)]
    rows = [
        {
            "generator": name,
            "requests_a_cpu_second": round(statistics.median(one[name] for one in rounds)),
            "ratio_to_plain": round(statistics.median(one[name] / one["plain Locust"] for one in rounds), 3),
        }
        for name in rounds[0]
    ]
    table(rows)
    save("generator_rate", rows)


if __name__ == "__main__":
    main()
