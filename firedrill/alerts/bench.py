"""A recorded run on the bench: its samples under a Prometheus, stretched or with history before them, and new recorded series added."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from firedrill.alerts import ambiguity, expression, grid, rulefile
from firedrill.alerts.ambiguity import COMMIT_MS
from firedrill.alerts.replay import SILENT_AFTER_START
from firedrill.alerts.stretch import MARGIN_SECONDS, Clock, copy
from firedrill.errors import BadInput
from firedrill.prom import QueryRefused
from firedrill.stack import remote
from firedrill.stack.reopened import Reopened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from firedrill.alerts.ambiguity import Late
    from firedrill.alerts.replay import Labels
    from firedrill.alerts.rulefile import Group, Rule
    from firedrill.drill.record import Run
    from firedrill.interrupt import Interrupt
    from firedrill.prom import Prometheus

DEFAULT_INTERVAL_MS = 1_000
"""prometheus.yml's evaluation_interval, in a drill's time."""
MOST_ASKED = 2_000
"""Questions a group, a millisecond or two each. Of a rule for which there are more, all from the first one on is unsure."""
UNKNOWN_LAG_MS = 250
"""How late an evaluation is taken to end at most where the run's Prometheus was not scraped."""
GAP_SECONDS = 5.0
"""A longer time without any scrape is said."""
LOOKBACK_SECONDS = 300.0
"""Prometheus's own: for so long it goes on with the last sample of a series that nobody marked as ended."""
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""Prometheus's mark for a series that has ended."""


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
        self, run: Run, groups: Sequence[Group], factor: int, history: Run | None, interrupt: Interrupt, most_asked: int = MOST_ASKED
    ) -> None:
        self.most_asked = most_asked
        self._run, self._groups, self._history, self._interrupt = run, groups, history, interrupt
        self._recorded = run.recorded()
        self.clock = Clock(factor, round(self._recorded.end * 1000))
        self._was = _records(_loaded(run))
        self._recorders: dict[str, dict[int, int]] = {}
        self._was_in = {group.name: [rule.name for rule in group.rules if not rule.is_alert] for group in _loaded(run)}
        self._evaluations: dict[str, list[int]] = {}
        self._pages: dict[tuple[str, str], dict[int, int]] = {}
        self.refused: list[Refused] = []
        self.remarks: list[str] = []

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
        new = self._new_records()
        taken = _present(source, {rule.name for _, rule in new}, scraped)
        self.span_ms = self.clock.ms(scraped[0]), self.clock.ms(scraped[-1])
        is_copied = self.clock.factor > 1 or self._history is not None or bool(taken)
        self.prom = self._copied(source, scraped, taken) if is_copied else source
        self._backfill(new)

    def _scraped(self, source: Prometheus) -> list[int]:
        up = source.raw("up", self._recorded.start - MARGIN_SECONDS, self._recorded.end + MARGIN_SECONDS)
        times = sorted({round(time * 1000) for series in up for time, _ in series.points})
        if not times:
            raise BadInput(f"{self._run.folder}: nothing was scraped in this run")
        return times

    def _copied(self, source: Prometheus, scraped: Sequence[int], without: frozenset[str]) -> Prometheus:
        target = self._stack.enter_context(Reopened(None, self._interrupt)).prom
        if self._history:
            past = self._history.recorded()
            earlier = self._stack.enter_context(Reopened(past.data, self._interrupt)).prom
            clock = Clock(self.clock.factor, round(past.end * 1000), self.span_ms[0] - round(past.end * 1000) - 1000)
            copy(earlier.url, target.url, (past.start - MARGIN_SECONDS, past.end), clock, without)
            remote.write(target.url, _ended(remote.read(earlier.url, past.end - LOOKBACK_SECONDS, past.end), clock.ms(clock.anchor_ms) + 1))
        copy(source.url, target.url, (scraped[0] / 1000 - MARGIN_SECONDS, scraped[-1] / 1000 + 1), self.clock, without)
        return target

    # -- recorded series

    def _new_records(self) -> list[tuple[Group, Rule]]:
        """Recording rules whose series are not in the run as these rules would have recorded them, each after those it reads."""
        records = _records(self._groups)
        new: list[tuple[Group, Rule]] = []
        for name in _in_order(records):
            reads_new = _read_by(records[name]) & {rule.name for _, rule in new}
            if self.clock.factor > 1 or self._history or reads_new or not self._is_known(name, records[name]):
                new += records[name]
        return new

    def _is_known(self, name: str, records: Sequence[tuple[Group, Rule]]) -> bool:
        """Whether the run recorded this name by the same rules."""
        was = [_meaning(rule) for _, rule in self._was.get(name, ())]
        return all(_meaning(rule) in was for _, rule in records)

    def _backfill(self, new: Iterable[tuple[Group, Rule]]) -> None:
        for group, rule in new:
            times, interval_ms = self.times_of(group)
            try:
                vectors = grid.evaluate(self.prom, rule.expr, times, interval_ms)
            except QueryRefused as error:
                self.refused.append(Refused(rule.expr_place, f"{rule.name}: {error.answer}"))
                continue
            remote.write(self.prom.url, _as_series(rule, times, vectors))

    # -- evaluations

    def interval_of(self, group: Group) -> int:
        """Its evaluation interval in milliseconds."""
        return group.interval_ms or DEFAULT_INTERVAL_MS * self.clock.factor

    def times_of(self, group: Group) -> tuple[list[int], int]:
        """When a group is evaluated, as it was if the run had this group, and its interval."""
        interval_ms = self.interval_of(group)
        recorded = self.recorded_times(group)
        return recorded or grid.regular(*self.span_ms, interval_ms), interval_ms

    def recorded_times(self, group: Group) -> list[int]:
        """When the run evaluated a group of this name and interval; nothing if it had none."""
        if group.name not in self._evaluations:
            self._evaluations[group.name] = self._recorded_times(group)
        return self._evaluations[group.name]

    def _recorded_times(self, group: Group) -> list[int]:
        names = [name for name in self._was_in.get(group.name, ()) if name != grid.MARK]
        for selector in (
            f"{grid.MARK}{{group={expression.quoted(group.name)}}}",
            *(f'{{__name__=~"{"|".join(names)}"}}' for _ in names[:1]),
        ):
            times = sorted({time_ms for time_ms, _ in self._points(selector)})
            if grid.has_interval(times, self.interval_of(group)):
                return times
        return []

    def late(self, rule: Rule, group: Group) -> list[Late]:
        """What was under way while the rule was evaluated: scrapes of the pages it reads, and other groups that record for it."""
        if self.clock.factor > 1:
            return []  # There was no Prometheus that this is to equal.
        own = set(self._was_in.get(group.name, ()))
        selectors = [selector for selector in expression.selectors(rule.expr) if selector.name not in own]
        return [late for selector in selectors for late in self._late(selector)]

    def _late(self, selector: expression.Selector) -> list[Late]:
        if selector.name in self._was:
            lags = self._recorded_lags(selector.name)
            return [ambiguity.recordings(list(lags), list(lags.values()))]
        width = self.span_ms[1] - self.span_ms[0] + 1
        pages = self.prom.instant(f"group by (job, instance) (last_over_time({selector.text}[{width}ms]))", self.span_ms[1] / 1000)
        took = [self._took(page.labels.get("job", ""), page.labels["instance"]) for page in pages if "instance" in page.labels]
        return [ambiguity.scrapes(one) for one in took]

    def silence_of(self, group: Group) -> int:
        """Evaluations at the beginning that leave no trace, because this group was loaded as its Prometheus started."""
        return SILENT_AFTER_START if self._history is None and self.recorded_times(group) else 0

    def lags_ms(self, group: Group) -> list[int]:
        """How long after the time that it stands for each evaluation of the group had ended, as the run's Prometheus said of itself."""
        times = self.times_of(group)[0]
        name = expression.quoted(f".*;{re.escape(group.name)}")
        began, took = (
            dict(self._points(f"prometheus_rule_group_last_{what}{{rule_group=~{name}}}"))
            for what in ("evaluation_timestamp_seconds", "duration_seconds")
        )
        known: dict[int, int] = {}
        for scraped_ms in began.keys() & took.keys():
            began_ms = round(began[scraped_ms] * 1000)
            time_ms = times[max(0, bisect_right(times, began_ms) - 1)]
            known[time_ms] = began_ms - time_ms + round(took[scraped_ms] * 1000)
        longest = max(known.values(), default=UNKNOWN_LAG_MS)
        return [known.get(time_ms, longest) for time_ms in times]

    def samples(self, names: Collection[str]) -> list[Any]:
        """Everything recorded under these names, as prompb TimeSeries; an empty name stands for all."""
        start, end = self.span_ms[0] / 1000 - MARGIN_SECONDS, self.span_ms[1] / 1000 + 1
        return remote.read(self.prom.url, start, end, ".+" if "" in names else "|".join(sorted(names)))

    def readable_to(self, group: Group) -> Callable[[Mapping[str, str], int], int]:
        """When a sample, told by its labels and its time, could be read by a group's rules (milliseconds)."""
        own = set(self._was_in.get(group.name, ()))

        def readable(labels: Mapping[str, str], time_ms: int) -> int:
            if labels["__name__"] in own:
                return time_ms
            if labels["__name__"] in self._was:
                return time_ms + self._recorded_lags(labels["__name__"]).get(time_ms, 0) + COMMIT_MS
            took = self._took(labels.get("job", ""), labels.get("instance", "")).get(time_ms)
            return time_ms if took is None else time_ms + took + COMMIT_MS

        return readable

    def _recorded_lags(self, name: str) -> Mapping[int, int]:
        """By the time of each evaluation that recorded a name: how long after it the evaluation's group had ended."""
        if name not in self._recorders:
            groups = {group.name: group for group, _ in self._was[name]}.values()
            found = {at: lag for group in groups for at, lag in zip(self.times_of(group)[0], self.lags_ms(group), strict=True)}
            self._recorders[name] = dict(sorted(found.items()))
        return self._recorders[name]

    def _took(self, job: str, instance: str) -> Mapping[int, int]:
        """Of each scrape of a page, by its beginning."""
        if (job, instance) not in self._pages:
            found = self._points(f'scrape_duration_seconds{{job="{job}", instance="{instance}"}}')
            self._pages[job, instance] = {time_ms: round(seconds * 1000) for time_ms, seconds in found}
        return self._pages[job, instance]

    def _points(self, selector: str) -> list[tuple[int, float]]:
        # Rules are evaluated from Prometheus's start on, which is seconds before the first scrape.
        start, end = self.span_ms[0] / 1000 - MARGIN_SECONDS * self.clock.factor, self.span_ms[1] / 1000 + 1
        found = self.prom.raw(selector, start, end)
        return sorted((round(time * 1000), value) for series in found for time, value in series.points)


