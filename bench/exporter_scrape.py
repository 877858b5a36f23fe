"""How long a scrape of the exporter takes, beside prometheus_client's collector.

Both read the same statistics of Locust with 1, 100 and 1000 endpoints of about 120 distinct
response times each. `changed`: every endpoint had a request since the last scrape; `unchanged`:
none had. CPU time, medians of five. Locust, with every request in flight, stands still while it
works on a scrape. `longest_stall` is the longest time of the five until it lets others run, in a
scrape of an open loop in which every endpoint had a request, compressed as Prometheus asks for it.
Aims: a tenth of the collector's time at 1000 endpoints, no stall of 10 ms at 100.
Run: `python -m bench.exporter_scrape`.
"""

from __future__ import annotations

import functools
import gc
import random
import statistics
import time
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from locust.env import Environment
from locust.stats import RequestStats
from locust_exporter.counting.arrival_counts import ArrivalCounts
from locust_exporter.counting.in_flight import STAGES, InFlightSnapshot
from locust_exporter.counting.latency_histogram import LatencyHistogram
from locust_exporter.counting.load_phase import LoadPhase
from locust_exporter.counting.process_reports import ProcessReport
from locust_exporter.endpoint.exporter import Exporter
from locust_exporter.endpoint.http_server import gzip_in_slices
from locust_exporter.endpoint.request_counts import RequestCounts
from locust_exporter.exporter_settings import Settings
from locust_exporter.profile_info import ProfileInfo, announce
from locust_exporter.time_slice import TimeSlice
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from bench.result_tables import save, table
from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, REQUEST_LABELS, Client, format_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5
ENDPOINTS = (1, 100, 1000)
RESPONSE_TIMES = 120
MILLISECONDS = [bound * 1000 for bound in ENDPOINT_BOUNDS_SECONDS]
LES = [format_bound(bound) for bound in (*ENDPOINT_BOUNDS_SECONDS, float("inf"))]


class Collector:
    """The usual first version: families built anew at each scrape."""

    def __init__(self, stats: RequestStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Any]:
        """Yield the same families as the exporter."""
        seconds = HistogramMetricFamily(
            Client.REQUEST_DURATION.name, Client.REQUEST_DURATION.help, labels=REQUEST_LABELS
        )
        counters = {
            "num_requests": CounterMetricFamily(
                Client.REQUESTS.name, Client.REQUESTS.help, labels=REQUEST_LABELS
            ),
            "num_failures": CounterMetricFamily(
                Client.FAILURES.name, Client.FAILURES.help, labels=REQUEST_LABELS
            ),
            "num_none_requests": CounterMetricFamily(
                Client.UNTIMED.name, Client.UNTIMED.help, labels=REQUEST_LABELS
            ),
            "total_content_length": CounterMetricFamily(
                Client.BODY_BYTES.name, Client.BODY_BYTES.help, labels=REQUEST_LABELS
            ),
        }
        for (name, method), entry in self._stats.entries.items():
            counts = [0] * len(LES)
            for milliseconds, count in entry.response_times.items():
                counts[bisect_left(MILLISECONDS, milliseconds)] += count
            seconds.add_metric(
                [method, name],
                list(zip(LES, accumulate(counts), strict=True)),
                entry.total_response_time / 1000,
            )
            for field, family in counters.items():
                family.add_metric([method, name], getattr(entry, field))
        yield seconds
        yield from counters.values()


def filled(endpoints: int) -> Any:
    """Return statistics as Locust has them after a while."""
    stats: Any = RequestStats()
    for endpoint in range(endpoints):
        for at in range(RESPONSE_TIMES):
            stats.log_request(
                "GET",
                f"/endpoint/{endpoint}",
                10.0 + at if at < 90 else 100.0 + (at - 90) * 10,
                100,
            )
    return stats


def milliseconds(call: Callable[[], Any]) -> float:
    """Return the CPU time of one call, in which stalls of the machine are not included."""
    begun = time.thread_time()
    call()
    return (time.thread_time() - begun) * 1000


def measured(endpoints: int) -> dict[str, object]:
    """Return one row of the table."""
    stats, registry, counts = filled(endpoints), CollectorRegistry(), RequestCounts(endpoints)
    registry.register(Collector(stats))
    arrivals = ArrivalCounts(endpoints)
    exporter = exporter_of(stats, arrivals, endpoints)
    taken: dict[str, list[float]] = {"collector": [], "changed": [], "unchanged": [], "stall": []}
    for _ in range(ROUNDS + 1):
        go_on(stats)
        calls = [
            ("collector", lambda: generate_latest(registry)),
            ("changed", lambda: counts.render(stats.entries, {})),
        ]
        random.shuffle(calls)
        for name, call in calls:
            taken[name].append(milliseconds(call))
        taken["unchanged"].append(milliseconds(lambda: counts.render(stats.entries, {})))
        go_on(stats, arrivals)
        taken["stall"].append(longest_stall(exporter))
    warm = {name: values[1:] for name, values in taken.items()}  # the first round fills the caches
    ratio = statistics.median(
        ours / theirs for ours, theirs in zip(warm["changed"], warm["collector"], strict=True)
    )
    return {
        "endpoints": endpoints,
        "collector_ms": round(statistics.median(warm["collector"]), 3),
        "changed_ms": round(statistics.median(warm["changed"]), 3),
        "unchanged_ms": round(statistics.median(warm["unchanged"]), 4),
        "ratio_changed_to_collector": round(ratio, 3),
        "longest_stall_ms": round(max(warm["stall"]), 2),
    }


def exporter_of(stats: Any, arrivals: ArrivalCounts, endpoints: int) -> Exporter:
    """Return the exporter of the only process, which plays an open loop."""
    environment = Environment(user_classes=[])
    environment.create_local_runner()
    environment.stats = stats
    announce(ProfileInfo(arrivals=arrivals))
    gc.collect()
    gc.freeze()  # As an open loop does.
    report = functools.partial(
        ProcessReport,
        in_flight=InFlightSnapshot(),
        abandoned=dict.fromkeys(STAGES, 0),
        abandoned_ages=LatencyHistogram(),
        user_exceptions=0,
        cpu_ratio=0.5,
        memory_bytes=6,
        lag_seconds=0.0,
        lag_max_seconds=0.0,
        arrivals=arrivals,
        ages_since_due=LatencyHistogram(),
    )
    return Exporter(
        environment=environment,
        settings=Settings(max_names=endpoints),
        locust_version="bench",
        own_report=report,
        load=LoadPhase(),
        is_master=False,
    )


def longest_stall(exporter: Exporter) -> float:
    """Return the most CPU milliseconds between two times that others may run."""
    turns, begun = [], time.thread_time()

    def give_way() -> None:
        nonlocal begun
        turns.append((time.thread_time() - begun) * 1000)
        begun = time.thread_time()

    time_slice = TimeSlice(give_way)
    text = exporter.render(None, time_slice)
    time_slice.pause_if_over()
    gzip_in_slices(text.encode(), time_slice)
    give_way()
    return max(turns)


def go_on(stats: Any, arrivals: ArrivalCounts | None = None) -> None:
    """Count one more answered request for every endpoint."""
    for name, method in stats.entries:
        stats.log_request(method, name, 50.0, 100)
        if arrivals:
            arrivals.count_answer(method, name, 0.05)


def main() -> None:
    """Measure, print, save."""
    rows = [measured(endpoints) for endpoints in ENDPOINTS]
    table(rows)
    save("exporter_scrape", rows)


if __name__ == "__main__":
    main()
