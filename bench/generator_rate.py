"""How much CPU the exporter and the open workload cost a load generator, in requests a CPU second.

FastHttpUser runs against a server that answers at once, in three variants: plain Locust with 20
users that do not pause; the same with the exporter, scraped every second; and 1,000 arrivals a
second of an open loop, which come one by one where those of the closed loop come in bunches. The
first two run at the same time on the same core, so that a machine that slows down for a while slows
both; the third runs alone. Each process measures itself for five seconds, from a second after its
start. Medians of seven rounds; the ratio is the median of the ratios within each round. Aim: the
exporter costs 3 % at most. Run: `python -m bench.generator_rate`.
"""

from __future__ import annotations

import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.loads import locust_runs
from bench.result_tables import save, table
from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE

ROUNDS, SECONDS = 7, 6
LOADS = Path(__file__).parent / "loads"
CLOSED = ("-u", 20, "-r", 20, "-t", f"{SECONDS}s")
OPEN = f"""arrivals: open
max_in_flight: 100
steps: [{{start_time: 0s, rate: 1000}}]
duration: {SECONDS}s"""


def rate(files: str, url: str, *arguments: object) -> float:
    """Return the requests a CPU second of one process."""
    with tempfile.TemporaryDirectory() as folder:
        meter = Path(folder, "rate")
        locust_runs.run(f"{files},{LOADS / 'meter.py'}", url, *arguments, BENCH_METER=str(meter))
        return float(meter.read_text())


def one_round(url: str, profile: Path) -> dict[str, float]:
    """Return the requests a CPU second by variant."""
    plain = str(LOADS / "plain.py")
    with ThreadPoolExecutor() as both:
        alone, exported = (
            both.submit(rate, files, url, *CLOSED)
            for files in (plain, f"{plain},{EXPORTER_PLUGIN}")
        )
    opened = rate(str(LOCUSTFILE), url, "--load-profile", profile)
    return {
        "plain Locust": alone.result(),
        "with the exporter": exported.result(),
        "open loop": opened,
    }


def main() -> None:
    """Measure, print, save."""
    with locust_runs.fast_target() as url, tempfile.TemporaryDirectory() as folder:
        profile = locust_runs.profile(Path(folder), OPEN)
        rounds = [one_round(url, profile) for _ in range(ROUNDS)]
    rows = [
        {
            "generator": name,
            "requests_a_cpu_second": round(statistics.median(rates[name] for rates in rounds)),
            "ratio_to_plain": round(
                statistics.median(rates[name] / rates["plain Locust"] for rates in rounds), 3
            ),
        }
        for name in rounds[0]
    ]
    table(rows)
    save("generator_rate", rows)


if __name__ == "__main__":
    main()
