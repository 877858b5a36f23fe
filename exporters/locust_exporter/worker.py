"""A worker's side of the exporter: it reports what its generator knows to its master."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import gevent
from locust.exception import RPCError

from locust_exporter.counting.locust_statistics import UnreportedRequests
from locust_exporter.counting.process_reports import (
    MASTER_SILENCE_SECONDS,
    MESSAGE,
    UNREPORTED_MESSAGE,
    is_orphaned,
)

if TYPE_CHECKING:
    from locust_exporter.generator import Generator

REPORT_SECONDS = 1.0
"""Time between reports; with Locust's 3 s, a 5 s rate() reads 75-150 % of the truth."""
LIVE_SECONDS = 0.5
"""Time between messages on what is in flight."""
QUIT_SECONDS = 10.0
"""Time for a worker to end beyond its users' --stop-timeout; a dead one is missed sooner."""

logger = logging.getLogger(__name__)


class WorkerReporter:
    """Reports to the master with Locust's reports, every half second, and before a reset."""

    def __init__(self, environment: Any, generator: Generator) -> None:
        self._environment = environment
        self._generator = generator
        self._silent_seconds = 0.0
        """Silence of the master, without time in which this process itself stood still."""
        environment.events.report_to_master.add_listener(self._add_report)
        environment.events.test_stop.add_listener(self._send_final)
        environment.events.quit.add_listener(self._flush_messages)
        self._report_before_reset(environment.stats)
        gevent.spawn(self._send_live)

    def _message(self) -> dict[str, Any]:
        return self._generator.report(self._environment).to_message()

    def _add_report(self, data: dict[str, Any], **_: Any) -> None:
        data[MESSAGE] = self._message()

    def _send_final(self, **_: Any) -> None:
        """Send what was counted since the last report, which a quick restart would clear."""
        runner = self._environment.runner
        data: dict[str, Any] = {}
        self._environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
        runner.send_message("stats", data)

    def _flush_messages(self, **_: Any) -> None:
        """Wait until ZeroMQ's thread has sent the last report, for which Locust does not wait."""
        seconds = QUIT_SECONDS if self._silent_seconds < MASTER_SILENCE_SECONDS else 0.0
        self._environment.runner.client.socket.context.destroy(linger=round(seconds * 1000))

    def _report_before_reset(self, stats: Any) -> None:
        """Report what --reset-stats clears to our counters only; Locust's shall forget it."""
        reset_all = stats.reset_all

        def reset() -> None:
            self._environment.runner.send_message(
                UNREPORTED_MESSAGE, UnreportedRequests.from_statistics(stats).to_message()
            )
            reset_all()

        stats.reset_all = reset

    def _send_live(self) -> None:
        while not is_orphaned(self._silent_seconds, self._environment.runner.state):
            heard = self._environment.runner.last_heartbeat_timestamp
            gevent.sleep(LIVE_SECONDS)
            is_silent = (
                heard is not None and heard == self._environment.runner.last_heartbeat_timestamp
            )
            self._silent_seconds = self._silent_seconds + LIVE_SECONDS if is_silent else 0.0
            # Locust repairs a lost connection; the next message says what this one would have said.
            with contextlib.suppress(RPCError):
                self._environment.runner.send_message(MESSAGE, self._message())
        logger.error(
            "The master was silent for %g s; this worker ends, because nobody counts its requests",
            MASTER_SILENCE_SECONDS,
        )
        self._environment.runner.quit()
