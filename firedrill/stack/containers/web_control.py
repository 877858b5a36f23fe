"""A stack whose load is started and stopped through Locust's web API."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill import http_client
from firedrill.errors import FiredrillError, Missing
from firedrill.record.generator_outcome import GeneratorOutcome
from firedrill.stack.interface import START_SECONDS, Stack

if TYPE_CHECKING:
    from firedrill.interrupt import Interrupt
    from firedrill.stack.plan import Plan

LINGER_SECONDS = 8.0
"""How long a stopped load may take: stopping users, last reports, one more scrape."""


class WebControlledStack(Stack):
    """A stack whose Locust waits to be started at a URL; its load shape is already chosen."""

    def __init__(
        self, plan: Plan, interrupt: Interrupt, locust_url: str, notifications_url: str
    ) -> None:
        super().__init__(plan, interrupt)
        self._locust_url = locust_url
        self._notifications_url = notifications_url
        self._outcome = GeneratorOutcome()

    def _outcome_at(self, exporter: str) -> GeneratorOutcome:
        """Return what the exporter at that address tells, or told when it last answered."""
        with suppress(http_client.NoAnswer):
            answer = http_client.request("GET", f"http://{exporter}/outcome", timeout_seconds=2)
            self._outcome = GeneratorOutcome.parse(answer.text())
        return self._outcome

    def fetch_notifications(self, patience_seconds: float = 2.0) -> None:
        """Update the file of notifications from the receiver; leave it if the receiver is gone."""
        with suppress(http_client.NoAnswer, ValueError, OSError):
            notifications = http_client.request(
                "GET", f"{self._notifications_url}/notifications", timeout_seconds=patience_seconds
            ).json()
            self.plan.notifications.write_text(
                "".join(f"{json.dumps(entry)}\n" for entry in notifications)
            )

    def start_load(self) -> None:
        """Wait for the workers, and start the load."""
        ready = 'sum(locust_workers{state="ready"})'
        self.wait_for(
            lambda: (self.prom.number(ready) or 0) >= self.plan.workers,
            f"{self.plan.workers} Locust workers to connect",
            START_SECONDS,
        )
        self.load_since = time.time()
        self._ask("swarm")

    def load_ended(self) -> bool:
        """Return whether the load profile is over, or its generator is gone."""
        if self.locust and self.locust.exit_code() is not None:
            return True
        with suppress(FiredrillError):
            return (
                self.prom.number(f"max(locust_test_end_time_seconds) > {self.load_since:.3f}")
                is not None
            )
        return False

    def end_locust(self) -> None:
        """End the load, if it still runs, and have its last figures scraped."""
        if not self.load_since or (self.locust and self.locust.exit_code() is not None):
            return
        # The watch reports a dead master; its figures are recorded already.
        with suppress(Missing):
            self._ask("stop")
        if self.lost:  # No more figures will come.
            return
        deadline = time.monotonic() + (0.5 if self._interrupt.hurry else LINGER_SECONDS)
        while time.monotonic() < deadline and not self._has_stopped():
            time.sleep(0.2)

    def _has_stopped(self) -> bool:
        with suppress(FiredrillError):
            return self.prom.number('max(locust_state{state="stopped"})') == 1
        return False

    def _ask(self, action: str) -> None:
        url = f"{self._locust_url}/{action}"
        try:
            answer = http_client.request("POST", url, timeout_seconds=10)
        except http_client.NoAnswer as error:
            raise Missing(f"Locust does not answer: {error}") from error
        if not answer.ok:
            raise Missing(
                f"Locust at {url} refused with status {answer.status}: {answer.text()[:200]}"
            )
