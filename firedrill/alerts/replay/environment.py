"""A recorded run on the bench: its samples under a Prometheus, stretched or with history before them, and new recorded series added."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from firedrill.alerts.backtest import attribution_window, warnings
from firedrill.alerts.replay import evaluation_order, evaluation_times, loaded_rules
from firedrill.alerts.replay.alert_state import FAILED, SILENT_AFTER_START
from firedrill.alerts.replay.recording_rules import STALE, Recorder, as_series
from firedrill.alerts.replay.stepwise import Steps
from firedrill.alerts.replay.timeline import Timeline, records
from firedrill.alerts.rules import equivalence, expression, time_modifiers
from firedrill.alerts.scaling.intervals import SCRAPE_MS
from firedrill.alerts.scaling.stretch import MARGIN_SECONDS, Clock, copy
from firedrill.errors import BadInput
from firedrill.prometheus import remote
from firedrill.prometheus.client import QueryRefused
from firedrill.prometheus.recorded_data import LOOKBACK_SECONDS, Reopened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from firedrill.alerts.replay.alert_state import Labels
    from firedrill.alerts.replay.ambiguity import Vector
    from firedrill.alerts.replay.evaluation_order import Unit
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.interrupt import Interrupt
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.run_folder import Run

MOST_ASKED = 20_000
"""Questions a group, some milliseconds each, whatever the number of its rules: an hour of evaluations amid the scrapes of three pages.

Of a rule for which there are more, all from the first one on is unsure.
"""
BEFORE_SECONDS = 1_000.0
"""What was recorded so long before the load is taken in: where a run was attached to what ran already, more than its own margin."""
BEGUN_SECONDS = 15.0
"""A Prometheus that was older than this when the record begins has a past that the record does not have."""
GAP_SECONDS = 5.0
"""A longer time without any scrape is said."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule that could not be evaluated."""

    place: str
    text: str


