"""A search for the capacity as a recorded run: one stack, many trials, one run.json."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.capacity.bottleneck import find_bottleneck
from firedrill.capacity.capacity_profile import write_profile
from firedrill.capacity.overload import play_overloads
from firedrill.capacity.rate_file import RateFile
from firedrill.capacity.search import Ending, Search
from firedrill.capacity.trial_player import TrialPlayer, shown_bracket
from firedrill.capacity.trial_queries import TrialQueries
from firedrill.capacity.verdict import remarks, verdict
from firedrill.contract import Client
from firedrill.drill.play import recording
from firedrill.drill.play.part_failures import note_ended_parts
from firedrill.drill.play.run import play
from firedrill.errors import FiredrillError, Missing
from firedrill.interrupt import Interrupted
from firedrill.profile import load_profile
from firedrill.record.capacity import Bottleneck, Capacity
from firedrill.record.run_document import PlayedProfile
from firedrill.stack.interface import START_SECONDS, PortLost

if TYPE_CHECKING:
    from firedrill.capacity.search import Outcome, Probe
    from firedrill.drill.play.progress import Progress
    from firedrill.drill.play.request import Request
    from firedrill.drill.play.run_state import RunState
    from firedrill.interrupt import Interrupt
    from firedrill.profile import Slo
    from firedrill.record.capacity import Overload, TrialFigures
    from firedrill.record.figures import StepFigures
    from firedrill.record.run_folder import Run


@dataclass(frozen=True, slots=True)
class Goal:
    """The request for one search."""

    slo: Slo
    spacing: str
    """even or poisson."""
    expected_rate: float | None = None
    """The load that the user expects, in arrivals a second."""
    has_overload: bool = False
    """Whether rates above the capacity are played, too."""
    limit_seconds: float = 300.0
    """Time after which no trial begins, but for the overload's."""


def measure_capacity(request: Request, goal: Goal, interrupt: Interrupt, progress: Progress) -> Run:
    """Search for the capacity, and record it as a run; raises what `play` does."""
    request.check()  # Of the user's own profile, whose file the messages name.
    with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
        file = Path(folder) / "capacity.yaml"
        write_profile(file, request.profile, goal.slo, goal.spacing)
        search = _RecordedSearch(request.source, goal)
        played = replace(
            request, profile=load_profile(str(file)), source=str(file), has_live_rates=True
        )
        return play(played, interrupt, progress, search.drive, search.record)


@dataclass
class _RecordedSearch:
    """The search of one run, and what it found so far."""

    source: str
    goal: Goal
    ending: Ending = Ending.INTERRUPTED
    search: Search | None = None
    trials: list[TrialFigures] = field(default_factory=list)
    steps: list[StepFigures] = field(default_factory=list)
    overloads: list[Overload] = field(default_factory=list)
    bottleneck: Bottleneck | None = None

    def drive(self, state: RunState) -> None:
        """Play the search; an interrupt, or a part that ends, keeps the bracket found so far."""
        rates = RateFile(state.stack.plan.rates_file, state.request.workers)
        limit = time.monotonic() + self.goal.limit_seconds
        began = self._wait_for_load(state)
        profile = state.request.profile
        queries = TrialQueries(state.stack.prom, profile, began)
        player = TrialPlayer(state, queries, rates, self.goal.slo, limit)
        self.trials, self.steps = player.trials, player.steps
        highest = _highest_rate(profile.load_at(0.0).users, self.goal.slo)

        def ask(probe: Probe) -> Outcome:
            text = f"trial {len(player.trials) + 1}, {probe.phase}, {units.rate(probe.rate)}"
            state.progress.phase(f"{text} ({shown_bracket(search.held, search.failed)})")
            return player.play(probe)

        self.search = search = Search(ask, highest_rate=highest)
        try:
            self.ending = search.run()
            self.bottleneck = self._find_bottleneck(queries)
            if self.goal.has_overload and search.held:
                self.overloads.extend(play_overloads(player, search.held))
        except Interrupted:
            self.ending = Ending.INTERRUPTED
        except PortLost:
            raise
        except Missing as error:
            self.ending = Ending.PART_ENDED
            state.progress.phase(str(error))

    def _wait_for_load(self, state: RunState) -> float:
        """Wait until every user is there; return the Unix time at which the load began."""
        state.progress.phase("waiting for the load generator's users")
        prom, slots = state.stack.prom, state.request.profile.load_at(0.0).users
        begin = f"max({Client.TEST_START.name}) >= {state.stack.load_since:.3f}"

        def are_there() -> bool:
            note_ended_parts(state)
            if state.has_ended("locust"):
                raise Missing("Locust ended before its users were there; see locust.log")
            try:
                return bool(prom.number(begin) and (prom.number("sum(locust_users)") or 0) >= slots)
            except FiredrillError:
                return False

        state.interrupt.wait_until(are_there, "the load generator's users", START_SECONDS)
        state.load_has_begun = True
        began = prom.number(begin)
        if began is None:
            raise Missing("Prometheus lost the begin of the load")
        return began

    def _find_bottleneck(self, queries: TrialQueries) -> Bottleneck | None:
        """Return what limited the lowest rate that failed; None where none did."""
        search = self.search
        failed = [trial for trial in self.trials if search and trial.rate == search.failed]
        if not failed:
            return None
        trial = failed[-1]
        if search and search.failed_by_generator:
            return Bottleneck("generator", trial.reason)
        began = queries.began
        span = began + trial.start_seconds + trial.warmup_seconds, began + trial.end_seconds
        calm = next((one for one in self.trials if one.has_held), None)
        return find_bottleneck(
            queries.used(*span),
            queries.handler_mean(*span),
            queries.handler_mean(began + calm.start_seconds, began + calm.end_seconds)
            if calm
            else None,
            trial.rate,
        )

    def record(self, state: RunState) -> None:
        """Write run.json, with the figures of the found rate as those of the run."""
        window, figures, _ = recording.measured(state)
        result = self._result()
        if figures:
            steps = tuple(replace(step, index=at) for at, step in enumerate(self.steps))
            found = [step for step in steps if step.arrival_rate == result.rate] or list(steps[:1])
            if found:
                figures = replace(figures, client=found[-1].client, server=found[-1].server)
            figures = replace(figures, steps=steps)
        document = recording.document_of(
            state, window, figures, verdict(result, list(state.mishaps.values()))
        )
        profile = PlayedProfile.of(state.request.profile, self.source)
        state.run.write(
            document.model_copy(
                update={
                    "kind": "capacity",
                    "profile": profile,
                    "capacity": result,
                    "remarks": (*state.remarks.values(), *remarks(result, self.goal.slo)),
                }
            )
        )

    def _result(self) -> Capacity:
        search, expected = self.search, self.goal.expected_rate
        held = search.held if search else None
        is_found = self.ending is Ending.FOUND and not (search and search.failed_by_generator)
        return Capacity(
            rate=held,
            is_lower_bound=held is not None and not is_found,
            failed_rate=search.failed if search else None,
            is_confirmed=bool(search and search.is_confirmed),
            ending=self.ending.value,
            spacing=self.goal.spacing,
            trials=tuple(self.trials),
            bottleneck=self.bottleneck,
            expected_rate=expected,
            headroom_ratio=held / expected - 1 if held and expected else None,
            overload=tuple(self.overloads),
        )


def _highest_rate(slots: int, slo: Slo) -> float:
    """Return the rate up to which requests within the SLO never need all slots (Little's law)."""
    longest = max(slo.latency_seconds.values(), default=0.0)
    return slots / longest if longest else float(slots)
