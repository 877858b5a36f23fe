"""Metric families as text: test, profile, workers, health; answered requests: request_counts.py."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, LATENCY_BOUNDS_SECONDS, Client
from firedrill.exposition import (
    bucket_labels,
    family,
    header,
    histogram,
    histogram_template,
    histogram_values,
)
from locust_exporter.counting.in_flight import STAGES
from locust_exporter.counting.process_reports import NONE_REPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from locust_exporter.counting.arrival_counts import ArrivalCounts
    from locust_exporter.counting.latency_histogram import GrowingHistogram, LatencyHistogram
    from locust_exporter.counting.process_reports import ProcessReport, ProcessReports
    from locust_exporter.counting.sanitize import Endpoint
    from locust_exporter.endpoint.scrape import Scrape
    from locust_exporter.profile_info import ProfileInfo
    from locust_exporter.time_slice import TimeSlice

WORKER_STATES = ("ready", "spawning", "running", "missing")

LOCAL = "local"
"""Label of the only process, where there are no workers."""


def render_in_flight(reports: ProcessReports) -> str:
    """Return the families of requests in flight and abandoned; "" where no start is seen."""
    if not reports.see_request_starts():
        return ""
    abandoned = "".join(
        (
            family(Client.ABANDONED, {(stage,): reports.abandoned(stage) for stage in STAGES}),
            _histogram(Client.ABANDONED_AGE, reports.abandoned_ages()),
        )
    )
    in_flight = reports.in_flight()
    if in_flight is None:
        return abandoned
    return abandoned + "".join(
        (
            family(Client.IN_FLIGHT, {(): in_flight.requests}),
            family(Client.OLDEST, {(): in_flight.oldest_seconds}),
            family(Client.STARVED, {(): in_flight.starved_users}),
            family(Client.IN_FLIGHT_AGE, _by_le(in_flight.ages)),
        )
    )


def render_arrivals(arrivals: ArrivalCounts | None, ages_since_due: LatencyHistogram | None) -> str:
    """Return the families of an open workload's arrivals; "" in a closed workload."""
    if arrivals is None:
        return ""
    return "".join(
        (
            family(Client.OFFERED, {(): arrivals.offered}),
            family(Client.STARTED, {(): arrivals.started}),
            family(Client.FINISHED, {(): arrivals.finished}),
            family(Client.UNSENT, {(): arrivals.dropped}),
            _histogram(Client.UNSENT_AGE, arrivals.dropped_ages.snapshot()),
            _histogram(Client.LEFT_AGE, arrivals.backlog_at_end.snapshot()),
            family(Client.WAITING_AGE, _by_le(ages_since_due)),
            _histogram(Client.LATENESS, arrivals.start_delay.snapshot()),
            _histogram(Client.ALL_FROM_SCHEDULE, arrivals.response_time.snapshot()),
        )
    )


def render_users(runner: Any, reports: ProcessReports, user_counts: Mapping[str, int]) -> str:
    """Return the families of users: how many, whether they may wait unseen, their pace."""
    pacing = reports.pacing()
    return "".join(
        (
            family(
                Client.USERS,
                {(name,): user_counts.get(name, 0) for name in runner.user_classes_by_name},
            ),
            family(Client.UNOBSERVED, _unobserved(reports, runner.user_classes_by_name)),
            family(Client.USERS_TARGET, {(): runner.target_user_count}),
            family(Client.USER_EXCEPTIONS, {(): reports.user_exceptions()}),
            family(Client.PACING, {(name,): intervals for name, (intervals, _) in pacing.items()}),
            family(Client.PACING_MISSED, {(name,): missed for name, (_, missed) in pacing.items()}),
        )
    )


def _unobserved(
    reports: ProcessReports, user_classes: Iterable[str]
) -> dict[tuple[str, str, str], int]:
    """Return 1 for each class that may wait unseen, with its first unseen request, else 0."""
    unobserved = reports.unobserved()
    observed = {(user_class, *NONE_REPORTED): 0 for user_class in user_classes}
    return observed | {(user_class, *request): 1 for user_class, request in unobserved.items()}


def render_objectives(info: ProfileInfo, time_scale: float) -> str:
    """Return the families of a load profile: its active step and its objectives."""
    latency = {(quantile,): seconds for quantile, seconds in info.slo_latency_seconds.items()}
    return "".join(
        (
            family(Client.LOAD_STEP, {(): info.step}),
            family(Client.SLO_LATENCY, latency),
            family(Client.SLO_ERRORS, {(): info.slo_error_ratio}),
            family(Client.SLO_STARVED, {(): info.slo_starved_users}),
            family(Client.THINK_TIME, {(): info.think_time_seconds}),
            family(Client.TIME_SCALE, {(): time_scale}),
        )
    )


