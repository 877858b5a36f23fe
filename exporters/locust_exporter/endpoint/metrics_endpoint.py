"""The page of the master or the only process: what Locust counts, what it does not, and how the generators fare."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from firedrill.contract import Client
from firedrill.names import without_userinfo
from locust_exporter.counting.in_flight import STAGES
from locust_exporter.counting.process_reports import (
    MESSAGE,
    UNREADABLE,
    UNREPORTED_MESSAGE,
    Reports,
)
from locust_exporter.counting.request_counts import Ledger
from locust_exporter.counting.unreported import Unreported
from locust_exporter.endpoint import metric_families
from locust_exporter.endpoint.exposition import LES, family, histogram
from locust_exporter.endpoint.from_schedule import FromSchedule
from locust_exporter.endpoint.http_server import Server
from locust_exporter.profile_info import announced

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.contract import Metric
    from locust_exporter.counting.arrival_counts import Arrivals
    from locust_exporter.counting.latency_histogram import Ages
    from locust_exporter.counting.process_reports import Report
    from locust_exporter.endpoint.scrape import Scrape
    from locust_exporter.exporter_settings import Settings
    from locust_exporter.time_slice import Turn

logger = logging.getLogger(__name__)

STATES = ("ready", "spawning", "running", "cleanup", "stopping", "stopped", "missing")
RESET_REASONS = ("start", "ui", "spawn")


class Exporter:
    """The page of the master or the only process."""

    def __init__(
        self,
        environment: Any,
        settings: Settings,
        version: str,
        own_report: Callable[[], Report],
        *,
        is_master: bool,
    ) -> None:
        """Of a master, whose workers report, `own_report` only says how it fares itself; `version` is Locust's."""
        self._environment = environment
        self._settings = settings
        self._version = version
        self._own_report = own_report
        self._is_master = is_master
        self._ledger = Ledger(settings.max_names)
        self._from_schedule = FromSchedule(self._ledger.endpoints.fold)
        self._reports = Reports()
        self._resets = dict.fromkeys(RESET_REASONS, 0)
        self._reset_was_asked_for = False
        self._test_times: tuple[float | None, float | None] = (None, None)
        self._counted_before: dict[Metric, int] = {}
        self._page_seconds = 0.0
        self._server = Server(self.page)
        self._bank_before_clearing(environment.stats)
        self._listen(environment)

    def start(self) -> None:
        """Serve the page. Raises BadInput if the port that was asked for is taken."""
        port = self._server.start(self._settings)
        logger.info("Metrics at http://%s:%s/metrics", self._settings.host, port)

    def _listen(self, environment: Any) -> None:
        events = environment.events
        events.test_start.add_listener(self._on_test_start)
        events.test_stopping.add_listener(self._on_test_stopping)
        events.reset_stats.add_listener(self._on_reset_asked_for)
        events.quit.add_listener(self._on_quit)
        if self._is_master:
            events.worker_report.add_listener(self._on_worker_report)
            environment.runner.register_message(MESSAGE, self._on_live_message)
            environment.runner.register_message(UNREPORTED_MESSAGE, self._on_unreported_message)

    def _bank_before_clearing(self, stats: Any) -> None:
        """Locust clears its statistics at a start, on request, and when it prints them as JSON; our counters go on."""
        clear_all, reset_all, serialize_stats = (
            stats.clear_all,
            stats.reset_all,
            stats.serialize_stats,
        )

        def clear() -> None:
            self._bank("start")
            clear_all()

        def reset() -> None:
            self._bank("ui" if self._reset_was_asked_for else "spawn")
            self._reset_was_asked_for = False
            reset_all()

        def serialize() -> Any:
            self._ledger.bank_entries(stats.entries)
            return serialize_stats()

        stats.clear_all, stats.reset_all, stats.serialize_stats = clear, reset, serialize

    def _bank(self, reason: str) -> None:
        self._resets[reason] += 1
        self._ledger.bank_entries(self._environment.stats.entries)
        self._ledger.bank_errors(self._environment.stats.errors)

    def _on_test_start(self, **_: Any) -> None:
        self._test_times = (time.time(), None)
        self._counted_before = self._counted()

    def _on_test_stopping(self, **_: Any) -> None:
        # Not test_stop: up to --stop-timeout later users still finish their tasks, but no longer at the load that was asked for.
        self._test_times = (self._test_times[0], time.time())

    def _on_reset_asked_for(self, **_: Any) -> None:
        self._reset_was_asked_for = True

    def _on_quit(self, **_: Any) -> None:
        self._server.linger(self._settings.linger_seconds)

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        if MESSAGE in data:
            self._reports.receive_message(client_id, data[MESSAGE])

    def _on_live_message(self, msg: Any, **_: Any) -> None:
        self._reports.receive_message(msg.node_id, msg.data)

    def _on_unreported_message(self, msg: Any, **_: Any) -> None:
        try:
            self._ledger.add(Unreported.from_message(msg.data))
        except UNREADABLE:
            self._reports.warn_of(msg.node_id)

    def page(self, scrape: Scrape | None, turn: Turn) -> str:
        """All that is known now; what there is of each endpoint is written in turns with others."""
        started = time.perf_counter()
        counted = self._ledger.page(
            self._environment.stats.entries, self._environment.stats.errors, scrape, turn
        )
        self._hear_myself()
        from_schedule = self._from_schedule.page(self._reports.from_schedule(), scrape, turn)
        turn.pause()
        self._hear_myself()  # Once more after the pauses, so that what was answered in them is no longer in flight.
        parts = (
            counted,
            from_schedule,
            self._waiting(),
            self._arrivals(),
            self._users(),
            self._workers(),
            self._test(),
            self._objectives(),
            family(Client.SCRAPE_DURATION, {(): self._page_seconds}),
            family(Client.FOLDED_NAMES, {(): self._ledger.endpoints.names.folded}),
        )
        page = "".join(parts)
        self._page_seconds = time.perf_counter() - started
        return page

    def _hear_myself(self) -> None:
        if not self._is_master:
            self._reports.receive(metric_families.LOCAL, self._own_report())

    def _counted(self) -> dict[Metric, int]:
        """What is judged as a share of a test."""
        self._hear_myself()
        arrivals, pacing = self._open_loop(), self._reports.pacing().values()
        of_open_loop = (
            {Client.OFFERED: arrivals.offered, Client.UNSENT: arrivals.unsent} if arrivals else {}
        )
        intervals, missed = (sum(counts) for counts in zip((0, 0), *pacing, strict=True))
        return {**of_open_loop, Client.PACING: intervals, Client.PACING_MISSED: missed}

    def _open_loop(self) -> Arrivals | None:
        facts = announced()
        return self._reports.arrivals(facts.arrivals.asked) if facts.arrivals else None

    def _waiting(self) -> str:
        if not self._reports.see_requests():
            return ""
        page = family(
            Client.ABANDONED, {(stage,): self._reports.abandoned(stage) for stage in STAGES}
        )
        page += histogram(Client.ABANDONED_AGE, self._reports.abandoned_ages())
        waiting = self._reports.waiting()
        if waiting is None:
            return page
        return page + "".join(
            (
                family(Client.IN_FLIGHT, {(): waiting.requests}),
                family(Client.OLDEST, {(): waiting.oldest_seconds}),
                family(Client.STARVED, {(): waiting.starved_users}),
                family(Client.IN_FLIGHT_AGE, _by_le(waiting.ages)),
            )
        )

    def _arrivals(self) -> str:
        arrivals = self._open_loop()
        if arrivals is None:
            return ""
        return "".join(
            (
                family(Client.OFFERED, {(): arrivals.offered}),
                family(Client.STARTED, {(): arrivals.started}),
                family(Client.UNSENT, {(): arrivals.unsent}),
                histogram(Client.UNSENT_AGE, arrivals.unsent_ages.ages()),
                histogram(Client.LEFT_AGE, arrivals.left.ages()),
                family(Client.WAITING_AGE, _by_le(self._reports.since_due())),
                histogram(Client.LATENESS, arrivals.lateness.ages()),
            )
        )

    def _users(self) -> str:
        runner = self._environment.runner
        pacing = self._reports.pacing()
        counts = (
            runner.reported_user_classes_count if self._is_master else runner.user_classes_count
        )
        return "".join(
            (
                family(
                    Client.USERS,
                    {(name,): counts.get(name, 0) for name in runner.user_classes_by_name},
                ),
                family(Client.USERS_TARGET, {(): runner.target_user_count}),
                family(Client.USER_EXCEPTIONS, {(): self._reports.user_exceptions()}),
                family(
                    Client.PACING, {(name,): intervals for name, (intervals, _) in pacing.items()}
                ),
                family(
                    Client.PACING_MISSED, {(name,): missed for name, (_, missed) in pacing.items()}
                ),
            )
        )

    def _workers(self) -> str:
        runner, latest = self._environment.runner, self._reports.latest
        return (
            metric_families.of_master(runner, latest, self._own_report())
            if self._is_master
            else metric_families.of_one(runner, latest[metric_families.LOCAL])
        )

    def _test(self) -> str:
        start, end = self._test_times
        runner = self._environment.runner
        host = self._environment.host or next(
            (user.host for user in self._environment.user_classes if user.host), ""
        )
        info = (
            self._settings.run_id,
            announced().profile or self._settings.profile,
            without_userinfo(host),
            self._version,
        )
        return "".join(
            (
                family(Client.STATE, {(state,): int(state == runner.state) for state in STATES}),
                family(Client.TEST_INFO, {info: 1}),
                family(Client.TEST_START, {(): start}),
                family(Client.TEST_END, {(): end}),
                family(
                    Client.COUNTED_BEFORE,
                    {(metric.name,): count for metric, count in self._counted_before.items()},
                ),
                family(
                    Client.STATS_RESETS,
                    {(reason,): count for reason, count in self._resets.items()},
                ),
            )
        )

    def _objectives(self) -> str:
        facts = announced()
        return "".join(
            (
                family(Client.LOAD_STEP, {(): facts.step}),
                family(
                    Client.SLO_LATENCY,
                    {
                        (quantile,): seconds
                        for quantile, seconds in facts.slo_latency_seconds.items()
                    },
                ),
                family(Client.SLO_ERRORS, {(): facts.slo_error_ratio}),
                family(Client.SLO_STARVED, {(): facts.slo_starved_users}),
                family(Client.TIME_SCALE, {(): self._settings.time_scale}),
            )
        )


def _by_le(ages: Ages | None) -> dict[tuple[str], int]:
    """A gauge's samples: how many are as old as each bound at most."""
    return {(le,): count for le, count in zip(LES, ages.cumulative(), strict=True)} if ages else {}