def gaps(scraped: Sequence[int], start: float) -> list[str]:
    """A sentence for each time without a scrape, counted from the load's start (Unix seconds)."""
    return [
        f"nothing was scraped for {(later - earlier) / 1000:.0f} s, {earlier / 1000 - start:.0f} s after the load began"
        for earlier, later in pairwise(scraped)
        if later - earlier > GAP_SECONDS * 1000
    ]


def _loaded(run: Run) -> list[Group]:
    """The groups that the run's own Prometheus had loaded; nothing where that was not kept."""
    return [group for file in sorted((run.folder / "prometheus" / "rules").glob("*.yml")) for group in rulefile.read(file)]


def _present(prom: Prometheus, names: set[str], scraped: Sequence[int]) -> frozenset[str]:
    """Those of the names that the data has series of."""
    if not names:
        return frozenset()
    selector = f'{{__name__=~"{"|".join(sorted(names))}"}}'
    return frozenset(series.labels["__name__"] for series in prom.raw(selector, scraped[0] / 1000 - 30, scraped[-1] / 1000 + 30))


def _records(groups: Iterable[Group]) -> dict[str, list[tuple[Group, Rule]]]:
    """Recording rules by the name that they record; several may record different labels of one."""
    records: dict[str, list[tuple[Group, Rule]]] = {}
    for group in groups:
        for rule in group.rules:
            if not rule.is_alert and rule.name != grid.MARK:
                records.setdefault(rule.name, []).append((group, rule))
    return records


