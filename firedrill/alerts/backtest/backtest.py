"""Replay rules on a recorded run, and report what would have fired, how soon, and for nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from firedrill.alerts.backtest import attribution_window, causes, sweep, warnings
from firedrill.alerts.backtest.attribution import Attribution
from firedrill.alerts.backtest.results import AlertResult, Firing, Report, Trial
from firedrill.alerts.replay import visibility
from firedrill.alerts.replay.alert_state import AlertStateMachine, episodes
from firedrill.alerts.replay.environment import (
    RefusedRule,
    ReplayEnvironment,
    refused_expression,
)
from firedrill.alerts.rules import dependencies, label_templates, promtool
from firedrill.errors import BadInput
from firedrill.notifications.notification import HEARTBEAT
from firedrill.prometheus.client import QueryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from firedrill.alerts.backtest.attribution import Detection
    from firedrill.alerts.backtest.causes import Cause
    from firedrill.alerts.replay.alert_state import Episode
    from firedrill.alerts.replay.ambiguity import Vector
    from firedrill.alerts.replay.visibility import ObservedVectors
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.alerts.rules.thresholds import Limit
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """The rules to replay, the run to replay them on, and the settings to try."""

    files: tuple[Path, ...]
    run: Run
    stretch: int = 1
    history: Run | None = None
    """A recorded run whose samples are put before this one's."""
    alerts: tuple[str, ...] = ()
    """Names of the alerts to judge; empty for all."""
    holds_ms: tuple[int, ...] = ()
    """Values of `for` to try."""
    thresholds: tuple[float, ...] = ()
    """Numbers to compare with."""
    threshold_number: int | None = None
    """Which of an alert's thresholds, counted from 1; None for the only one.

    An alert with several keeps its condition if no number is given.
    """

    def selects(self, rule: Rule) -> bool:
        """Return whether a rule is to be judged."""
        return rule.is_alert and (not self.alerts or rule.name in self.alerts)


def backtest(request: BacktestRequest, interrupt: Interrupt) -> Report:
    """Replay every alert of some rule files on a recorded run.

    Rules that cannot be read or evaluated are listed in the report, and the others are judged.

    Raises:
        BadInput: nothing was recorded in the run, or an option names what no alert has.
        Missing: a program is missing.
        Interrupted: somebody asked to stop.
    """
    request.run.recorded()  # Raises before anything is started.
    groups, refused = _read(request.files)
    known = {rule.name for group in groups for rule in group.rules if rule.is_alert}
    for name in request.alerts:
        if name not in known and not refused:
            raise BadInput(
                f"--alert {name}: is no alert of these files; expected one of"
                f" {', '.join(sorted(known)) or 'none: they have no alerts'}"
            )
    selected = [(group, rule) for group in groups for rule in group.rules if request.selects(rule)]
    unswept = (
        sweep.explain_unswept(selected, request.threshold_number) if request.thresholds else ()
    )
    with ReplayEnvironment(
        request.run, groups, request.stretch, request.history, interrupt
    ) as environment:
        return _Backtest(request, groups, environment, interrupt).report(refused, unswept)


def _read(files: Sequence[Path]) -> tuple[list[Group], list[RefusedRule]]:
    """Return the groups without the rules that Prometheus refuses, and all mistakes."""
    groups: list[Group] = []
    refused: list[RefusedRule] = []
    for file in files:
        in_file, mistakes = promtool.check_file(file)
        groups += [_without(group, [mistake.rule for mistake in mistakes]) for group in in_file]
        refused += [RefusedRule(mistake.place, mistake.text) for mistake in mistakes]
    return groups, refused


def _without(group: Group, broken: Sequence[Rule | None]) -> Group:
    valid = (rule for rule in group.rules if not any(rule is other for other in broken))
    return replace(group, rules=tuple(valid))


