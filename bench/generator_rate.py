"""What the exporter and the open loop cost a load generator: requests for a second of its CPU.

One FastHttpUser process against a server that answers at once: plain Locust with 20 users that do not pause, the same with the exporter
(scraped every second), and the same requests as 1,000 arrivals a second of an open loop, which come one by one where those of the closed
loop come in bunches. Each is the difference between a run of five seconds and one of a second, so that nobody's start counts. Five rounds
in turn. Requests are the median of the rounds; the ratio is the median of the ratios within each round, which a machine that slows down
for a while does not move, and not the ratio of the medians. Aim: the exporter costs 3 % at most. Run: `python -m bench.generator_rate`.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from bench.loads import runs
from bench.tables import save, table
from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE

ROUNDS, SHORT_SECONDS, LONG_SECONDS = 5, 1, 5
PLAIN = Path(__file__).parent / "loads" / "plain.py"


def variants(url: str, folder: Path, seconds: int) -> dict[str, runs.LoadRun]:
    """A run of each."""
    closed = ("-u", 20, "-r", 20, "-t", f"{seconds}s")
    steps = f"arrivals: open\nmax_in_flight: 100\nsteps: [{{start_time: 0s, rate: 1000}}]\nduration: {seconds}s"
    return {
        "plain Locust": runs.run(str(PLAIN), url, *closed),
        "with the exporter": runs.run(f"{PLAIN},{EXPORTER_PLUGIN}", url, *closed),
        "open loop": runs.run(str(LOCUSTFILE), url, "--load-profile", runs.profile(folder, steps)),
    }


def one_round(url: str, folder: Path) -> dict[str, float]:
    """Requests a CPU second by variant."""
    short, long = variants(url, folder, SHORT_SECONDS), variants(url, folder, LONG_SECONDS)
    return {name: (long[name].requests - short[name].requests) / (long[name].cpu_seconds - short[name].cpu_seconds) for name in long}


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
