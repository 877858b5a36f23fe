"""The replay environment: a recorded run under a Prometheus, with the series that rules need.

The samples are stretched, or get another run's history before them, and new recorded series are
added.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from firedrill.alerts.replay import evaluation_order, evaluation_times, loaded_rules
from firedrill.alerts.replay.alert_state import FAILED, UNWRITTEN_AFTER_START
from firedrill.alerts.replay.recording_rules import STALE, Recorder, as_series
from firedrill.alerts.replay.stepwise import StepwiseEvaluation
from firedrill.alerts.replay.timeline import Timeline, records
from firedrill.alerts.rules import dependencies, equivalence, expression, time_modifiers
from firedrill.alerts.scaling.intervals import SCRAPE_MS
from firedrill.alerts.scaling.stretch import MARGIN_SECONDS, Clock, copy
from firedrill.errors import BadInput
from firedrill.prometheus import remote
from firedrill.prometheus.client import QueryRefused
from firedrill.prometheus.recorded_data import LOOKBACK_SECONDS, RecordedPrometheus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from firedrill.alerts.replay.alert_state import Labels
    from firedrill.alerts.replay.ambiguity import Vector
    from firedrill.alerts.replay.evaluation_order import Unit
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.interrupt import Interrupt
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.run_folder import Run

MAX_QUERIES = 20_000
"""Queries for one group, some milliseconds each, whatever the number of its rules.

Enough for an hour of evaluations during the scrapes of three endpoints. If a rule needs more, all
of its evaluations from the first uncertain one on are ambiguous.
"""
BEFORE_LOAD_SECONDS = 1_000.0
"""How long before the load samples are read: an attached run records more than a margin."""
MAX_AGE_AT_START_SECONDS = 15.0
"""A Prometheus that was older when the record begins has a past that the record lacks."""
GAP_SECONDS = 5.0
"""A longer time without any scrape is reported."""


@dataclass(frozen=True, slots=True)
class RefusedRule:
    """A rule that could not be read or evaluated."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class RuleFailures:
    """The failed evaluations of one rule."""

    rule: Rule
    evaluations: int
    failed: int
    first_after_seconds: float
    """The first failure, counted from the load's start."""
    reason: str


