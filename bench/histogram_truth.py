"""How close percentiles of the exported histogram are to a log of every request of the same run.

One process, 20 users without a pause, against a server whose answers take 2 to 800 ms, as often
between 2 and 4 as between 400 and 800, so that they lie in every bucket of that range. `sum_off` is
the exported sum over the logged one, minus 1. Aim: the true percentile lies in the same bucket as
the exported one, and counts are equal. Run: `python -m bench.histogram_truth`.
"""

from __future__ import annotations

import math
import tempfile
from bisect import bisect_left
from pathlib import Path

from bench.loads import locust_runs
from bench.result_tables import save, table
from firedrill import histogram
from firedrill.contract import LATENCY_BOUNDS_SECONDS
from firedrill.places import EXPORTER_PLUGIN

PLAIN = Path(__file__).parent / "loads" / "plain.py"


def main() -> None:
    """Measure, print, save."""
    with locust_runs.fast_target("--spread") as url, tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "times")
        run = locust_runs.run(
            f"{PLAIN},{EXPORTER_PLUGIN}", url, "-u", 20, "-r", 20, "-t", "6s", BENCH_LOG=str(log)
        )
        times = sorted(float(line) / 1000 for line in log.read_text().split())
    name = "locust_request_duration_seconds"
    exported = run.buckets(name)
    rows = []
    for q in (0.5, 0.9, 0.95, 0.99):
        truth, seen = times[math.ceil(q * len(times)) - 1], histogram.quantile(q, exported) or 0.0
        rows.append(
            {
                "quantile": q,
                "true_ms": round(truth * 1000, 2),
                "exported_ms": round(seen * 1000, 2),
                "same_bucket": bisect_left(LATENCY_BOUNDS_SECONDS, truth)
                == bisect_left(LATENCY_BOUNDS_SECONDS, seen),
                "logged": len(times),
                "counted": run.value(f"{name}_count"),
                "sum_off": f"{run.value(f'{name}_sum') / sum(times) - 1:.1e}",
            }
        )
    table(rows)
    save("histogram_truth", rows)


if __name__ == "__main__":
    main()
