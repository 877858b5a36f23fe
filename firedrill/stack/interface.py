"""What a drill needs of a stack, whether its parts are processes of ours or containers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self

from firedrill import http_client
from firedrill.errors import Missing
from firedrill.prometheus.client import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.stack.plan import Plan


START_SECONDS = 90.0
"""How long a part may take to start: no part that works needs this, but on a busy machine it takes many times the usual seconds."""


class Part(Protocol):
    """One started part of a stack."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def log(self) -> Path:
        """The file with what it printed."""

    def exit_code(self) -> int | None:
        """The exit code (negative: a signal), None while it runs."""

    def last_log_line(self) -> str:
        """The last line it printed that is not blank."""


class Stack(ABC):
    """A stack to be started part by part; a context manager that leaves nothing behind."""

    opening = "starting Prometheus and the API"
    """What a drill says while it waits for `wait_for_start`."""

    def __init__(self, plan: Plan, interrupt: Interrupt) -> None:
        self.plan = plan
        self.prom = Prometheus(plan.prometheus_url)
        self.prometheus: Part | None = None
        self.api: Part | None = None
        self.locust: Part | None = None
        self.workers: Sequence[Part] = ()
        """Locust's, where they are parts of their own."""
        self.load_since = 0.0
        """When this stack's load was started (Unix seconds); what happened before belongs to another run."""
        self.run_id = plan.run_id
        """What the load's requests are marked with."""
        self.lost: str | None = None
        """Why nobody knows what has become of the load; None where that is known."""
        self.records = False
        """Whether there is a Prometheus to be asked."""
        self.alerting = False
        """Whether somebody would be told of alerts; what they are told is recorded in `plan.notifications`."""
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
        """Start Prometheus. Do it first: it makes its first scrape more than five seconds after its start."""

    @abstractmethod
    def start_alerting(self) -> bool:
        """Start Alertmanager and the receiver of its notifications; False where there is no Alertmanager."""

    @abstractmethod
    def fetch_notifications(self, patience_seconds: float = 2.0) -> None:
        """Bring the file of notifications up to date, where it lies elsewhere."""

    @abstractmethod
    def start_api(self) -> None:
        """Start the bundled API, if this stack has it."""

    @abstractmethod
    def start_locust(self) -> None:
        """Start Locust, and the load."""

    @abstractmethod
    def load_ended(self) -> bool:
        """Whether the load profile is over, or its generator is gone."""

    @abstractmethod
    def end_locust(self) -> None:
        """End the load, if it still runs, and have its last figures scraped."""

    @abstractmethod
    def take_snapshot(self, destination: Path) -> None:
        """Move a snapshot of all that Prometheus stored to a folder that does not exist."""

    @abstractmethod
    def rescue(self, destination: Path) -> bool:
        """Move there what a Prometheus that died left; False if it left nothing."""

    @abstractmethod
    def discard_data(self) -> None:
        """Delete what the snapshot is a copy of, once the stack has stopped."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Version by part."""

    def wait_for_start(self) -> None:
        """Wait until Prometheus answers and the bundled API, if any, is ready.

        Raises:
            Missing: a part ended, or was not ready in time.
            Interrupted: somebody asked to stop.
        """
        self.wait_for(self.prom.is_ready, "Prometheus to be ready", START_SECONDS)
        if self.api:
            self.wait_for(
                lambda: answers(f"{self.plan.host}/readyz"), "the API to be ready", START_SECONDS
            )

    def wait_for_scrapes(self) -> None:
        """Wait until Prometheus has scraped every page that exists before Locust starts."""
        pages = sum(scrape.job != "locust" for scrape in self.plan.all_scrapes())
        self.wait_for(
            lambda: (self.prom.number("count(up{job!='locust'})") or 0) >= pages,
            "Prometheus's first scrape",
            START_SECONDS,
        )

    def wait_for(self, reached: Callable[[], bool], what: str, timeout_seconds: float) -> None:
        """Wait for a condition while every part lives; raises as `wait_for_start` does."""

        def reached_or_dead() -> bool:
            for part in (self.prometheus, self.api, self.locust):
                if part and part.exit_code() is not None:
                    raise Missing(
                        f"{part.name} ended with exit code {part.exit_code()} before {what}: {part.last_log_line()} ({part.log})"
                    )
            return reached()

        self._interrupt.wait_until(reached_or_dead, what, timeout_seconds)


def answers(url: str) -> bool:
    """Whether a URL gives an answer with a status below 400."""
    try:
        return http_client.request("GET", url, timeout_seconds=2).ok
    except http_client.NoAnswer:
        return False