def render_master_and_workers(
    runner: Any, reports: Mapping[str, ProcessReport], own: ProcessReport
) -> str:
    """Return the families of a master's workers, and of the health of all processes.

    A master that cannot keep up hands out work, and merges counts, late.
    """
    nodes = runner.clients
    known = {client: str(runner.get_worker_index(client)) for client in nodes}
    # The last health of a missing worker says nothing of now.
    present = {
        client: worker for client, worker in known.items() if nodes[client].state != "missing"
    }
    states = {
        (worker, state): int(state == nodes[client].state)
        for client, worker in known.items()
        for state in WORKER_STATES
    }
    users = {(worker,): nodes[client].user_count for client, worker in known.items()}
    reported = _reported(known, reports)
    received = {(worker,): report.received for worker, report in reported.items()}
    return "".join(
        (
            family(
                Client.WORKERS,
                {(state,): len(nodes.get_by_state(state)) for state in WORKER_STATES},
            ),
            family(Client.WORKER_STATE, states),
            family(Client.WORKER_USERS, users),
            family(Client.WORKER_REPORT, received),
            _render_health(
                {**reported, "master": own}, {**_reported(present, reports), "master": own}
            ),
        )
    )


def render_only_process(runner: Any, own: ProcessReport) -> str:
    """Return the families of the only process, where there are no workers."""
    return "".join(
        (
            family(Client.WORKER_USERS, {(LOCAL,): runner.user_count}),
            family(Client.WORKER_REPORT, {(LOCAL,): own.received}),
            _render_health({LOCAL: own}, {LOCAL: own}),
        )
    )


def _reported(
    workers: Mapping[str, str], reports: Mapping[str, ProcessReport]
) -> dict[str, ProcessReport]:
    return {worker: reports[client] for client, worker in workers.items() if client in reports}


def _render_health(known: Mapping[str, ProcessReport], present: Mapping[str, ProcessReport]) -> str:
    """Return counters of all known processes, and gauges of those that are present."""
    cpu = {(process,): report.cpu_ratio for process, report in present.items()}
    memory = {(process,): report.memory_bytes for process, report in present.items()}
    lag = {(process,): report.lag_seconds for process, report in known.items()}
    lag_max = {(process,): report.lag_max_seconds for process, report in present.items()}
    return "".join(
        (
            family(Client.WORKER_CPU, cpu),
            family(Client.WORKER_MEMORY, memory),
            family(Client.WORKER_LAG, lag),
            family(Client.WORKER_LAG_MAX, lag_max),
        )
    )


class ResponseTimesSinceDue:
    """The family of an open workload's response times since the due time, over all processes."""

    def __init__(self, fold: Callable[[str, str], Endpoint]) -> None:
        """Start empty; `fold` caps methods and names for all processes together."""
        self._fold = fold
        self._rows: dict[Endpoint, _EndpointText] = {}

    def render(
        self,
        processes: Iterable[Mapping[Endpoint, GrowingHistogram]],
        scrape: Scrape | None,
        time_slice: TimeSlice,
    ) -> str:
        """Return the family; other greenlets run between two endpoints."""
        histograms: defaultdict[Endpoint, list[GrowingHistogram]] = defaultdict(list)
        for process in processes:
            for endpoint, response_times in list(process.items()):
                time_slice.pause_if_over()
                histograms[self._fold(*endpoint)].append(response_times)
        texts = [self._text(*row, scrape, time_slice) for row in histograms.items()]
        time_slice.pause_if_over()
        return "".join((header(Client.FROM_SCHEDULE), *texts)) if texts else ""

    def _text(
        self,
        endpoint: Endpoint,
        histograms: Sequence[GrowingHistogram],
        scrape: Scrape | None,
        time_slice: TimeSlice,
    ) -> str:
        time_slice.pause_if_over()
        row = self._rows.get(endpoint)
        if row is None:
            row = self._rows[endpoint] = _EndpointText(endpoint)
        if scrape and scrape.is_new((Client.FROM_SCHEDULE, endpoint)):
            return row.zero_text()
        return row.text(histograms)


class _EndpointText:
    """The lines of an endpoint, written anew only when its histograms have grown."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._template = histogram_template(Client.FROM_SCHEDULE, endpoint)
        self._answers = -1
        self._text = ""

    def text(self, histograms: Sequence[GrowingHistogram]) -> str:
        answers = sum(response_times.total for response_times in histograms)
        if answers != self._answers:
            self._answers = answers
            total = sum(
                (response_times.snapshot() for response_times in histograms[1:]),
                start=histograms[0].snapshot(),
            )
            self._text = self._template % histogram_values(total.counts, total.seconds)
        return self._text

    def zero_text(self) -> str:
        return self._template % histogram_values([0] * (len(ENDPOINT_BOUNDS_SECONDS) + 1), 0.0)


def _histogram(metric: Any, content: LatencyHistogram) -> str:
    return histogram(metric, content.counts, content.seconds)


def _by_le(ages: LatencyHistogram | None) -> dict[tuple[str], int]:
    """Return a gauge's samples: how many are as old as each bound at most."""
    if not ages:
        return {}
    labels = bucket_labels(LATENCY_BOUNDS_SECONDS)
    return {(le,): count for le, count in zip(labels, ages.cumulative(), strict=True)}
