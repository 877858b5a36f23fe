"""A composed stack that is already up: its load is controlled, its figures are read."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from firedrill import __version__
from firedrill.errors import BadInput, FiredrillError
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.stack import saved_rules, versions
from firedrill.stack.containers.web_control import WebControlledStack
from firedrill.stack.interface import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.record.generator_outcome import GeneratorOutcome
    from firedrill.stack.plan import Plan

BEFORE_SECONDS, MOST_BEFORE_SECONDS = 30.0, 900.0
"""How much recording before the load belongs to the run, in seconds.

It shows where counters started. It is as long as the alerts look back,
so that they can be replayed, within these bounds.
"""

SILENT_SECONDS = 10
"""A Locust that Prometheus could not scrape for so long is gone, and its load with it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """The URLs of a running stack."""

    prometheus_url: str
    locust_url: str
    notifications_url: str
    faults_url: str | None = None
    """Base URL of the API's metrics endpoint; None if it is not known."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self | None:
        """Return the stack that the environment names; None without all three URLs.

        The variables are FIREDRILL_PROMETHEUS_URL, _LOCUST_URL and _NOTIFICATIONS_URL, as in
        Compose's `firedrill`.

        FIREDRILL_FAULTS_URL is needed only by a profile that sets faults.
        """
        prometheus, locust, receiver, faults = (
            environ.get(f"FIREDRILL_{name}_URL")
            for name in ("PROMETHEUS", "LOCUST", "NOTIFICATIONS", "FAULTS")
        )
        return (
            cls(prometheus, locust, receiver, faults)
            if prometheus and locust and receiver
            else None
        )


class AttachedStack(WebControlledStack):
    """A stack of which only the load is started and stopped."""

    opening = "joining the stack that is up"

    def __init__(self, plan: Plan, interrupt: Interrupt, attachment: Attachment) -> None:
        super().__init__(plan, interrupt, attachment.locust_url, attachment.notifications_url)
        self.load_since = time.time()

    def __exit__(self, *_: object) -> None:
        """Do nothing: nothing was started."""

    def start_prometheus(self) -> None:
        """Save the rules of the running Prometheus: alerts are judged and replayed by them."""
        self.records = True
        saved_rules.keep(self.prom, self.plan.folder / "prometheus" / "rules")

    def start_alerting(self) -> bool:
        """Return True: Alertmanager runs already."""
        self.alerting = True
        return True

    def start_api(self) -> None:
        """Do nothing: the API runs already."""

    def start_locust(self) -> None:
        """Stop the load that runs, and start it again from its beginning.

        Raises:
            BadInput: the stack was started with another profile; its load is left alone.
            Missing: there are too few workers, or Locust does not answer.
        """
        self.wait_for(
            lambda: bool(self.prom.instant("locust_test_info")), "Locust's figures", START_SECONDS
        )
        test_labels = self.prom.instant("locust_test_info")[0].labels
        # Prometheus drops labels with an empty value.
        self.run_id = test_labels.get("run_id", "")
        if test_labels.get("profile") != self.plan.profile:
            profile = test_labels.get("profile", "no profile")
            raise BadInput(
                f"the stack plays {profile}; "
                f"start it with LOAD_PROFILE={self.plan.profile} docker compose up"
            )
        self._ask("stop")
        self.wait_for(self._has_stopped_or_waits, "the running load to stop", START_SECONDS)
        self.start_load()

    def generator_outcome(self) -> GeneratorOutcome:
        """Return what the load generator tells, at the address that Prometheus scrapes."""
        with suppress(FiredrillError):
            for scraped in self.prom.instant('up{job="locust"} == 1'):
                return self._outcome_at(scraped.labels["instance"])
        return self._outcome

    def load_ended(self) -> bool:
        """Return whether the load is over, also if Locust was not scraped for a while."""
        with suppress(FiredrillError):
            if (
                self.prom.number(f'max(max_over_time(up{{job="locust"}}[{SILENT_SECONDS}s])) == 0')
                is not None
            ):
                self.lost = (
                    f"Prometheus had no figures of the load generator for {SILENT_SECONDS} s: "
                    "its master has ended, or cannot be reached"
                )
        return self.lost is not None or super().load_ended()

    def _has_stopped_or_waits(self) -> bool:
        return self.prom.number('max(locust_state{state=~"stopped|ready"})') == 1

    def take_snapshot(self, destination: Path) -> None:
        """Copy what Prometheus recorded of this load to a folder that does not exist."""
        before = saved_rules.longest_reach_seconds(self.plan.folder / "prometheus" / "rules")
        start = self.load_since - min(max(BEFORE_SECONDS, before), MOST_BEFORE_SECONDS)
        with RecordedPrometheus(None, self._interrupt) as copy:
            remote.write(copy.prom.url, remote.read(self.prom.url, start, time.time()))
            shutil.move(copy.folder / "data" / "snapshots" / copy.prom.snapshot(), destination)

    def rescue(self, destination: Path) -> bool:
        """Return False: the files of this Prometheus cannot be read."""
        return destination.exists()

    def discard_data(self) -> None:
        """Do nothing: the data is the running stack's."""

    def versions(self) -> dict[str, str]:
        """Return the version of each part; Compose's `firedrill` shares the machine."""
        return {
            "firedrill": __version__,
            "prometheus": self.prom.version(),
            **versions.of_machine(),
        }