class ReplayEnvironment:
    """A context manager that opens a run's samples under a Prometheus of its own.

    Recorded series that the groups need, and that the run lacks, are computed and added.

    Raises (on entering):
        BadInput: nothing was recorded in the run.
    """

    def __init__(
        self,
        run: Run,
        groups: Sequence[Group],
        factor: int,
        history: Run | None,
        interrupt: Interrupt,
        max_queries: int = MAX_QUERIES,
    ) -> None:
        self.max_queries = max_queries
        self._run, self._groups, self._history, self._interrupt = run, groups, history, interrupt
        self._recorded = run.recorded()
        self.clock = Clock(factor, round(self._recorded.end * 1000))
        # With the default, samples that are further apart than it would never be seen.
        self.lookback_seconds = LOOKBACK_SECONDS * factor
        self._loaded = loaded_rules.groups(run)
        self._loaded_records = records(self._loaded)
        self._look_back_ms = dependencies.look_back_ms(groups)
        self._stepped: dict[tuple[int, str], list[Vector]] = {}
        self.refused: list[RefusedRule] = []
        self.gaps_ms: list[tuple[int, int]] = []
        """Times without any scrape, from start to end, in Unix milliseconds."""
        self.failures: list[RuleFailures] = []
        """Failed evaluations of the recording rules that were computed."""
        self.not_queried: list[Rule] = []
        """Alerts whose uncertain evaluations need more queries than `max_queries`."""

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- samples

    def _open(self) -> None:
        source = self._stack.enter_context(
            RecordedPrometheus(self._recorded.data, self._interrupt)
        ).prom
        scraped = self._scrape_times(source)
        self.gaps_ms = find_gaps(scraped, self._recorded.start)
        units, circular = evaluation_order.units(self._groups)
        self.refused += [
            RefusedRule(
                rule.place,
                f"{rule.name}: recorded from what another group records from it; expected records"
                " that do not depend on each other",
            )
            for rule in circular
        ]
        known = self._units_in_run(units)
        new = [
            unit
            for unit in units
            if evaluation_order.needs_steps(unit[0][0]) or id(unit) not in known
        ]
        replaced = _present(source, {rule.name for unit in new for _, rule in unit}, scraped)
        self.span_ms = self.clock.ms(scraped[0]), self.clock.ms(scraped[-1])
        self._has_earlier_state = self._history is None and _is_older(source, scraped)
        is_copied = self.clock.factor > 1 or self._history is not None or bool(replaced)
        self.prom = self._copy(source, scraped, replaced) if is_copied else source
        self.timeline = Timeline(
            self.prom, self.span_ms, self.clock.factor, self._groups, self._loaded
        )
        for unit in self._interrupt.until_requested(new):
            if evaluation_order.needs_steps(unit[0][0]):
                self._evaluate_stepwise(unit, source if id(unit) in known else None)
            else:
                self._backfill(unit)

    def _scrape_times(self, source: Prometheus) -> list[int]:
        up = source.raw(
            "up", self._recorded.start - BEFORE_LOAD_SECONDS, self._recorded.end + MARGIN_SECONDS
        )
        times = sorted({round(time * 1000) for series in up for time, _ in series.points})
        if not times:
            raise BadInput(f"{self._run.folder}: nothing was scraped in this run")
        return times

    def _copy(
        self, source: Prometheus, scraped: Sequence[int], without: frozenset[str]
    ) -> Prometheus:
        """Return a Prometheus with the stretched samples, without series that are made anew."""
        target = self._stack.enter_context(
            RecordedPrometheus(None, self._interrupt, lookback_seconds=self.lookback_seconds)
        ).prom
        if self._history:
            self._copy_history(self._history, target, without)
        span = scraped[0] / 1000 - MARGIN_SECONDS, scraped[-1] / 1000 + 1
        copy(source.url, target.url, span, self.clock, without)
        return target

    def _copy_history(self, history: Run, target: Prometheus, without: frozenset[str]) -> None:
        past = history.recorded()
        source = self._stack.enter_context(RecordedPrometheus(past.data, self._interrupt)).prom
        end_ms = round(past.end * 1000)
        clock = Clock(self.clock.factor, end_ms, self.span_ms[0] - end_ms - 1000)
        copy(source.url, target.url, (past.start - MARGIN_SECONDS, past.end), clock, without)
        last = remote.read(source.url, past.end - LOOKBACK_SECONDS, past.end)
        remote.write(target.url, _only_ends(last, clock.ms(clock.anchor_ms) + 1))

    # -- recorded series

    def _units_in_run(self, units: Sequence[Unit]) -> set[int]:
        """Return the ids of the units that the run recorded by the same rules."""
        if self.clock.factor > 1 or self._history:
            return set()
        known: set[int] = set()
        new_names: set[str] = set()
        for unit in units:
            if all(
                self._was_recorded(group, rule) and not evaluation_order.reads(rule) & new_names
                for group, rule in unit
            ):
                known.add(id(unit))
            else:
                new_names |= {rule.name for _, rule in unit}
        return known

    def _was_recorded(self, group: Group, rule: Rule) -> bool:
        """Return whether the run recorded this name by the same rule."""
        return any(
            _meaning(*loaded) == _meaning(group, rule)
            for loaded in self._loaded_records.get(rule.name, ())
        )

    def _backfill(self, unit: Unit) -> None:
        written: list[tuple[int, dict[Labels, float]]] = []
        for group, rule in unit:
            times, interval_ms = self.timeline.times_of(group)
            try:
                vectors = evaluation_times.evaluate(self.prom, rule.expr, times, interval_ms)
            except (QueryRefused, BadInput) as error:
                self.refused.append(refused_expression(rule, error))
                continue
            recorder = Recorder(rule, group.limit)
            written += [
                (time_ms, recorder.record(time_ms, vector))
                for time_ms, vector in zip(times, vectors, strict=True)
            ]
            self.failures += self.rule_failures(rule, len(times), recorder.failures)
        remote.write(self.prom.url, as_series(written))

    def _evaluate_stepwise(self, unit: Unit, recorded_by: Prometheus | None) -> None:
        """Evaluate the rules of a group step by step.

        Args:
            unit: The group's recording rules.
            recorded_by: A Prometheus with the series that they recorded in the run, if they did.
        """
        group = unit[0][0]
        names = {rule.name for _, rule in unit}
        rules = [
            rule
            for index, rule in enumerate(group.rules)
            if rule.name in names or evaluation_order.read_before_recorded(group, index)
        ]
        times, interval_ms = self.timeline.times_of(group)
        if not times:
            return
        recorded = None
        if recorded_by:
            pattern = "|".join(sorted(names))
            recorded = remote.read(recorded_by.url, times[0] / 1000, times[-1] / 1000, pattern)
        able = [rule for rule in rules if self._can_be_stepped(rule, times)]
        steps = StepwiseEvaluation(self.prom, group, able, recorded, times, interval_ms)
        steps.evaluate(self._interrupt.until_requested(times))
        self._stepped |= steps.vectors
        for recorder in steps.recorders.values():
            failures = self.rule_failures(recorder.rule, len(times), recorder.failures)
            self.failures += failures

    def _can_be_stepped(self, rule: Rule, times: Sequence[int]) -> bool:
        """Return whether a rule can be evaluated; note a recording rule that cannot.

        An alert is noted when it is judged.
        """
        result = expression.unusable_result(rule.expr)
        why = (
            f"gives {result}; expected a vector or a number"
            if result
            else self._why_refused(rule.expr, times[0])
        )
        if why and not rule.is_alert:
            self.refused.append(RefusedRule(rule.expr_place, f"{rule.name}: {why}"))
        return why is None

    def _why_refused(self, expr: str, time_ms: int) -> str | None:
        try:
            time_modifiers.refuse_future(expr, time_ms)
            evaluation_times.evaluate_at(self.prom, expr, time_ms)
        except (QueryRefused, BadInput) as error:
            return _text_of(error)
        return None

    def rule_failures(
        self, rule: Rule, evaluations: int, failures: Mapping[int, str]
    ) -> list[RuleFailures]:
        """Return how often a rule's evaluations failed, and why the first did; [] if none did.

        Args:
            rule: The rule.
            evaluations: How many there were.
            failures: The reasons by time, in order.
        """
        if not failures:
            return []
        first_ms, reason = next(iter(failures.items()))
        return [
            RuleFailures(
                rule=rule,
                evaluations=evaluations,
                failed=len(failures),
                first_after_seconds=first_ms / 1000 - self.clock.seconds(self._recorded.start),
                reason=self._failure_reason(rule, first_ms, reason),
            )
        ]

    def _failure_reason(self, rule: Rule, time_ms: int, reason: str) -> str:
        """Return why a rule failed, in Prometheus's words if its expression did."""
        if reason == FAILED:
            try:
                self.prom.instant(rule.expr, time_ms / 1000)
            except QueryRefused as error:
                return error.answer
        return reason

    # -- what rules gave

    def vectors(self, group: Group, rule: Rule, expr: str) -> list[Vector]:
        """Return what an alert's expression gave at each evaluation, by the samples' time stamps.

        `expr` is the alert's expression, or the measured side of its comparison. None where it
        failed.

        Raises:
            QueryRefused: it is no valid expression.
            BadInput: it reads what is recorded later.
        """
        stepped = self._stepped.get((id(rule), expr))
        if stepped is not None:
            return stepped
        return list(evaluation_times.evaluate(self.prom, expr, *self.timeline.times_of(group)))

    def names(self) -> frozenset[str]:
        """Return the names of all series, new recorded ones included."""
        return self.prom.names()

    def unwritten_evaluations(self, group: Group) -> int:
        """Return how many first evaluations wrote nothing, because Prometheus had just started."""
        is_from_start = (
            self._history is None
            and not self._has_earlier_state
            and self.timeline.recorded_times(group)
        )
        return UNWRITTEN_AFTER_START if is_from_start else 0

    def times_before_record(self, group: Group, rule: Rule) -> frozenset[int]:
        """Return the evaluations at which an alert depends on what was before the record.

        It does by its windows, and by what was pending or kept firing.
        """
        if not self._has_earlier_state:
            return frozenset()
        times, interval_ms = self.timeline.times_of(group)
        # The look-back, `for` and `keep_firing_for` each end at an evaluation only.
        memory_ms = dependencies.memory_ms(rule, self._look_back_ms[rule.place]) + 3 * interval_ms
        first_ms = max(times[0], self.span_ms[0])
        return frozenset(time_ms for time_ms in times if time_ms <= first_ms + memory_ms)

    def samples(self, exprs: Iterable[str]) -> list[Any]:
        """Return all samples that these expressions read, as prompb TimeSeries."""
        start, end = self.span_ms[0] / 1000 - MARGIN_SECONDS, self.span_ms[1] / 1000 + 1
        matchers = dict.fromkeys(
            selector.all_matchers for expr in exprs for selector in expression.selectors(expr)
        )
        read = remote.read_matching(self.prom.url, start, end, list(matchers))
        by_labels = {
            tuple((label.name, label.value) for label in series.labels): series for series in read
        }
        return list(by_labels.values())


