"""Plays the trials of a search on a running stack, one rate after the other."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.capacity.search import Outcome, OutOfTime, Phase
from firedrill.capacity.trial import goodput, judge, throughput
from firedrill.contract import Client
from firedrill.drill.play.part_failures import note_ended_parts
from firedrill.errors import FiredrillError, Missing
from firedrill.interrupt import Interrupted
from firedrill.record.capacity import TrialFigures
from firedrill.record.figures import StepFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.capacity.rate_file import RateFile
    from firedrill.capacity.search import Probe
    from firedrill.capacity.trial import Counts, Judgement
    from firedrill.capacity.trial_queries import TrialQueries
    from firedrill.drill.play.run_state import RunState
    from firedrill.profile import Slo

LONGEST_SECONDS = {
    Phase.RAMP: 8.0,
    Phase.BISECTION: 15.0,
    Phase.CONFIRMATION: 20.0,
    Phase.ABOVE: 20.0,
}
"""Upper time of a trial that never becomes certain."""

DRAIN_SECONDS = 30.0
"""Longest time that the API may take to answer what it has accepted, between two trials."""

LOOK_SECONDS = 0.25

WAITING = f'max({Client.WAITING_AGE.name}{{le="+Inf"}})'

OPEN_REQUESTS = (
    f"{WAITING} + (sum(http_server_active_requests) or vector(0))"
    " + (sum(http_server_queue_depth) or vector(0))"
)


@dataclass
class TrialPlayer:
    """Plays trials one after the other, and keeps their figures."""

    state: RunState
    queries: TrialQueries
    rates: RateFile
    slo: Slo
    ends: float
    """Monotonic time after which no trial begins."""
    trials: list[TrialFigures] = field(default_factory=list)
    steps: list[StepFigures] = field(default_factory=list)

    def play(self, probe: Probe) -> Outcome:
        """Drain, play a trial, and measure it.

        Raises:
            OutOfTime: no time is left for a trial.
            Interrupted: the user asked to stop.
            Missing: a part of the stack ended.
        """
        longest = LONGEST_SECONDS[probe.phase]
        if time.monotonic() + longest > self.ends:
            raise OutOfTime
        self.drain()
        start = self.queries.began + self.rates.set(probe.rate, self.elapsed())
        samples, judgement = self._watch(start, longest, probe.rate)
        self.rates.set(0.0, self.elapsed())
        figures, step = self._measured(probe, samples, start, judgement)
        self.trials.append(figures)
        self.steps.append(step)
        self.state.progress.phase(f"{figures.rate:.4g}/s {figures.outcome}: {figures.reason}")
        return Outcome(figures.outcome)

    def elapsed(self) -> float:
        """Return the seconds since the load began."""
        return time.time() - self.queries.began

    def drain(self) -> None:
        """Let the API answer what it has accepted; a while is enough where it never does."""
        rest = time.time() + self.rates.lead_seconds
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            self.pause()
            with suppress(FiredrillError):
                prom = self.queries.prom
                scraped = prom.number(f"min(timestamp({Client.WAITING_AGE.name}))") or 0.0
                if scraped > rest and not prom.number(OPEN_REQUESTS):
                    return

    def pause(self) -> None:
        """Wait until the next look.

        Raises:
            Interrupted: the user asked to stop.
            Missing: a part of the stack ended.
        """
        if self.state.interrupt.pause(LOOK_SECONDS):
            raise Interrupted("interrupted in the search")
        note_ended_parts(self.state)
        for part in ("locust", "prometheus", "api"):
            if self.state.has_ended(part):
                raise Missing(f"{part} ended in the search for the capacity; see {part}.log")

    def _watch(
        self, start: float, longest_seconds: float, rate: float
    ) -> tuple[list[Counts], Judgement]:
        """Return the counts of a trial and their judgement, when it is certain or time is up."""
        while True:
            self.pause()
            samples = self.queries.counts(start, time.time())
            judgement = judge(samples, self.slo, rate)
            if judgement is None:
                continue
            if judgement.is_certain or samples[-1].seconds >= longest_seconds:
                return samples, judgement

    def _measured(
        self, probe: Probe, samples: Sequence[Counts], start: float, judgement: Judgement
    ) -> tuple[TrialFigures, StepFigures]:
        queries, steady = self.queries, start + judgement.warmup_seconds
        end = start + samples[-1].seconds
        client, server = queries.client(steady, end), queries.server(steady, end)
        limit = None if judgement.holds else queries.generator_limit(steady, end)
        outcome, reason = _outcome(judgement, limit)
        began = queries.began
        judged = [one for one in samples if one.seconds >= judgement.warmup_seconds]
        figures = TrialFigures(
            rate=probe.rate,
            phase=probe.phase.value,
            outcome=outcome.value,
            reason=reason,
            start_seconds=start - began,
            end_seconds=end - began,
            warmup_seconds=judgement.warmup_seconds,
            is_certain=judgement.is_certain,
            throughput=throughput(judged),
            goodput=goodput(judged),
            latency_seconds=client.latency_including_waiting_seconds,
            standard_error_seconds=client.standard_error_seconds,
            error_ratio=client.error_ratio,
            in_flight_max=queries.largest(WAITING, start, end),
        )
        planned = self.state.request.profile.load_at(0.0)
        step = StepFigures(
            index=len(self.steps),
            start_seconds=start - began,
            end_seconds=end - began,
            users=planned.users,
            client=client,
            server=server,
            arrival_rate=probe.rate,
        )
        return figures, step


def _outcome(judgement: Judgement, limit: str | None) -> tuple[Outcome, str]:
    """Return the outcome and its evidence.

    An SLO that held did so whatever the generator's limit. One that broke there may have held.
    """
    if judgement.holds:
        return Outcome.HELD, judgement.reason
    return (Outcome.LIMITED, limit) if limit else (Outcome.BROKEN, judgement.reason)


def shown_bracket(held: float | None, failed: float | None) -> str:
    """Return the bracket of the search in words: `holds at 71.3/s, breaks at 74.6/s`."""
    words = [
        *([] if held is None else [f"holds at {units.rate(held)}"]),
        *([] if failed is None else [f"breaks at {units.rate(failed)}"]),
    ]
    return ", ".join(words) or "nothing is known yet"
