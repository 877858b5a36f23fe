"""The exporter of the master or the only process: hooks the test's start, stop and resets."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import psutil  # type: ignore[import-untyped]

from firedrill import atomic_file
from firedrill.contract import Client
from firedrill.exposition import family
from firedrill.names import without_userinfo
from locust_exporter.counting.load_phase import PHASES
from locust_exporter.counting.locust_statistics import UnreportedRequests
from locust_exporter.counting.process_reports import (
    MESSAGE,
    UNREADABLE,
    UNREPORTED_MESSAGE,
    ProcessReports,
)
from locust_exporter.endpoint import metric_families
from locust_exporter.endpoint.http_server import MetricsServer
from locust_exporter.endpoint.request_counts import RequestCounts
from locust_exporter.profile_info import announced

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.contract import Metric
    from locust_exporter.counting.arrival_counts import ArrivalCounts
    from locust_exporter.counting.load_phase import LoadPhase
    from locust_exporter.counting.process_reports import ProcessReport
    from locust_exporter.endpoint.scrape import Scrape
    from locust_exporter.exporter_settings import Settings
    from locust_exporter.time_slice import TimeSlice

logger = logging.getLogger(__name__)

TEST_STATES = ("ready", "spawning", "running", "cleanup", "stopping", "stopped", "missing")
RESET_REASONS = ("start", "ui", "spawn")
OUTCOME_SECONDS = 0.5
"""How often exceptions are written to the outcome file, if there are new ones."""


class Exporter:
    """Follows Locust's events, keeps what Locust clears, and renders all metrics for a scrape."""

    def __init__(
        self,
        *,
        environment: Any,
        settings: Settings,
        locust_version: str,
        own_report: Callable[[], ProcessReport],
        is_master: bool,
        load: LoadPhase,
    ) -> None:
        """Listen to Locust's events, and to the begin and end of the load.

        On a master, whose workers report, `own_report` only tells the master's own health.
        """
        self._environment = environment
        self._settings = settings
        self._locust_version = locust_version
        self._own_report = own_report
        self._is_master = is_master
        self._load = load
        self._requests = RequestCounts(settings.max_names)
        self._response_times = metric_families.ResponseTimesSinceDue(self._requests.endpoints.fold)
        self._reports = ProcessReports()
        self._resets = dict.fromkeys(RESET_REASONS, 0)
        self._reset_was_requested = False
        self._counted_before: dict[Metric, int] = {}
        self._render_seconds = 0.0
        self._process_start = psutil.Process().create_time()
        self._server = MetricsServer(self.render, outcome=self._outcome_text)
        self._written = ""
        self._keep_what_is_cleared(environment.stats)
        self._listen(environment)

    def start(self) -> None:
        """Serve the metrics endpoint. Raises BadInput if the port that was asked for is taken."""
        port = self._server.start(self._settings)
        logger.info("Metrics at http://%s:%s/metrics", self._settings.host, port)
        if self._settings.outcome_file:
            self._load.on_change.append(self._write_outcome)
            gevent.spawn(self._keep_outcome_written)

    def render(self, scrape: Scrape | None, time_slice: TimeSlice) -> str:
        """Return all metrics of now; other greenlets run while endpoints are rendered."""
        started = time.perf_counter()
        requests = self._requests.render(
            self._environment.stats.entries, self._environment.stats.errors, scrape, time_slice
        )
        if self._is_warming_up():
            # The judged part begins with the last scrape in the warm-up, as in Prometheus's data.
            self._requests.begin_judging()
        self._receive_own_report()
        response_times = self._response_times.render(
            self._reports.response_times(), scrape, time_slice
        )
        time_slice.pause_if_over()
        # Once more after the pauses, so that what was answered in them is no longer in flight.
        self._receive_own_report()
        runner, info = self._environment.runner, announced()
        text = "".join(
            (
                requests,
                self._render_latency(time_slice),
                response_times,
                metric_families.render_in_flight(self._reports),
                metric_families.render_arrivals(self._arrivals(), self._reports.ages_since_due()),
                metric_families.render_users(runner, self._reports, self._user_counts()),
                self._render_processes(),
                self._render_test(),
                metric_families.render_objectives(info, self._settings.time_scale),
                family(Client.SCRAPE_DURATION, {(): self._render_seconds}),
                family(Client.FOLDED_NAMES, {(): self._requests.endpoints.names.folded}),
            )
        )
        self._render_seconds = time.perf_counter() - started
        return text

    def _listen(self, environment: Any) -> None:
        events = environment.events
        self._load.on_begin.append(self._on_load_begun)
        events.reset_stats.add_listener(self._on_reset_requested)
        events.quit.add_listener(self._on_quit)
        if self._is_master:
            events.worker_report.add_listener(self._on_worker_report)
            environment.runner.register_message(MESSAGE, self._on_live_message)
            environment.runner.register_message(UNREPORTED_MESSAGE, self._on_unreported_message)

    def _keep_what_is_cleared(self, stats: Any) -> None:
        """Keep counts when Locust clears its own: at a start, on request, and printed as JSON."""
        clear_all, reset_all, serialize_stats = (
            stats.clear_all,
            stats.reset_all,
            stats.serialize_stats,
        )

        def clear() -> None:
            self._keep_counts("start")
            clear_all()

        def reset() -> None:
            self._keep_counts("ui" if self._reset_was_requested else "spawn")
            self._reset_was_requested = False
            reset_all()

        def serialize() -> Any:
            self._requests.keep_entries(stats.entries)
            return serialize_stats()

        stats.clear_all, stats.reset_all, stats.serialize_stats = clear, reset, serialize

    def _keep_counts(self, reason: str) -> None:
        self._resets[reason] += 1
        self._requests.keep_entries(self._environment.stats.entries)
        self._requests.keep_errors(self._environment.stats.errors)

    def _on_load_begun(self) -> None:
        self._counted_before = self._counts_of_test()
        self._requests.begin_load()

    def _render_latency(self, time_slice: TimeSlice) -> str:
        began, stopped = self._load.began, self._load.stopped
        if stopped is None or began is None:
            return ""
        # A load that ended in its warm-up is judged as a whole.
        whole = stopped <= began + announced().warmup_seconds
        return self._requests.render_latency(time_slice, with_warmup=whole)

    def _is_warming_up(self) -> bool:
        began = self._load.began if self._load.is_on else None
        return began is not None and time.time() < began + announced().warmup_seconds

    def _on_reset_requested(self, **_: Any) -> None:
        self._reset_was_requested = True

    def _on_quit(self, **_: Any) -> None:
        self._server.wait_for_final_scrape(self._settings.linger_seconds)

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        if MESSAGE in data:
            self._reports.receive_message(client_id, data[MESSAGE])

    def _on_live_message(self, msg: Any, **_: Any) -> None:
        self._reports.receive_message(msg.node_id, msg.data)

    def _on_unreported_message(self, msg: Any, **_: Any) -> None:
        try:
            self._requests.add(UnreportedRequests.from_message(msg.data))
        except UNREADABLE:
            self._reports.warn_of_version(msg.node_id)

    def _receive_own_report(self) -> None:
        if not self._is_master:
            self._reports.receive(metric_families.LOCAL, self._own_report())

    def _counts_of_test(self) -> dict[Metric, int]:
        """Return the counts that are judged as a ratio of one test."""
        self._receive_own_report()
        arrivals, pacing = self._arrivals(), self._reports.pacing().values()
        of_open_loop = (
            {Client.OFFERED: arrivals.offered, Client.UNSENT: arrivals.dropped} if arrivals else {}
        )
        intervals, missed = (sum(counts) for counts in zip((0, 0), *pacing, strict=True))
        return {**of_open_loop, Client.PACING: intervals, Client.PACING_MISSED: missed}

    def _outcome_text(self) -> str:
        """Return what Prometheus cannot hold of the latest test, as JSON."""
        load = self._load
        self._receive_own_report()
        own = self._own_report().exceptions if self._is_master else []
        return json.dumps(
            {
                "setup_began": load.setup_began,
                "began": load.began,
                "stopped": load.stopped,
                "exit_code": load.exit_code,
                "exceptions": self._reports.exceptions(own),
            }
        )

    def _write_outcome(self) -> None:
        text = self._outcome_text()
        # A run goes on without the file.
        with contextlib.suppress(OSError):
            if text != self._written:
                atomic_file.write(Path(self._settings.outcome_file), text)
                self._written = text

    def _keep_outcome_written(self) -> None:
        while True:
            gevent.sleep(OUTCOME_SECONDS)
            self._write_outcome()

    def _arrivals(self) -> ArrivalCounts | None:
        arrivals = announced().arrivals
        return self._reports.arrivals(arrivals.assigned) if arrivals else None

    def _user_counts(self) -> dict[str, int]:
        runner = self._environment.runner
        counts: dict[str, int] = (
            runner.reported_user_classes_count if self._is_master else runner.user_classes_count
        )
        return counts

    def _render_processes(self) -> str:
        runner, latest = self._environment.runner, self._reports.latest
        if self._is_master:
            return metric_families.render_master_and_workers(runner, latest, self._own_report())
        return metric_families.render_only_process(runner, latest[metric_families.LOCAL])

    def _render_test(self) -> str:
        load = self._load
        outside = {
            (phase,): self._reports.requests_outside(phase)
            # The reports already have those of a process without workers.
            + (load.requests[phase] if self._is_master else 0)
            for phase in PHASES
        }
        runner = self._environment.runner
        host = self._environment.host or next(
            (user.host for user in self._environment.user_classes if user.host), ""
        )
        info = (
            self._settings.run_id,
            announced().profile or self._settings.profile,
            without_userinfo(host),
            self._locust_version,
        )
        states = {(state,): int(state == runner.state) for state in TEST_STATES}
        before = {(metric.name,): count for metric, count in self._counted_before.items()}
        resets = {(reason,): count for reason, count in self._resets.items()}
        return "".join(
            (
                family(Client.STATE, states),
                family(Client.PROCESS_START, {(): self._process_start}),
                family(Client.TEST_INFO, {info: 1}),
                family(Client.TEST_START, {(): load.began}),
                family(Client.TEST_END, {(): load.stopped if load.began else None}),
                family(Client.SETUP_SECONDS, {(): load.setup_seconds}),
                family(Client.TEARDOWN_SECONDS, {(): load.teardown_seconds}),
                family(Client.OUTSIDE_LOAD, outside),
                family(Client.COUNTED_BEFORE, before),
                family(Client.STATS_RESETS, resets),
            )
        )
