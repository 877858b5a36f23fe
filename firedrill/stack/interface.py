"""The interface of a stack, whether its parts are processes or containers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self

from firedrill import http_client
from firedrill.errors import Missing
from firedrill.prometheus.client import Prometheus
from firedrill.record.generator_outcome import GeneratorOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.stack.plan import Plan


START_SECONDS = 90.0
"""How long a part may take to start; it is far more than a busy machine needs."""


class PortLost(Missing):
    """A part could not bind its port, because another process took it."""


class Part(Protocol):
    """A started part of a stack."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def log(self) -> Path:
        """The file with what it printed."""

    def exit_code(self) -> int | None:
        """Return the exit code (negative: a signal), None while it runs."""

    def last_log_line(self) -> str:
        """Return the last line it printed that is not blank."""


class Stack(ABC):
    """A stack that is started part by part; a context manager that stops it at the end."""

    opening = "starting the stack"
    """The progress message while `wait_for_start` waits."""

    def __init__(self, plan: Plan, interrupt: Interrupt) -> None:
        self.plan = plan
        self.host = plan.host
        """Base URL of the API under load; of a served command, known once it answers."""
        self.scrapes = plan.all_scrapes()
        """Every endpoint that Prometheus scrapes."""
        self.uninstrumented = False
        """Whether a served command publishes no metrics of its requests."""
        self.prom = Prometheus(plan.prometheus_url)
        self.prometheus: Part | None = None
        self.api: Part | None = None
        self.locust: Part | None = None
        self.workers: Sequence[Part] = ()
        """Locust's workers, where they are parts of their own."""
        self.load_since = 0.0
        """When the load was started (Unix seconds); earlier figures belong to another run."""
        self.run_id = plan.run_id
        """The run ID with which the load's requests are marked."""
        self.lost: str | None = None
        """Why the state of the load is unknown; None if it is known."""
        self.unfinished: str | None = None
        """Why Locust was killed in its tear-down; None if it was not."""
        self.records = False
        """Whether Prometheus was started."""
        self.alerting = False
        """Whether notifications are sent; they are recorded in `plan.notifications`."""
        self.alertmanager: Part | None = None
        self.notifications: Part | None = None
        self._interrupt = interrupt

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Stop everything that was started."""

    @abstractmethod
    def start_prometheus(self) -> None:
        """Start Prometheus. Do it first: its first scrape comes more than five seconds later."""

    @abstractmethod
    def start_alerting(self) -> bool:
        """Start Alertmanager and the receiver of notifications; False without Alertmanager."""

    @abstractmethod
    def fetch_notifications(self, patience_seconds: float = 2.0) -> None:
        """Update the file of notifications, where it lies elsewhere."""

    @abstractmethod
    def start_api(self) -> None:
        """Start the bundled API, if this stack has it."""

    @abstractmethod
    def start_locust(self) -> None:
        """Start Locust, and the load."""

    @abstractmethod
    def load_ended(self) -> bool:
        """Return whether the load profile is over, or its generator is gone."""

    def generator_outcome(self) -> GeneratorOutcome:
        """Return what the load generator tells of its test; nothing where it cannot be asked."""
        return GeneratorOutcome()

    @abstractmethod
    def end_locust(self) -> None:
        """End the load, if it still runs, and have its last figures scraped."""

    @abstractmethod
    def take_snapshot(self, destination: Path) -> None:
        """Move a snapshot of all that Prometheus stored to a folder that does not exist."""

    @abstractmethod
    def rescue(self, destination: Path) -> bool:
        """Move there what a dead Prometheus left; return False if it left nothing."""

    @abstractmethod
    def discard_data(self) -> None:
        """Delete the data that the snapshot is a copy of, once the stack has stopped."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return the version of each part."""

    def wait_for_start(self) -> None:
        """Wait until Prometheus answers and the bundled API, if any, is ready.

        Raises:
            Missing: a part ended, or was not ready in time.
            Interrupted: the user asked to stop.
        """
        self.wait_for(self.prom.is_ready, "Prometheus to be ready", START_SECONDS)
        if self.api and not self.plan.serve:
            self.wait_for(
                lambda: answers(f"{self.host}/readyz"), "the API to be ready", START_SECONDS
            )

    def wait_for_scrapes(self) -> None:
        """Wait until Prometheus has scraped every endpoint that exists before Locust starts."""
        endpoints = sum(scrape.job != "locust" for scrape in self.scrapes)
        self.wait_for(
            lambda: (self.prom.number("count(up{job!='locust'})") or 0) >= endpoints,
            "Prometheus's first scrape",
            START_SECONDS,
        )

    def wait_for(self, reached: Callable[[], bool], awaited: str, timeout_seconds: float) -> None:
        """Wait for a condition while every part lives; raises what `wait_for_start` does.

        A part that lost its port raises PortLost.
        """

        def reached_or_dead() -> bool:
            for part in (self.alertmanager, self.notifications):
                if part and part.exit_code() is not None and _port_was_taken(part):
                    raise PortLost(_end_of(part, awaited))
            for part in (self.prometheus, self.api, self.locust):
                if part and part.exit_code() is not None:
                    lost = PortLost if _port_was_taken(part) else Missing
                    raise lost(_end_of(part, awaited))
            return reached()

        self._interrupt.wait_until(reached_or_dead, awaited, timeout_seconds)


def _end_of(part: Part, awaited: str) -> str:
    return (
        f"{part.name} ended with exit code {part.exit_code()} before {awaited}: "
        f"{part.last_log_line()} ({part.log})"
    )


def _port_was_taken(part: Part) -> bool:
    """Return whether a part's last words are those of a system that refuses a port."""
    return "address already in use" in part.last_log_line().lower()


def answers(url: str) -> bool:
    """Return whether a URL answers with a status below 400."""
    try:
        return http_client.request("GET", url, timeout_seconds=2).ok
    except http_client.NoAnswer:
        return False
