"""Restarts of what Prometheus scraped: from start times of processes, and from falling counters."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill.contract import Client
from firedrill.drill.measure.run_queries import BEFORE_SECONDS
from firedrill.prometheus.client import QueryRefused, step_of
from firedrill.record.figures import Restarts
from firedrill.record.limits import TAIL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.prometheus.client import Prometheus, Series
    from firedrill.record.figures import Window

    Fallen = tuple[int, str]
    """How often a counter fell, and its name."""

JITTER_SECONDS = 1.01
"""Some exporters compute the start time anew for each scrape, and then it varies by a second."""

COUNTERS = '{__name__=~"[^:]+_(total|bucket)",__name__!~"locust_.+",le=~"|[+]Inf"}'
"""Counters and histograms. The load generator takes back arrivals that it had given up."""


def start_times(prom: Prometheus, window: Window) -> list[Series]:
    """Return the start time of each scraped process, during the run and until its last figures."""
    start = window.start - BEFORE_SECONDS
    return prom.raw(Client.PROCESS_START.name, start, window.end + TAIL_SECONDS)


def by_instance(started: Sequence[Series]) -> dict[str, list[float]]:
    """Return, for each instance, the times at which a restarted process was first scraped."""
    times: dict[str, list[float]] = defaultdict(list)
    for series in started:
        times[series.labels.get("instance", "")] += _restart_times(series)
    return times


def measure(prom: Prometheus, window: Window, started: Sequence[Series]) -> tuple[Restarts, ...]:
    """Return the restarts of each scrape job; jobs without any are left out."""
    processes: dict[str, dict[str, list[Series]]] = defaultdict(lambda: defaultdict(list))
    for series in started:
        processes[series.labels.get("job", "")][series.labels.get("instance", "")].append(series)
    fallen: dict[str, dict[str, Fallen]] = defaultdict(dict)
    for job, instance, counter in _fallen_counters(prom, window):
        fallen[job][instance] = max(fallen[job].get(instance, counter), counter)
    jobs = (_of_job(job, processes[job], fallen[job]) for job in sorted({*processes, *fallen}))
    return tuple(job for job in jobs if job.restarts or job.counter_resets or job.mixed)


def _of_job(
    job: str, processes: Mapping[str, Sequence[Series]], fallen: Mapping[str, Fallen]
) -> Restarts:
    mixed = {instance for instance, all_of in processes.items() if any(map(_goes_back, all_of))}
    restarts = {
        instance: sum(len(_restart_times(series)) for series in all_of)
        for instance, all_of in processes.items()
        if instance not in mixed
    }
    times = {
        # A restart within the jitter shows in the counters alone.
        instance: max(seen, fallen.get(instance, (0, ""))[0])
        for instance, seen in restarts.items()
        if seen
    }
    others = [fallen[instance] for instance in fallen.keys() - times.keys() - mixed]
    return Restarts(
        job=job,
        instances=len({*processes, *fallen}),
        restarted=len(times),
        restarts=sum(times.values()),
        counter_resets=sum(resets for resets, _ in others),
        counter=max(others)[1] if others else None,
        mixed=len(mixed),
    )


def _restart_times(series: Series) -> list[float]:
    return [
        time
        for (_, earlier), (time, later) in pairwise(series.points)
        if later - earlier > JITTER_SECONDS
    ]


def _goes_back(series: Series) -> bool:
    """Return whether several processes answer in turn, of which each has its own start time."""
    return any(
        earlier - later > JITTER_SECONDS for (_, earlier), (_, later) in pairwise(series.points)
    )


def _fallen_counters(prom: Prometheus, window: Window) -> Iterator[tuple[str, str, Fallen]]:
    """Yield job and instance of each counter that fell."""
    start, end = window.start - BEFORE_SECONDS, window.end + TAIL_SECONDS
    # resets() drops the names, without which the counters of an instance are all the same.
    named = f'label_replace({COUNTERS}, "counter", "$1", "__name__", "(.+)")'
    query = f"resets({named}[{end - start:.0f}s:{step_of(start, end):.0f}s]) > 0"
    fallen = []
    with suppress(QueryRefused):  # Too many samples for one query, in a run of hours.
        fallen = prom.instant(query, end)
    for sample in fallen:
        job, instance, name = (
            sample.labels.get(label, "") for label in ("job", "instance", "counter")
        )
        yield job, instance, (int(sample.value), name)