class Bench:
    """A context manager: the run's samples under a Prometheus of its own, with the recorded series that these groups need.

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
        most_asked: int = MOST_ASKED,
    ) -> None:
        self.most_asked = most_asked
        self._run, self._groups, self._history, self._interrupt = run, groups, history, interrupt
        self._recorded = run.recorded()
        self.clock = Clock(factor, round(self._recorded.end * 1000))
        self.lookback_seconds = (
            LOOKBACK_SECONDS * factor
        )  # Else samples that are further apart than that would never be seen.
        self._loaded = loaded_rules.groups(run)
        self._was = records(self._loaded)
        self._reach_ms = attribution_window.reaches(groups)
        self._stepped: dict[tuple[int, str], list[Vector]] = {}
        self.refused: list[Refused] = []
        self.remarks: list[str] = []
        self.unasked: list[Rule] = []
        """Alerts with more open evaluations than are asked."""

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
        source = self._stack.enter_context(Reopened(self._recorded.data, self._interrupt)).prom
        scraped = self._scraped(source)
        self.remarks += gaps(scraped, self._recorded.start)
        units, circular = evaluation_order.units(self._groups)
        self.refused += [
            Refused(rule.place, f"{rule.name}: recorded from what another group records from it")
            for rule in circular
        ]
        known = self._known(units)
        new = [
            unit
            for unit in units
            if evaluation_order.is_stepped(unit[0][0]) or id(unit) not in known
        ]
        taken = _present(source, {rule.name for unit in new for _, rule in unit}, scraped)
        self.span_ms = self.clock.ms(scraped[0]), self.clock.ms(scraped[-1])
        started = source.number(
            "min(min_over_time(process_start_time_seconds{job='prometheus'}[1h]))",
            scraped[-1] / 1000,
        )
        self._has_a_past = (
            self._history is None
            and started is not None
            and started < scraped[0] / 1000 - BEGUN_SECONDS
        )
        is_copied = self.clock.factor > 1 or self._history is not None or bool(taken)
        self.prom = self._copied(source, scraped, taken) if is_copied else source
        self.timeline = Timeline(
            self.prom, self.span_ms, self.clock.factor, self._groups, self._loaded
        )
        for unit in self._interrupt.heeded(new):
            if evaluation_order.is_stepped(unit[0][0]):
                self._step(unit, source if id(unit) in known else None)
            else:
                self._backfill(unit)

    def _scraped(self, source: Prometheus) -> list[int]:
        up = source.raw(
            "up", self._recorded.start - BEFORE_SECONDS, self._recorded.end + MARGIN_SECONDS
        )
        times = sorted({round(time * 1000) for series in up for time, _ in series.points})
        if not times:
            raise BadInput(f"{self._run.folder}: nothing was scraped in this run")
        return times

    def _copied(
        self, source: Prometheus, scraped: Sequence[int], without: frozenset[str]
    ) -> Prometheus:
        target = self._stack.enter_context(
            Reopened(None, self._interrupt, lookback_seconds=self.lookback_seconds)
        ).prom
        if self._history:
            past = self._history.recorded()
            earlier = self._stack.enter_context(Reopened(past.data, self._interrupt)).prom
            clock = Clock(
                self.clock.factor,
                round(past.end * 1000),
                self.span_ms[0] - round(past.end * 1000) - 1000,
            )
            copy(earlier.url, target.url, (past.start - MARGIN_SECONDS, past.end), clock, without)
            remote.write(
                target.url,
                _ended(
                    remote.read(earlier.url, past.end - LOOKBACK_SECONDS, past.end),
                    clock.ms(clock.anchor_ms) + 1,
                ),
            )
        copy(
            source.url,
            target.url,
            (scraped[0] / 1000 - MARGIN_SECONDS, scraped[-1] / 1000 + 1),
            self.clock,
            without,
        )
        return target

    # -- recorded series

    def _known(self, units: Sequence[Unit]) -> set[int]:
        """Those whose series are in the run as these rules would have recorded them."""
        if self.clock.factor > 1 or self._history:
            return set()
        known: set[int] = set()
        new: set[str] = set()
        for unit in units:
            if all(
                self._is_known(group, rule) and not evaluation_order.reads(rule) & new
                for group, rule in unit
            ):
                known.add(id(unit))
            else:
                new |= {rule.name for _, rule in unit}
        return known

    def _is_known(self, group: Group, rule: Rule) -> bool:
        """Whether the run recorded this name by the same rule."""
        return any(_meaning(*one) == _meaning(group, rule) for one in self._was.get(rule.name, ()))

    def _backfill(self, unit: Unit) -> None:
        written: list[tuple[int, dict[Labels, float]]] = []
        for group, rule in unit:
            times, interval_ms = self.timeline.times_of(group)
            try:
                vectors = evaluation_times.evaluate(self.prom, rule.expr, times, interval_ms)
            except (QueryRefused, BadInput) as error:
                self.refused.append(
                    Refused(rule.expr_place, f"{rule.name}: {getattr(error, 'answer', error)}")
                )
                continue
            recorder = Recorder(rule, group.limit)
            written += [
                (time_ms, recorder.record(time_ms, vector))
                for time_ms, vector in zip(times, vectors, strict=True)
            ]
            self._note_failures(rule, len(times), recorder.failures)
        remote.write(self.prom.url, as_series(written))

    def _step(self, unit: Unit, recorded_by: Prometheus | None) -> None:
        """Evaluate the rules of a group one by one; what a run has recorded is taken from there."""
        group = unit[0][0]
        names = {rule.name for _, rule in unit}
        rules = [
            rule
            for number, rule in enumerate(group.rules)
            if rule.name in names or evaluation_order.read_early(group, number)
        ]
        times, interval_ms = self.timeline.times_of(group)
        if not times:
            return
        recorded = (
            remote.read(recorded_by.url, times[0] / 1000, times[-1] / 1000, "|".join(sorted(names)))
            if recorded_by
            else None
        )
        able = [rule for rule in rules if self._can_be_stepped(rule, times)]
        steps = Steps(self.prom, group, able, recorded, times, interval_ms)
        steps.evaluate(self._interrupt.heeded(times))
        self._stepped |= steps.vectors
        for recorder in steps.recorders.values():
            self._note_failures(recorder.rule, len(times), recorder.failures)

    def _can_be_stepped(self, rule: Rule, times: Sequence[int]) -> bool:
        """Whether a rule can be evaluated step by step. What an alert is refused for is said when it is judged."""
        wrong = expression.wrong_result(rule.expr)
        why = (
            f"gives {wrong}; expected a vector or a number"
            if wrong
            else self._why_refused(rule.expr, times[0])
        )
        if why and not rule.is_alert:
            self.refused.append(Refused(rule.expr_place, f"{rule.name}: {why}"))
        return why is None

    def _why_refused(self, expr: str, time_ms: int) -> str | None:
        try:
            time_modifiers.need_past(expr, time_ms)
            evaluation_times.at(self.prom, expr, time_ms)
        except (QueryRefused, BadInput) as error:
            return str(getattr(error, "answer", error))
        return None

    def _note_failures(self, rule: Rule, evaluations: int, failures: Mapping[int, str]) -> None:
        if failures:
            first, why = next(iter(failures.items()))
            after = first / 1000 - self.clock.seconds(self._recorded.start)
            self.remarks.append(
                warnings.failures(
                    rule, evaluations, after, self.reason(rule, first, why), len(failures)
                )
            )

    # -- what rules gave

    def vectors(self, group: Group, rule: Rule, expr: str) -> list[Vector]:
        """What an alert's expression, or what it compares, gave at each evaluation by the samples' time stamps; None where it failed.

        Raises:
            QueryRefused: it is no valid expression.
            BadInput: it reads what is recorded later.
        """
        stepped = self._stepped.get((id(rule), expr))
        return (
            list(evaluation_times.evaluate(self.prom, expr, *self.timeline.times_of(group)))
            if stepped is None
            else stepped
        )

    def names(self) -> frozenset[str]:
        """Of all series that there are, new recorded ones included."""
        return self.prom.names()

    def reason(self, rule: Rule, time_ms: int, why: str) -> str:
        """Why a rule fails at a time, in Prometheus's words where it is the expression that does."""
        if why == FAILED:
            try:
                self.prom.instant(rule.expr, time_ms / 1000)
            except QueryRefused as error:
                return error.answer
        return why

    def silence_of(self, group: Group) -> int:
        """Evaluations at the beginning that leave no trace, because this group was loaded as its Prometheus started."""
        return (
            SILENT_AFTER_START
            if self._history is None
            and not self._has_a_past
            and self.timeline.recorded_times(group)
            else 0
        )

    def unsettled(self, group: Group, rule: Rule) -> frozenset[int]:
        """Evaluations at which an alert depends on what was before the record: by its windows, or by what was pending or kept firing."""
        if not self._has_a_past:
            return frozenset()
        times, interval_ms = self.timeline.times_of(group)
        # What it looks back on, `for` and `keep_firing_for` are each over at an evaluation only.
        settled_ms = (
            attribution_window.settled_ms(rule, self._reach_ms[rule.place]) + 3 * interval_ms
        )
        return frozenset(
            time_ms for time_ms in times if time_ms <= max(times[0], self.span_ms[0]) + settled_ms
        )

    def samples(self, exprs: Iterable[str]) -> list[Any]:
        """Everything recorded that these expressions read, as prompb TimeSeries."""
        start, end = self.span_ms[0] / 1000 - MARGIN_SECONDS, self.span_ms[1] / 1000 + 1
        selectors = dict.fromkeys(
            selector.all_matchers for expr in exprs for selector in expression.selectors(expr)
        )
        found = remote.read_matching(self.prom.url, start, end, list(selectors))
        return list(
            {
                tuple((label.name, label.value) for label in one.labels): one for one in found
            }.values()
        )


