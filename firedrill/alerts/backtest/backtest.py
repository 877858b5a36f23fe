"""Rules tried on a recorded run: what would have been pending, firing and resolved, how soon, and how often for nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from firedrill.alerts.backtest import attribution_window, causes, sweep, warnings
from firedrill.alerts.backtest.attribution import Truth
from firedrill.alerts.replay import visibility
from firedrill.alerts.replay.alert_state import Replay, episodes
from firedrill.alerts.replay.environment import Bench, Refused
from firedrill.alerts.rules import label_templates, promtool
from firedrill.errors import BadInput
from firedrill.notifications.notification import HEARTBEAT
from firedrill.prometheus.client import QueryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from firedrill.alerts.backtest.attribution import Detection
    from firedrill.alerts.backtest.causes import Cause
    from firedrill.alerts.replay.alert_state import Episode
    from firedrill.alerts.replay.ambiguity import Vector
    from firedrill.alerts.replay.visibility import Seen
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.alerts.rules.thresholds import Limit
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be tried on which run."""

    files: tuple[Path, ...]
    run: Run
    stretch: int = 1
    history: Run | None = None
    """A recorded run whose samples are put before this one's."""
    alerts: tuple[str, ...] = ()
    """Names of the alerts that are judged; all if there are none."""
    holds_ms: tuple[int, ...] = ()
    """Values of `for` to try."""
    thresholds: tuple[float, ...] = ()
    """Numbers to compare with."""
    which_threshold: int | None = None
    """Of several that an alert has, counted from 1; one that has several keeps its condition if none is meant."""

    def asks_for(self, rule: Rule) -> bool:
        """Whether it is to be judged."""
        return rule.is_alert and (not self.alerts or rule.name in self.alerts)


@dataclass(frozen=True, slots=True)
class Fired:
    """One alert from its beginning to its end, in seconds since the load began; None for what did not happen."""

    labels: dict[str, str]
    pending_after_seconds: float | None
    firing_after_seconds: float | None
    resolved_after_seconds: float | None
    cause: str | None
    """What it may owe its firing to; None for a false fire, and for one that never fired."""
    ambiguous: bool
    """Whether the replay cannot be sure of one of these times."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one setting of an alert comes to."""

    hold_seconds: float
    threshold: float | None
    detections: tuple[Detection, ...]
    false_fires: int
    fired_before: int
    """Firings that went on when the load began."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An alert rule after its replay."""

    name: str
    severity: str
    place: str
    evaluations: int
    ambiguous_evaluations: int
    failed_evaluations: int
    hold_seconds: float
    """`for`: no detection of something new is sooner."""
    window_seconds: float
    """How far back it looks: something small is detected that much later at worst."""
    fired: tuple[Fired, ...]
    detections: tuple[Detection, ...]
    false_fires: int
    sweep: tuple[Trial, ...] = ()


@dataclass(slots=True)
class Report:
    """Everything that was found out."""

    run: str
    stretch: int
    causes: tuple[Cause, ...]
    load_seconds: float
    alerts: list[Judged] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def backtest(question: Question, interrupt: Interrupt) -> Report:
    """Replay every alert of some rule files over a recorded run. What cannot be read or evaluated is named, and the others are judged.

    Raises:
        BadInput: nothing was recorded in the run, or an option asks for what no alert has.
        Missing: a program is missing.
        Interrupted: somebody asked to stop.
    """
    question.run.recorded()  # Said before anything is started.
    groups, refused = _read(question.files)
    known = {rule.name for group in groups for rule in group.rules if rule.is_alert}
    for name in question.alerts:
        if name not in known and not refused:
            raise BadInput(f"--alert {name}: not among {', '.join(sorted(known)) or 'no alerts'}")
    asked = [(group, rule) for group in groups for rule in group.rules if question.asks_for(rule)]
    kept = sweep.without_limit(asked, question.which_threshold) if question.thresholds else ()
    with Bench(question.run, groups, question.stretch, question.history, interrupt) as bench:
        return _Judge(question, groups, bench, interrupt).report(refused, kept)