class _Backtest:
    """The judging of all alerts in an open replay environment."""

    def __init__(
        self,
        request: BacktestRequest,
        groups: Sequence[Group],
        environment: ReplayEnvironment,
        interrupt: Interrupt,
    ) -> None:
        self._request, self._groups = request, groups
        self._environment, self._interrupt = environment, interrupt
        run = request.run.read()
        clock = environment.clock
        if run.window is None:
            raise BadInput(f"{request.run.folder}: nothing was recorded in this run")
        self._recorded_start = run.window.start
        self._start = clock.seconds(run.window.start)
        self._end = clock.seconds(run.window.end)
        self._causes = tuple(
            replace(cause, start=clock.seconds(cause.start), end=clock.seconds(cause.end))
            for cause in causes.from_run(run)
        )
        self._look_back_ms = dependencies.look_back_ms(groups)
        self._recorded_version = run.versions.get("prometheus", "")

    def report(self, refused: Sequence[RefusedRule], unswept: Sequence[str]) -> Report:
        """Judge all selected alerts.

        Args:
            refused: The rules that cannot be read.
            unswept: Why some alerts keep their condition in a sweep.
        """
        environment = self._environment
        report = Report(
            run=self._request.run.id,
            stretch=self._request.stretch,
            causes=self._relative_causes(),
            load_seconds=round(self._end - self._start, 3),
        )
        report.refused = [*refused, *environment.refused]
        report.remarks = [*unswept, *self._warnings()]
        for group in self._groups:
            times, interval_ms = environment.timeline.times_of(group)
            if not times and any(self._request.selects(rule) for rule in group.rules):
                report.remarks.append(warnings.never_evaluated(group, interval_ms))
            evaluated = list(self._evaluate(group, report.refused))
            observed = visibility.observe(environment, group, evaluated, self._interrupt)
            for (rule, _), vectors in zip(evaluated, observed, strict=True):
                report.alerts.append(self._result(group, rule, vectors, report.remarks))
        report.remarks += warnings.not_queried(environment.not_queried)
        return report

    def _warnings(self) -> Iterator[str]:
        environment = self._environment
        selected = {
            rule.name
            for group in self._groups
            for rule in group.rules
            if self._request.selects(rule)
        }
        yield from warnings.other_version(self._recorded_version, environment.prom.version())
        for earlier_ms, later_ms in environment.gaps_ms:
            yield warnings.gap(earlier_ms, later_ms, self._recorded_start)
        yield from map(warnings.failures, environment.failures)
        yield from warnings.about_rules(
            self._groups,
            selected,
            environment.names(),
            self._end - self._start,
            self._request.stretch,
        )

    def _evaluate(
        self, group: Group, refused: list[RefusedRule]
    ) -> Iterator[tuple[Rule, list[Vector]]]:
        """Yield the group's selected alerts with what their expressions gave; note refused ones."""
        for rule in self._interrupt.until_requested(group.rules):
            if not self._request.selects(rule):
                continue
            try:
                label_templates.check_supported(rule)
            except BadInput as error:
                refused.append(RefusedRule(rule.place, f"{rule.name}: {error}"))
                continue
            try:
                yield rule, self._environment.vectors(group, rule, rule.expr)
            except (QueryRefused, BadInput) as error:
                refused.append(refused_expression(rule, error))

    def _relative_causes(self) -> tuple[Cause, ...]:
        """Return the causes with times since the load's start."""
        return tuple(
            replace(
                cause,
                start=round(cause.start - self._start, 3),
                end=round(cause.end - self._start, 3),
            )
            for cause in self._causes
        )

    def _result(
        self, group: Group, rule: Rule, observed: ObservedVectors, remarks: list[str]
    ) -> AlertResult:
        times, interval_ms = self._environment.timeline.times_of(group)
        machine = self._state_machine(group, rule)
        replayed = episodes(machine, zip(times, observed.vectors, strict=True))
        failures = self._environment.rule_failures(rule, len(times), machine.failures)
        remarks += map(warnings.failures, failures)
        return AlertResult(
            name=rule.name,
            severity=rule.labels.get("severity", ""),
            place=rule.place,
            evaluations=len(times),
            ambiguous_evaluations=len(observed.ambiguous),
            failed_evaluations=len(machine.failures),
            hold_seconds=rule.hold_ms / 1000,
            window_seconds=self._look_back_ms[rule.place] / 1000,
            fired=tuple(
                self._firing(episode, rule, interval_ms, observed.ambiguous) for episode in replayed
            ),
            detections=self._detections(replayed, rule),
            false_fires=self._false_fires(replayed, rule),
            sweep=tuple(self._sweep(group, rule, times)),
        )

    def _state_machine(self, group: Group, rule: Rule) -> AlertStateMachine:
        unwritten = self._environment.unwritten_evaluations(group)
        return AlertStateMachine(rule, group.limit, unwritten)

    # -- attribution

    def _attribution(self, rule: Rule) -> Attribution:
        window_seconds = attribution_window.seconds(
            rule, self._look_back_ms[rule.place], self._environment.clock.factor
        )
        return Attribution.for_alert(rule.name, self._causes, window_seconds)

    def _detections(self, replayed: Sequence[Episode], rule: Rule) -> tuple[Detection, ...]:
        """Return the detections, without alerts that fired after the load.

        That there was no load any more may have fired these.
        """
        during_load = [
            episode
            for episode in replayed
            if episode.firing_ms is None or episode.firing_ms <= self._end * 1000
        ]
        return tuple(
            replace(
                detection,
                delay_seconds=_rounded(detection.delay_seconds),
                began=round(detection.began - self._start, 3),
            )
            for detection in self._attribution(rule).detections(during_load)
        )

    def _false_fires(self, replayed: Sequence[Episode], rule: Rule) -> int:
        """Return how many alerts began to fire during the load without a cause."""
        if rule.name == HEARTBEAT:
            return 0
        attribution = self._attribution(rule)
        fired = [episode for episode in replayed if self._fired_during_load(episode)]
        return sum(attribution.cause_of(episode) is None for episode in fired)

    def _fired_during_load(self, episode: Episode) -> bool:
        return (
            episode.firing_ms is not None and self._start <= episode.firing_ms / 1000 <= self._end
        )

    def _firing(
        self, episode: Episode, rule: Rule, interval_ms: int, ambiguous: frozenset[int]
    ) -> Firing:
        is_during_load = self._fired_during_load(episode)
        cause = self._attribution(rule).cause_of(episode) if is_during_load else None
        changes_ms = (episode.pending_ms, episode.firing_ms, episode.resolved_ms)
        return Firing(
            labels={name: value for name, value in episode.labels if name != "alertname"},
            pending_after_seconds=self._since_start(episode.pending_ms),
            firing_after_seconds=self._since_start(episode.firing_ms),
            resolved_after_seconds=self._since_start(episode.resolved_ms),
            cause=cause.name if cause else None,
            ambiguous=any(
                time_ms in ambiguous or time_ms - interval_ms in ambiguous
                for time_ms in changes_ms
                if time_ms is not None
            ),
        )

    def _since_start(self, time_ms: int | None) -> float | None:
        return None if time_ms is None else _rounded(time_ms / 1000 - self._start)

    # -- sweeps

    def _sweep(self, group: Group, rule: Rule, times: Sequence[int]) -> Iterator[Trial]:
        """Yield the outcome of every `for` with every threshold."""
        request = self._request
        limit = self._limit(group, rule)
        if not request.holds_ms and limit is None:
            return
        evaluate = partial(self._environment.vectors, group, rule)
        by_threshold = (
            limit.evaluate_values(request.thresholds, evaluate)
            if limit
            else [(None, evaluate(rule.expr))]
        )
        for threshold, vectors in by_threshold:
            for hold_ms in self._interrupt.until_requested(request.holds_ms or (rule.hold_ms,)):
                tried = replace(rule, hold_ms=hold_ms)
                machine = self._state_machine(group, tried)
                replayed = episodes(machine, zip(times, vectors, strict=True))
                yield Trial(
                    hold_seconds=hold_ms / 1000,
                    threshold=threshold,
                    detections=self._detections(replayed, tried),
                    false_fires=self._false_fires(replayed, tried),
                    fired_before=sum(episode.is_firing_at(self._start) for episode in replayed),
                )

    def _limit(self, group: Group, rule: Rule) -> Limit | None:
        """Return the limit that thresholds are tried for; None if the alert keeps its condition."""
        if self._request.thresholds:
            with suppress(BadInput):  # The report has the reason already (see `unswept`).
                return sweep.find_limit(group, rule, self._request.threshold_number)
        return None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
