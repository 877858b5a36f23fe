"""A worker's side in Locust: what its generator knows is reported to its master."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import gevent
from locust.exception import RPCError

from locust_exporter.counting.process_reports import MESSAGE, UNREPORTED_MESSAGE
from locust_exporter.counting.unreported import Unreported
from locust_exporter.master_silence import MASTER_SECONDS, is_forsaken

if TYPE_CHECKING:
    from locust_exporter.generator import Generator

REPORT_SECONDS = 1.0
"""Instead of Locust's 3 s, with which a 5 s rate() reads 75-150 % of the truth."""
LIVE_SECONDS = 0.5
QUIT_SECONDS = 10.0
"""What a worker may take to end, beyond its users' --stop-timeout: machines stand still for seconds. A dead one is missed sooner."""

logger = logging.getLogger(__name__)


class WorkerSide:
    """Tells in every report, often in between, and before anything is cleared."""

    def __init__(self, environment: Any, generator: Generator) -> None:
        self._environment = environment
        self._generator = generator
        self._silent_seconds = 0.0
        """For so long nothing was heard of the master. Time in which this process stood still itself is not in it."""
        environment.events.report_to_master.add_listener(self._add_report)
        environment.events.test_stop.add_listener(self._send_final)
        environment.events.quit.add_listener(self._send_all)
        self._report_before_reset(environment.stats)
        gevent.spawn(self._send_live)

    def _message(self) -> dict[str, Any]:
        return self._generator.report(self._environment).to_message()

    def _add_report(self, data: dict[str, Any], **_: Any) -> None:
        data[MESSAGE] = self._message()

    def _send_final(self, **_: Any) -> None:
        """What was counted since the last report would be cleared by a quick restart."""
        runner = self._environment.runner
        data: dict[str, Any] = {}
        self._environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
        runner.send_message("stats", data)

    def _send_all(self, **_: Any) -> None:
        """A thread of ZeroMQ sends, and ends with the process; Locust does not wait until it has sent the last report."""
        seconds = QUIT_SECONDS if self._silent_seconds < MASTER_SECONDS else 0.0
        self._environment.runner.client.socket.context.destroy(linger=round(seconds * 1000))

    def _report_before_reset(self, stats: Any) -> None:
        """--reset-stats clears a worker's statistics as well. What they hold is for our counters only: Locust's shall forget it."""
        reset_all = stats.reset_all

        def reset() -> None:
            self._environment.runner.send_message(
                UNREPORTED_MESSAGE, Unreported.of(stats).to_message()
            )
            reset_all()

        stats.reset_all = reset

    def _send_live(self) -> None:
        while not is_forsaken(self._silent_seconds, self._environment.runner.state):
            heard = self._environment.runner.last_heartbeat_timestamp
            gevent.sleep(LIVE_SECONDS)
            is_silent = (
                heard is not None and heard == self._environment.runner.last_heartbeat_timestamp
            )
            self._silent_seconds = self._silent_seconds + LIVE_SECONDS if is_silent else 0.0
            # A lost connection is Locust's to mend; the next message says what this one would have said.
            with contextlib.suppress(RPCError):
                self._environment.runner.send_message(MESSAGE, self._message())
        logger.error("Nothing was heard of the master for %g s", MASTER_SECONDS)
        self._environment.runner.quit()