def _in_order(records: Mapping[str, Sequence[tuple[Group, Rule]]]) -> list[str]:
    """The names, each after those that its rules read."""
    try:
        return list(
            TopologicalSorter({name: _read_by(listed) & records.keys() - {name} for name, listed in records.items()}).static_order()
        )
    except CycleError as error:
        raise BadInput(f"{records[error.args[1][0]][0][1].place}: recorded from each other: {', '.join(error.args[1])}") from error


def _read_by(rules: Iterable[tuple[Group, Rule]]) -> set[str]:
    return {selector.name for _, rule in rules for selector in expression.selectors(rule.expr)}


def _meaning(rule: Rule) -> tuple[list[str], Mapping[str, str]]:
    return rule.expr.split(), rule.labels


def _as_series(rule: Rule, times: Sequence[int], vectors: Sequence[dict[Labels, float] | None]) -> list[Any]:
    """What Prometheus would have written: a sample an evaluation, and a stale marker where a series was there the evaluation before."""
    series: dict[Labels, Any] = {}
    before: set[Labels] = set()
    for time_ms, vector in zip(times, vectors, strict=True):
        if vector is None:
            continue
        for labels, value in [*vector.items(), *((labels, STALE) for labels in before - vector.keys())]:
            series.setdefault(labels, remote.series(_record_labels(rule, labels))).samples.add(value=value, timestamp=time_ms)
        before = set(vector)
    return list(series.values())


def _ended(series: Sequence[Any], time_ms: int) -> Sequence[Any]:
    """The same series with nothing but the mark that they ended at this time."""
    for one in series:
        del one.samples[:]
        one.samples.add(value=STALE, timestamp=time_ms)
    return series


def _record_labels(rule: Rule, labels: Labels) -> dict[str, str]:
    return {**dict(labels), **rule.labels, "__name__": rule.name}
