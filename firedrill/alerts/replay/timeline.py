"""When a run's Prometheus evaluated what, and what was under way meanwhile: told from what it recorded of itself."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from functools import cached_property
from statistics import mode
from typing import TYPE_CHECKING, NamedTuple

from firedrill.alerts.replay import ambiguity, evaluation_durations, evaluation_times, loaded_rules
from firedrill.alerts.replay import stalls as waiting
from firedrill.alerts.replay.evaluation_durations import Evaluation, Reading
from firedrill.alerts.rules import expression
from firedrill.alerts.scaling.intervals import SCRAPE_MS
from firedrill.alerts.scaling.stretch import MARGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from firedrill.alerts.replay.ambiguity import Late
    from firedrill.alerts.replay.stalls import Span, Stalls
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.prometheus.client import Prometheus, Series

UNKNOWN_LAG_MS = 250
"""How late an evaluation is taken to end at most where the run's Prometheus was not scraped."""


class Lag(NamedTuple):
    """How long after its time an evaluation had ended, in milliseconds."""

    most: int
    likely: int


class Timeline:
    """Evaluations of groups, and when each sample could be read by them. Unix milliseconds, stretched by `factor`."""

    def __init__(
        self,
        prom: Prometheus,
        span_ms: tuple[int, int],
        factor: int,
        groups: Sequence[Group],
        were: Sequence[Group],
    ) -> None:
        """Of these groups, in a run that had loaded those that `were`; `prom` has its samples, in `span_ms`."""
        self._prom, self._span_ms, self._factor, self._loaded = prom, span_ms, factor, were
        self._was = records(were)
        self._origins = loaded_rules.origins(groups, were) | {group.place: group for group in were}
        self._evaluations: dict[str, list[int]] = {}
        self._read: dict[str, list[Reading]] = {}
        self._lates: dict[tuple[str, ...], Late] = {}

    def interval_of(self, group: Group) -> int:
        """Its evaluation interval in milliseconds."""
        return group.interval_ms or SCRAPE_MS * self._factor

    def times_of(self, group: Group) -> tuple[list[int], int]:
        """When a group is evaluated, as it was if the run had this group, and its interval."""
        interval_ms = self.interval_of(group)
        recorded = self.recorded_times(group)
        return recorded or evaluation_times.regular(*self._span_ms, interval_ms), interval_ms

    def recorded_times(self, group: Group) -> list[int]:
        """When the run evaluated this group, if it had it at this interval; else nothing."""
        if group.place not in self._evaluations:
            self._evaluations[group.place] = self._recorded_times(group)
        return self._evaluations[group.place]

    def _recorded_times(self, group: Group) -> list[int]:
        if not (origin := self._origins.get(group.place)):
            return []
        names = "|".join(sorted(self._own(group)))
        marked = f"{evaluation_times.MARK}{{group={expression.quoted(origin.name)}}}"
        for times in (
            self._marked(origin, marked),
            *(
                self._of_phase(origin, self._times(selector))
                for selector in (marked, *([f'{{__name__=~"{names}"}}'] if names else []))
            ),
        ):
            if evaluation_times.has_interval(times, self.interval_of(group)):
                return times
        return []

    def _times(self, selector: str) -> list[int]:
        return sorted({time_ms for time_ms, _ in self._points(selector)})

    def _marked(self, origin: Group, marked: str) -> list[int]:
        """When a group left the mark that no other group of its name leaves; nothing if it has none."""
        own = [dict(rule.labels) for rule in origin.rules if rule.name == evaluation_times.MARK]
        same_name = [one for one in self._loaded if one.name == origin.name]
        alike = [
            rule
            for one in same_name
            for rule in one.rules
            if rule.name == evaluation_times.MARK and dict(rule.labels) in own
        ]
        if len(own) != 1 or len(alike) != 1:
            return []
        series = (
            one
            for one in self._raw(marked)
            if {name: text for name, text in one.labels.items() if name != "__name__"} == own[0]
        )
        return sorted(round(time * 1000) for one in series for time, _ in one.points)

    def _of_phase(self, origin: Group, times: list[int]) -> list[int]:
        """Those that are the group's own, where another file had a group of the same name: each has a phase of its own."""
        if sum(one.name == origin.name for one in self._loaded) < 2:
            return times
        interval_ms = self.interval_of(origin)
        began = [
            round(seconds * 1000)
            for _, seconds in self._said(origin, "evaluation_timestamp_seconds")
        ]
        phases = [
            times[at - 1] % interval_ms for moment in began if (at := bisect_right(times, moment))
        ]
        return [time_ms for time_ms in times if phases and time_ms % interval_ms == mode(phases)]

    def _said(self, group: Group, what: str) -> list[tuple[int, float]]:
        """What the run's Prometheus said of the last evaluation of a group that it had loaded, at each scrape of itself."""
        return [point for points in self._said_by(group, what).values() for point in points.items()]

    def _said_by(self, group: Group, what: str) -> dict[tuple[str, str], dict[int, float]]:
        """The same by job and instance."""
        key = re.escape(f"{loaded_rules.file_of(group)};{group.name}")
        found = self._raw(
            f"prometheus_rule_group_last_{what}{{rule_group=~{expression.quoted(f'(.*/)?{key}')}}}"
        )
        return {
            (one.labels.get("job", ""), one.labels.get("instance", "")): {
                round(time * 1000): value for time, value in one.points
            }
            for one in found
        }

    def _own(self, group: Group) -> set[str]:
        """Names of what the group recorded in the run."""
        origin = self._origins.get(group.place)
        return (
            {rule.name for rule in origin.rules if not rule.is_alert} - {evaluation_times.MARK}
            if origin
            else set()
        )

    def lags_ms(self, group: Group) -> list[Lag]:
        """How long after the time that it stands for each evaluation of the group had ended, as the run's Prometheus said of itself."""
        times = self.times_of(group)[0]
        if not self.recorded_times(group):
            return [Lag(UNKNOWN_LAG_MS, UNKNOWN_LAG_MS)] * len(
                times
            )  # What was said is of other times.
        known = self._evaluated(group)
        longest = max(
            (one.ended_ms - time_ms for time_ms, one in known.items() if one.is_certain),
            default=UNKNOWN_LAG_MS,
        )
        lags, next_began = [], math.inf
        for time_ms in reversed(times):
            unknown = self._stalls.settled(time_ms + longest) - ambiguity.COMMIT_MS
            one = known.get(time_ms, Evaluation(unknown, unknown, time_ms + longest))
            most = (
                int(min(one.ended_ms, next_began)) - time_ms
            )  # A group begins no evaluation before it has ended the one before.
            lags.append(Lag(most, min(most, one.likely_ms - time_ms)))
            next_began = min(one.began_ms, next_began)
        return lags[::-1]

    def _evaluated(self, group: Group) -> Mapping[int, Evaluation]:
        """Evaluations of a group by the time that they stand for, as far as the run's Prometheus said anything of them.

        It says so of the last one only: of two that came after each other between two scrapes of itself, as after a stall, of the second.
        """
        return evaluation_durations.read(
            self.recorded_times(group), self._readings(group), self._stalls.settled
        )

    def _readings(self, group: Group) -> list[Reading]:
        origin = self._origins.get(group.place, group)
        if origin.place not in self._read:
            self._read[origin.place] = self._read_of(origin)
        return self._read[origin.place]

    def _read_of(self, origin: Group) -> list[Reading]:
        began, took = (
            self._said_by(origin, what)
            for what in ("evaluation_timestamp_seconds", "duration_seconds")
        )
        found = []
        for page in began.keys() & took.keys():
            lasted = self._took(*page)
            for scraped_ms in began[page].keys() & took[page].keys():
                done_ms = scraped_ms + lasted.get(scraped_ms, 0) + ambiguity.COMMIT_MS
                found.append(
                    Reading(
                        scraped_ms,
                        done_ms,
                        round(began[page][scraped_ms] * 1000),
                        took[page][scraped_ms],
                    )
                )
        return sorted(found, key=lambda one: one.scraped_ms)

    @cached_property
    def _stalls(self) -> Stalls:
        """When the machine kept the run's Prometheus waiting."""
        late: list[Span] = []
        signs: list[int] = []
        for series in self._raw("up"):
            times = [round(time * 1000) for time, _ in series.points]
            signs += times
            late += waiting.late_scrapes(times)
        for group in self._loaded:
            times = self.recorded_times(group)
            # That one ended is a sign of life only if it is certain when, which depends on the stalls.
            said = evaluation_durations.read(times, self._readings(group), lambda time_ms: time_ms)
            known = {
                time_ms: (one.began_ms, one.ended_ms if one.is_certain else one.began_ms)
                for time_ms, one in said.items()
            }
            longest = max((began - time_ms for time_ms, (began, _) in known.items()), default=0)
            signs += [began for began, _ in known.values()]
            late += waiting.late_evaluations(times, self.interval_of(group), known, longest)
        return waiting.stalls(late, signs)

    def late(self, rule: Rule, group: Group) -> list[Late]:
        """What was under way while the rule was evaluated: scrapes of the pages it reads, and other groups that record for it."""
        if self._factor > 1:
            return []  # There was no Prometheus that this is to equal.
        own = self._own(group)
        selectors = [
            selector for selector in expression.selectors(rule.expr) if selector.name not in own
        ]
        return [late for selector in selectors for late in self._late(selector)]

    def _late(self, selector: expression.Selector) -> list[Late]:
        if selector.name in self._was:
            return [self._recordings(selector.name)]
        width = self._span_ms[1] - self._span_ms[0] + 1
        pages = self._prom.instant(
            f"group by (job, instance) (last_over_time({selector.text}[{width}ms]))",
            self._span_ms[1] / 1000,
        )
        return [
            self._scrapes(page.labels.get("job", ""), page.labels["instance"])
            for page in pages
            if "instance" in page.labels
        ]

    def _recorded_by(self, name: str) -> str:
        """The groups that recorded a name in the run."""
        return " ".join(sorted({group.place for group, _ in self._was[name]}))

    def source_of(self, labels: Mapping[str, str]) -> str:
        """Where a series comes from, as `late` names it."""
        name = labels["__name__"]
        return (
            self._recorded_by(name)
            if name in self._was
            else f"{labels.get('job', '')} {labels.get('instance', '')}"
        )

    def late_of(
        self, labels: Mapping[str, str], group: Group, early: Collection[str]
    ) -> Late | None:
        """How long the samples of a series took to be readable by those of a group's rules that read these names early; None: no time."""
        name = labels["__name__"]
        if name in early:
            return self._early(self.source_of(labels), group)
        if name in self._own(group):
            return None
        return (
            self._recordings(name)
            if name in self._was
            else self._scrapes(labels.get("job", ""), labels.get("instance", ""))
        )

    def _early(self, source: str, group: Group) -> Late:
        return self._once(
            ("early", source, group.place), lambda: ambiguity.early(source, *self.times_of(group))
        )

    def _recordings(self, name: str) -> Late:
        def made() -> Late:
            lags = self._recorded_lags(name)
            return ambiguity.recordings(self._recorded_by(name), list(lags), self._settled(lags))

        return self._once(("recorded", name), made)

    def _scrapes(self, job: str, instance: str) -> Late:
        return self._once(("scraped", job, instance), lambda: self._scraped(job, instance))

    def _scraped(self, job: str, instance: str) -> Late:
        took = self._took(job, instance)
        # A page is stored before the next scrape of it begins, whatever stalls.
        nexts = [time_ms + ambiguity.COMMIT_MS for time_ms in took][1:]
        settled = [
            min(most, following - begun)
            for begun, most, following in zip(
                took, self._settled(took), [*nexts, math.inf], strict=True
            )
        ]
        return ambiguity.scrapes(f"{job} {instance}", took, [int(most) for most in settled])

    def _settled(self, took: Mapping[int, int]) -> list[int]:
        """How long it was at most, of what took so long by its beginning, until it was stored."""
        return [self._stalls.settled(begun + taken) - begun for begun, taken in took.items()]

    def _once(self, key: tuple[str, ...], made: Callable[[], Late]) -> Late:
        """One object each, by which it is known again."""
        if key not in self._lates:
            self._lates[key] = made()
        return self._lates[key]

    def _recorded_lags(self, name: str) -> dict[int, int]:
        """By the time of each evaluation that recorded a name: how long after it the evaluation's group had ended."""
        groups = {group.place: group for group, _ in self._was[name]}.values()
        found = {
            at: lag.most
            for group in groups
            for at, lag in zip(self.times_of(group)[0], self.lags_ms(group), strict=True)
        }
        return dict(sorted(found.items()))

    def _took(self, job: str, instance: str) -> dict[int, int]:
        """Of each scrape of a page, by its beginning."""
        found = self._points(f'scrape_duration_seconds{{job="{job}", instance="{instance}"}}')
        return {time_ms: round(seconds * 1000) for time_ms, seconds in found}

    def _points(self, selector: str) -> list[tuple[int, float]]:
        return sorted(
            (round(time * 1000), value)
            for series in self._raw(selector)
            for time, value in series.points
        )

    def _raw(self, selector: str) -> list[Series]:
        # Rules are evaluated from Prometheus's start on, which is seconds before the first scrape.
        start, end = (
            self._span_ms[0] / 1000 - MARGIN_SECONDS * self._factor,
            self._span_ms[1] / 1000 + 1,
        )
        return self._prom.raw(selector, start, end)


def records(groups: Iterable[Group]) -> dict[str, list[tuple[Group, Rule]]]:
    """Recording rules by the name that they record; several may record different labels of one."""
    records: dict[str, list[tuple[Group, Rule]]] = {}
    for group in groups:
        for rule in group.rules:
            if not rule.is_alert and rule.name != evaluation_times.MARK:
                records.setdefault(rule.name, []).append((group, rule))
    return records
