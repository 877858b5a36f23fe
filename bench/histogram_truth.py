"""How close percentiles are to a log of every request: p50 to p99.9, mean and max, both sides.

One process, 20 users without a pause, against a server whose answers take 2 to 800 ms, as often
between 2 and 4 as between 400 and 800. Then 100,000 times of each distribution are counted by the
exporter's code and by the instrumentation's. `worst_off` is the largest relative error of p50, p90,
p95, p99 and p99.9, `sum_off` the exported sum over the logged one, minus 1. Aim: 3 % at most, sums
and counts exact. Run: `python -m bench.histogram_truth`.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.locust_statistics import bucket_key, totals_of

from bench.loads import locust_runs
from bench.result_tables import save, table
from firedrill import histogram
from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, LATENCY_BOUNDS_SECONDS
from firedrill.places import EXPORTER_PLUGIN
from firedrill.telemetry.shared_cells import observe_latency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLAIN = Path(__file__).parent / "loads" / "plain.py"
DRAWN = 100_000
RANDOM = random.Random(14)

DISTRIBUTIONS: dict[str, Callable[[], float]] = {
    "constant": lambda: 0.3,
    "uniform": lambda: RANDOM.uniform(0.001, 1.0),
    "lognormal": lambda: RANDOM.lognormvariate(math.log(0.05), 1.0),
    "bimodal": lambda: RANDOM.gauss(0.02, 0.002) if RANDOM.random() < 0.9 else RANDOM.gauss(2, 0.1),
    "heavy-tailed": lambda: min(500.0, 0.01 * RANDOM.paretovariate(1.1)),
}


@dataclass
class Entry:
    """The fields of Locust's entry of an endpoint that the exporter reads."""

    response_times: Any = field(default_factory=Counter)
    num_requests: int = 0
    num_failures: int = 0
    num_none_requests: int = 0
    total_response_time: float = 0.0
    total_content_length: int = 0


def counted_by_client(times: Sequence[float]) -> tuple[list[int], float]:
    """Return counts by bucket and sum, as the exporter keeps them."""
    entry = Entry()
    for seconds in times:
        entry.response_times[bucket_key(seconds * 1000)] += 1
        entry.num_requests += 1
        entry.total_response_time += seconds * 1000
    totals = totals_of(entry)
    return totals.counts, totals.seconds


def counted_by_server(times: Sequence[float]) -> tuple[list[int], float]:
    """Return counts by bucket and sum, as the instrumentation keeps them."""
    route_cells = len(ENDPOINT_BOUNDS_SECONDS) + 2
    cells = memoryview(bytearray(8 * (route_cells + len(LATENCY_BOUNDS_SECONDS) + 2))).cast("d")
    for seconds in times:
        observe_latency(cells, 0, route_cells, seconds)
    *counts, total = cells[route_cells:]
    return [round(count) for count in counts], total


def compared(
    source: str, times: Sequence[float], buckets: histogram.Buckets, total_seconds: float
) -> dict[str, object]:
    """Return a row: the percentiles' errors, counts and the error of the sum."""
    ordered = sorted(times)
    errors = {}
    for name, q in histogram.QUANTILES.items():
        truth = ordered[math.ceil(q * len(ordered)) - 1]
        errors[name] = (histogram.quantile(q, buckets) or 0.0) / truth - 1
    percents = {f"{name}_off": f"{error:+.1%}" for name, error in errors.items()}
    return {
        "times": source,
        **percents,
        "worst_off": f"{max(map(abs, errors.values())):.1%}",
        "logged": len(times),
        "counted": int(histogram.total(buckets)),
        "sum_off": f"{total_seconds / sum(times) - 1:.1e}",
    }


def loaded() -> dict[str, object]:
    """Return the row of a real load."""
    with locust_runs.fast_target("--spread") as url, tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "times")
        run = locust_runs.run(
            f"{PLAIN},{EXPORTER_PLUGIN}", url, "-u", 20, "-r", 20, "-t", "6s", BENCH_LOG=str(log)
        )
        times = [float(line) / 1000 for line in log.read_text().split()]
    name = "locust_all_request_duration_seconds"
    return compared("a load, client", times, run.buckets(name), run.value(f"{name}_sum"))


def main() -> None:
    """Measure, print, save."""
    rows = [loaded()]
    for name, draw in DISTRIBUTIONS.items():
        times = [max(1e-4, draw()) for _ in range(DRAWN)]
        for side, count in (("client", counted_by_client), ("server", counted_by_server)):
            counts, total = count(times)
            buckets = dict(
                zip((*LATENCY_BOUNDS_SECONDS, math.inf), accumulate(counts), strict=True)
            )
            rows.append(compared(f"{name}, {side}", times, buckets, total))
    table(rows)
    save("histogram_truth", rows)


if __name__ == "__main__":
    main()