def _read(files: Sequence[Path]) -> tuple[list[Group], list[Refused]]:
    """The groups of all files without the rules that Prometheus refuses, and everything that is wrong."""
    groups: list[Group] = []
    refused: list[Refused] = []
    for file in files:
        found, mistakes = promtool.examined(file)
        groups += [_without(group, [mistake.rule for mistake in mistakes]) for group in found]
        refused += [Refused(mistake.place, mistake.text) for mistake in mistakes]
    return groups, refused


def _without(group: Group, broken: Sequence[Rule | None]) -> Group:
    return replace(
        group, rules=tuple(rule for rule in group.rules if not any(rule is one for one in broken))
    )


class _Judge:
    def __init__(
        self, question: Question, groups: Sequence[Group], bench: Bench, interrupt: Interrupt
    ) -> None:
        self._question, self._groups, self._bench, self._interrupt = (
            question,
            groups,
            bench,
            interrupt,
        )
        run = question.run.read()
        clock = bench.clock
        if run.window is None:
            raise BadInput(f"{question.run.folder}: nothing was recorded in this run")
        self._start, self._end = clock.seconds(run.window.start), clock.seconds(run.window.end)
        self._causes = tuple(
            replace(one, start=clock.seconds(one.start), end=clock.seconds(one.end))
            for one in causes.of_run(run)
        )
        self._reach_ms = attribution_window.reaches(groups)
        self._recorded_by = run.versions.get("prometheus", "")

    def report(self, refused: Sequence[Refused], kept: Sequence[str]) -> Report:
        """`kept`: what is to be said of alerts that keep their condition in a sweep."""
        report = Report(
            self._question.run.id,
            self._question.stretch,
            self._relative_causes(),
            round(self._end - self._start, 3),
        )
        report.refused = [*refused, *self._bench.refused]
        report.remarks = [
            *kept,
            *warnings.of_versions(self._recorded_by, self._bench.prom.version()),
            *self._bench.remarks,
        ]
        asked = {
            rule.name
            for group in self._groups
            for rule in group.rules
            if self._question.asks_for(rule)
        }
        report.remarks += warnings.of_groups(
            self._groups,
            asked,
            self._bench.names(),
            self._end - self._start,
            self._question.stretch,
        )
        for group in self._groups:
            times, interval_ms = self._bench.timeline.times_of(group)
            if not times and any(rule.name in asked for rule in group.rules):
                report.remarks.append(warnings.never_evaluated(group, interval_ms))
            evaluated = list(self._evaluated(group, report.refused))
            for (rule, _), seen in zip(
                evaluated,
                visibility.seen(self._bench, group, evaluated, self._interrupt),
                strict=True,
            ):
                report.alerts.append(self._judged(group, rule, seen, report.remarks))
        report.remarks += warnings.unasked(self._bench.unasked)
        return report

    def _evaluated(
        self, group: Group, refused: list[Refused]
    ) -> Iterator[tuple[Rule, list[Vector]]]:
        """The group's alerts that are asked for and can be judged, with what their expressions gave."""
        for rule in self._interrupt.heeded(group.rules):
            if self._question.asks_for(rule):
                try:
                    label_templates.need_known(rule)
                except BadInput as error:
                    refused.append(Refused(rule.place, f"{rule.name}: {error}"))
                    continue
                try:
                    yield rule, self._bench.vectors(group, rule, rule.expr)
                except (QueryRefused, BadInput) as error:
                    refused.append(
                        Refused(rule.expr_place, f"{rule.name}: {getattr(error, 'answer', error)}")
                    )

    def _relative_causes(self) -> tuple[Cause, ...]:
        return tuple(
            replace(
                one, start=round(one.start - self._start, 3), end=round(one.end - self._start, 3)
            )
            for one in self._causes
        )

    def _judged(self, group: Group, rule: Rule, seen: Seen, remarks: list[str]) -> Judged:
        times, interval_ms = self._bench.timeline.times_of(group)
        replay = self._replay(group, rule)
        found = episodes(replay, zip(times, seen.vectors, strict=True))
        remarks += self._failed(rule, len(times), replay.failures)
        return Judged(
            name=rule.name,
            severity=rule.labels.get("severity", ""),
            place=rule.place,
            evaluations=len(times),
            ambiguous_evaluations=len(seen.unsure),
            failed_evaluations=len(replay.failures),
            hold_seconds=rule.hold_ms / 1000,
            window_seconds=self._reach_ms[rule.place] / 1000,
            fired=tuple(self._fired(one, rule, interval_ms, seen.unsure) for one in found),
            detections=self._detections(found, rule),
            false_fires=self._false_fires(found, rule),
            sweep=tuple(self._swept(group, rule, times)),
        )

    def _replay(self, group: Group, rule: Rule) -> Replay:
        return Replay(rule, group.limit, self._bench.silence_of(group))

    def _failed(self, rule: Rule, evaluations: int, failures: Mapping[int, str]) -> Iterator[str]:
        """A sentence, if evaluations fail."""
        if failures:
            first, why = next(iter(failures.items()))
            yield warnings.failures(
                rule,
                evaluations,
                first / 1000 - self._start,
                self._bench.reason(rule, first, why),
                len(failures),
            )

    # -- against the truth

    def _truth(self, rule: Rule) -> Truth:
        lingers = attribution_window.seconds(
            rule, self._reach_ms[rule.place], self._bench.clock.factor
        )
        return Truth.about(rule.name, self._causes, lingers)

    def _detections(self, found: Sequence[Episode], rule: Rule) -> tuple[Detection, ...]:
        """Without what began to fire when the load had ended: that there was none any more set it off."""
        met = self._truth(rule).detections(
            [one for one in found if one.firing_ms is None or one.firing_ms <= self._end * 1000]
        )
        return tuple(
            replace(
                one,
                delay_seconds=_rounded(one.delay_seconds),
                began=round(one.began - self._start, 3),
            )
            for one in met
        )

    def _false_fires(self, found: Sequence[Episode], rule: Rule) -> int:
        """Of the load: what fired already when it began was there before."""
        truth = self._truth(rule)
        fired = [one for one in found if self._is_of_load(one) and rule.name != HEARTBEAT]
        return sum(truth.cause_of(one) is None for one in fired)

    def _is_of_load(self, one: Episode) -> bool:
        return one.firing_ms is not None and self._start <= one.firing_ms / 1000 <= self._end

    def _fired(self, one: Episode, rule: Rule, interval_ms: int, unsure: frozenset[int]) -> Fired:
        cause = self._truth(rule).cause_of(one) if self._is_of_load(one) else None
        moments = [
            moment
            for moment in (one.pending_ms, one.firing_ms, one.resolved_ms)
            if moment is not None
        ]
        return Fired(
            labels={name: value for name, value in one.labels if name != "alertname"},
            pending_after_seconds=self._after(one.pending_ms),
            firing_after_seconds=self._after(one.firing_ms),
            resolved_after_seconds=self._after(one.resolved_ms),
            cause=cause.name if cause else None,
            ambiguous=any(moment in unsure or moment - interval_ms in unsure for moment in moments),
        )

    def _after(self, moment_ms: int | None) -> float | None:
        return None if moment_ms is None else _rounded(moment_ms / 1000 - self._start)

    # -- other settings

    def _swept(self, group: Group, rule: Rule, times: Sequence[int]) -> Iterator[Trial]:
        """Every `for` with every threshold. One comparison with a number is evaluated once for all."""
        question = self._question
        limit = self._limit(group, rule)
        if not question.holds_ms and limit is None:
            return
        evaluated = partial(self._bench.vectors, group, rule)
        for value, vectors in (
            limit.tried(question.thresholds, evaluated) if limit else [(None, evaluated(rule.expr))]
        ):
            for hold_ms in self._interrupt.heeded(question.holds_ms or (rule.hold_ms,)):
                other = replace(rule, hold_ms=hold_ms)
                found = episodes(self._replay(group, other), zip(times, vectors, strict=True))
                before = sum(one.is_firing_at(self._start) for one in found)
                yield Trial(
                    hold_ms / 1000,
                    value,
                    self._detections(found, other),
                    self._false_fires(found, other),
                    before,
                )

    def _limit(self, group: Group, rule: Rule) -> Limit | None:
        """What thresholds are tried instead of; None where the alert keeps its condition."""
        if self._question.thresholds:
            with suppress(BadInput):  # It is said before anything is replayed.
                return sweep.limit(group, rule, self._question.which_threshold)
        return None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
