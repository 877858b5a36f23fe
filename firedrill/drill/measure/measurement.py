"""The measurement of a run: from the samples in Prometheus to the figures in run.json."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from firedrill.contract import Client
from firedrill.drill.measure import endpoint_figures, restarts, stage_evidence
from firedrill.drill.measure.client_figures import ClientFigures
from firedrill.drill.measure.quality_figures import QualityFigures
from firedrill.drill.measure.run_queries import RunQueries
from firedrill.drill.measure.server_figures import saturation, server_side
from firedrill.record.figures import Figures, StepFigures, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.diagnosis.evidence import Evidence
    from firedrill.profile import Profile
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.diagnosis import Diagnosis
    from firedrill.record.figures import Alert
    from firedrill.record.run_document import InjectedFault


@dataclass(frozen=True, slots=True)
class Measurement:
    """Asks one Prometheus about one run."""

    prom: Prometheus
    profile: Profile
    run_id: str
    window: Window
    """From the first user to the last."""
    knows_think_time: bool
    """Whether the users are the bundled ones, so that the rate they offer is known."""
    load_since: float = 0.0
    """When the load was started; 0 where the window tells it."""

    def evidence(
        self, settings: Mapping[str, int], faults: Sequence[InjectedFault], cores: float | None
    ) -> Evidence:
        """Read the evidence for a diagnosis: see `stage_evidence.read`."""
        started = restarts.start_times(self.prom, self._since)
        return stage_evidence.read(
            RunQueries(self.prom, self.window, restarts.by_instance(started)),
            without_warmup(self.window, self.profile.warmup_seconds),
            self.profile,
            settings=settings,
            knows_think_time=self.knows_think_time,
            faults=faults,
            cores=cores,
        )

    @property
    def _since(self) -> Window:
        # A restart of the generator after the start of its load makes a window of its own.
        return Window(min(self.window.start, self.load_since or inf), self.window.end)

    def figures(self, alerts: tuple[Alert, ...], diagnosis: Diagnosis | None = None) -> Figures:
        """Measure everything. The warm-up is left out of the figures of client and server."""
        started = restarts.start_times(self.prom, self._since)
        restarted = restarts.measure(self.prom, self._since, started)
        queries = RunQueries(self.prom, self.window, restarts.by_instance(started))
        client = ClientFigures(queries, self.profile, self.knows_think_time)
        quality = QualityFigures(queries, self.profile)
        judged = without_warmup(self.window, self.profile.warmup_seconds)
        return Figures(
            client=client.measure(judged),
            server=server_side(queries, judged),
            steps=tuple(_steps(queries, client)),
            saturation=saturation(queries, diagnosis),
            honesty=quality.measure(hung=client.hung(judged)),
            alerts=alerts,
            counts=quality.counts(self.run_id, restarted),
            invalid=quality.broken_conditions(),
            blind_seconds=quality.longest_scrape_gap(),
            seconds=self.window.seconds,
            arrivals=quality.arrivals(),
            endpoints=endpoint_figures.measure(queries, self.profile, judged),
            restarts=restarted,
            setup_seconds=queries.last(Client.SETUP_SECONDS),
            teardown_seconds=queries.last(Client.TEARDOWN_SECONDS),
        )


def without_warmup(window: Window, warmup_seconds: float) -> Window:
    """Return the window after the warm-up; all of it if the load ended in the warm-up."""
    start = window.start + warmup_seconds
    return Window(start, window.end) if start < window.end else window


def _steps(queries: RunQueries, client: ClientFigures) -> Iterator[StepFigures]:
    run, profile = queries.window, client.profile
    # A locustfile's own load shape replaces the profile's, and reports no step.
    follows_profile = bool(queries.prom.raw(Client.LOAD_STEP.name, run.start, run.end))
    for index, begin, end in _reached_steps(profile, run.seconds):
        # The last step ends with the run, and includes what was answered after it.
        stop = run.start + end if end < run.seconds else run.end
        # The warm-up is left out, unless nothing else would be left.
        judged = begin if end <= profile.warmup_seconds else max(begin, profile.warmup_seconds)
        window = Window(run.start + judged, stop)
        users = None if follows_profile else queries.largest(f"sum({Client.USERS.name})", window)
        planned = profile.load_at(begin)
        yield StepFigures(
            index=index,
            start_seconds=begin,
            end_seconds=end,
            users=planned.users,
            client=client.measure(window),
            server=server_side(queries, window),
            arrival_rate=planned.rate,
            users_measured=users,
        )


def _reached_steps(profile: Profile, seconds: float) -> Iterator[tuple[int, float, float]]:
    """Yield (index, start, end) of each step that a run of this length reached."""
    begin, index = 0, profile.step_at(0)
    for second in range(1, int(seconds) + 1):
        following = profile.step_at(second) if second < int(seconds) else None
        if following != index:
            yield index, float(begin), seconds if following is None else float(second)
            begin, index = second, following if following is not None else index