def refused_expression(rule: Rule, error: QueryRefused | BadInput) -> RefusedRule:
    """Return a rule whose expression was refused, with Prometheus's answer if it has one."""
    return RefusedRule(rule.expr_place, f"{rule.name}: {_text_of(error)}")


def _text_of(error: QueryRefused | BadInput) -> str:
    return str(getattr(error, "answer", error))


def find_gaps(scraped: Sequence[int], start: float) -> list[tuple[int, int]]:
    """Return the times without a scrape that end after the load's start (Unix seconds)."""
    return [
        (earlier, later)
        for earlier, later in pairwise(scraped)
        if later - earlier > GAP_SECONDS * 1000 and later / 1000 > start
    ]


def _is_older(prom: Prometheus, scraped: Sequence[int]) -> bool:
    """Return whether the run's Prometheus had started long before the record begins."""
    started = prom.number(
        "min(min_over_time(process_start_time_seconds{job='prometheus'}[1h]))", scraped[-1] / 1000
    )
    return started is not None and started < scraped[0] / 1000 - MAX_AGE_AT_START_SECONDS


def _present(prom: Prometheus, names: set[str], scraped: Sequence[int]) -> frozenset[str]:
    """Return those of the names that the data has series of."""
    if not names:
        return frozenset()
    selector = f'{{__name__=~"{"|".join(sorted(names))}"}}'
    return frozenset(
        labels["__name__"]
        for labels in prom.label_sets(selector, scraped[0] / 1000 - 30, scraped[-1] / 1000 + 30)
    )


def _meaning(group: Group, rule: Rule) -> tuple[object, ...]:
    """Return everything that decides on the series that a rule records."""
    index = next(index for index, other in enumerate(group.rules) if other is rule)
    return (
        equivalence.normalize(rule.expr),
        dict(rule.labels),
        evaluation_order.read_before_recorded(group, index),
        group.interval_ms or SCRAPE_MS,
        group.limit,
    )


def _only_ends(series: Sequence[Any], time_ms: int) -> Sequence[Any]:
    """Replace the samples of series by a stale marker at this time."""
    for item in series:
        del item.samples[:]
        item.samples.add(value=STALE, timestamp=time_ms)
    return series