def gaps(scraped: Sequence[int], start: float) -> list[str]:
    """A sentence for each time without a scrape, counted from the load's start (Unix seconds)."""
    return [
        f"nothing was scraped for {(later - earlier) / 1000:.0f} s, {earlier / 1000 - start:.0f} s after the load began"
        for earlier, later in pairwise(scraped)
        if later - earlier > GAP_SECONDS * 1000 and later / 1000 > start
    ]


def _present(prom: Prometheus, names: set[str], scraped: Sequence[int]) -> frozenset[str]:
    """Those of the names that the data has series of."""
    if not names:
        return frozenset()
    selector = f'{{__name__=~"{"|".join(sorted(names))}"}}'
    return frozenset(
        labels["__name__"]
        for labels in prom.label_sets(selector, scraped[0] / 1000 - 30, scraped[-1] / 1000 + 30)
    )


def _meaning(group: Group, rule: Rule) -> tuple[object, ...]:
    """What decides on the series that a rule records."""
    number = next(number for number, one in enumerate(group.rules) if one is rule)
    early = evaluation_order.read_early(group, number)
    return (
        equivalence.of(rule.expr),
        dict(rule.labels),
        early,
        group.interval_ms or SCRAPE_MS,
        group.limit,
    )


def _ended(series: Sequence[Any], time_ms: int) -> Sequence[Any]:
    """The same series with nothing but the mark that they ended at this time."""
    for one in series:
        del one.samples[:]
        one.samples.add(value=STALE, timestamp=time_ms)
    return series
