"""What following a request in flight adds to it, beside what Locust itself does to count it.

Both isolated, without any network: the wrapper around a client's request, and Locust's own listener that enters a request into its
statistics. Shuffled blocks, trimmed means, medians of five. Run: `python -m bench.exporter_hot_path`.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING, Any

from locust.stats import RequestStats
from locust_exporter.inflight import InFlight

from bench.instrumentation_tax import trimmed_mean
from bench.tables import save, table

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, BLOCKS, CALLS = 5, 20, 5000


def request(_session: object) -> None:
    """A request that is answered at once."""


def variants() -> dict[str, Callable[[], Any]]:
    """What is measured, each as a call."""
    tracked, session = InFlight(()).tracked(request), object()
    statistics_of_locust: Any = RequestStats()
    return {
        "a call": lambda: request(session),
        "followed in flight": lambda: tracked(session),
        "counted by Locust": lambda: statistics_of_locust.log_request("GET", "/", 12.3, 100),
    }


def block_microseconds(call: Callable[[], Any]) -> float:
    """Mean of one block."""
    begun = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - begun) / CALLS * 1e6


def one_round(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Microseconds added by each variant."""
    blocks = [name for name in calls for _ in range(BLOCKS)]
    random.shuffle(blocks)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for name in blocks:
        taken[name].append(block_microseconds(calls[name]))
    means = {name: trimmed_mean(values) for name, values in taken.items()}
    return {name: mean - means["a call"] for name, mean in means.items() if name != "a call"}


def main() -> None:
    """Measure, print, save."""
    calls = variants()
    rounds = [one_round(calls) for _ in range(ROUNDS)]
    ratio = statistics.median(one["followed in flight"] / one["counted by Locust"] for one in rounds)
    rows = [
        {
            "variant": name,
            "added_us": round(statistics.median(one[name] for one in rounds), 2),
            "ratio_to_locust": round(ratio, 2) if name == "followed in flight" else 1.0,
        }
        for name in rounds[0]
    ]
    table(rows)
    save("exporter_hot_path", rows)


if __name__ == "__main__":
    main()
