"""Times of the evaluations and scrapes of a run's Prometheus, from its own metrics.

All times are Unix milliseconds.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from functools import cached_property
from statistics import mode
from typing import TYPE_CHECKING, NamedTuple

from firedrill.alerts.replay import ambiguity, evaluation_durations, evaluation_times, loaded_rules
from firedrill.alerts.replay import stalls as stall_times
from firedrill.alerts.replay.evaluation_durations import Evaluation, Reading
from firedrill.alerts.replay.evaluation_times import EVALUATION_MARKER
from firedrill.alerts.rules import expression
from firedrill.alerts.scaling.intervals import SCRAPE_MS
from firedrill.alerts.scaling.stretch import MARGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from firedrill.alerts.replay.ambiguity import SourceTiming
    from firedrill.alerts.replay.stalls import Span, Stalls
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.prometheus.client import Prometheus, Series

UNKNOWN_LAG_MS = 250
"""The longest assumed lag of an evaluation if the run's Prometheus was not scraped."""


class Lag(NamedTuple):
    """How long after its time an evaluation had ended, in milliseconds."""

    longest: int
    likely: int


class Timeline:
    """When groups were evaluated, and when each sample became readable."""

    def __init__(
        self,
        prom: Prometheus,
        span_ms: tuple[int, int],
        factor: int,
        groups: Sequence[Group],
        loaded: Sequence[Group],
    ) -> None:
        """Prepare the timeline; nothing is queried yet.

        Args:
            prom: A Prometheus with the run's samples.
            span_ms: First and last time of the samples.
            factor: How many seconds one of the run's was stretched to.
            groups: The groups that are replayed.
            loaded: The groups that the run's Prometheus had loaded.
        """
        self._prom, self._span_ms, self._factor, self._loaded = prom, span_ms, factor, loaded
        self._loaded_records = records(loaded)
        self._loaded_as = loaded_rules.match(groups, loaded) | {
            group.place: group for group in loaded
        }
        self._evaluations: dict[str, list[int]] = {}
        self._phase_times: dict[str, list[int]] = {}
        self._readings: dict[str, list[Reading]] = {}
        self._timings: dict[tuple[str, ...], SourceTiming] = {}

    # -- evaluation times

    def interval_ms(self, group: Group) -> int:
        """Return a group's evaluation interval."""
        return group.interval_ms or SCRAPE_MS * self._factor

    def times_of(self, group: Group) -> tuple[list[int], int]:
        """Return a group's evaluation times, recorded ones if there are any, and its interval."""
        interval_ms = self.interval_ms(group)
        times = self.recorded_times(group) or self._times_on_own_phase(group)
        return times or evaluation_times.regular_times(*self._span_ms, interval_ms), interval_ms

    def recorded_times(self, group: Group) -> list[int]:
        """Return when the run evaluated a group; nothing if it did not, at this interval."""
        if group.place not in self._evaluations:
            self._evaluations[group.place] = self._find_recorded_times(group)
        return self._evaluations[group.place]

    def _find_recorded_times(self, group: Group) -> list[int]:
        if not (loaded := self._loaded_as.get(group.place)):
            return []
        marked = f"{EVALUATION_MARKER}{{group={expression.quote(loaded.name)}}}"
        names = "|".join(sorted(self._own_records(group)))
        by_name = [f'{{__name__=~"{names}"}}'] if names else []
        candidates = (
            self._marked_times(loaded, marked),
            *(self._on_phase(loaded, self._times(selector)) for selector in (marked, *by_name)),
        )
        for times in candidates:
            if evaluation_times.has_interval(times, self.interval_ms(group)):
                return times
        return []

    def _times_on_own_phase(self, group: Group) -> list[int]:
        """Return regular times on the phase of the samples that a group wrote; [] without any.

        Its alerts write samples too, and its records may be there only now and then.
        """
        if group.place not in self._phase_times:
            interval_ms, written = self.interval_ms(group), self._times_written(group)
            phase_ms = evaluation_times.common_phase(written, interval_ms)
            self._phase_times[group.place] = (
                []
                if phase_ms is None
                else evaluation_times.regular_times(*self._span_ms, interval_ms, phase_ms)
            )
        return self._phase_times[group.place]

    def _times_written(self, group: Group) -> list[int]:
        """Return when a group wrote the series and alerts that no other loaded group has."""
        loaded = self._loaded_as.get(group.place)
        if loaded is None:
            return []
        others = {
            (rule.is_alert, rule.name)
            for other in self._loaded
            if other.place != loaded.place
            for rule in other.rules
        }
        own = {(rule.is_alert, rule.name) for rule in loaded.rules} - others
        times: list[int] = []
        for label, is_alert in (("alertname", True), ("__name__", False)):
            names = sorted(re.escape(name) for alert, name in own if alert == is_alert)
            if names:
                metric = "ALERTS" if is_alert else ""
                pattern = expression.quote("|".join(names))
                times += self._times(f"{metric}{{{label}=~{pattern}}}")
        return times

    def _times(self, selector: str) -> list[int]:
        return sorted({time_ms for time_ms, _ in self._points(selector)})

    def _marked_times(self, loaded: Group, marked: str) -> list[int]:
        """Return when a group recorded its marker; nothing if its labels are not unique."""
        own = [dict(rule.labels) for rule in loaded.rules if rule.name == EVALUATION_MARKER]
        alike = [
            rule
            for group in self._loaded
            if group.name == loaded.name
            for rule in group.rules
            if rule.name == EVALUATION_MARKER and dict(rule.labels) in own
        ]
        if len(own) != 1 or len(alike) != 1:
            return []
        return sorted(
            round(time * 1000)
            for series in self._raw(marked)
            if {name: text for name, text in series.labels.items() if name != "__name__"} == own[0]
            for time, _ in series.points
        )

    def _on_phase(self, loaded: Group, times: list[int]) -> list[int]:
        """Return the times of this group if another file had a group of its name.

        Each group has a phase of its own within the interval.
        """
        if sum(group.name == loaded.name for group in self._loaded) < 2:
            return times
        interval_ms = self.interval_ms(loaded)
        begun = [
            round(seconds * 1000)
            for points in self._last_evaluation(loaded, "evaluation_timestamp_seconds").values()
            for seconds in points.values()
        ]
        phases = [
            times[index - 1] % interval_ms
            for time_ms in begun
            if (index := bisect_right(times, time_ms))
        ]
        return [time_ms for time_ms in times if phases and time_ms % interval_ms == mode(phases)]

    def _last_evaluation(
        self, group: Group, metric: str
    ) -> dict[tuple[str, str], dict[int, float]]:
        """Return a metric about a loaded group's last evaluation, by (job, instance) and scrape."""
        key = re.escape(f"{loaded_rules.file_name(group)};{group.name}")
        rule_group = expression.quote(f"(.*/)?{key}")
        last = self._raw(f"prometheus_rule_group_last_{metric}{{rule_group=~{rule_group}}}")
        return {
            (series.labels.get("job", ""), series.labels.get("instance", "")): {
                round(time * 1000): value for time, value in series.points
            }
            for series in last
        }

    def _own_records(self, group: Group) -> set[str]:
        """Return the names that a group recorded in the run."""
        loaded = self._loaded_as.get(group.place)
        if not loaded:
            return set()
        return {rule.name for rule in loaded.rules if not rule.is_alert} - {EVALUATION_MARKER}

    # -- evaluation lags

    def lags_ms(self, group: Group) -> list[Lag]:
        """Return the lag of each evaluation of a group, in order of the times."""
        times = self.times_of(group)[0]
        if not self.recorded_times(group):
            # Prometheus's metrics are about other times.
            return [Lag(UNKNOWN_LAG_MS, UNKNOWN_LAG_MS)] * len(times)
        known = self._known_evaluations(group)
        longest_ms = max(
            (item.ended_ms - time_ms for time_ms, item in known.items() if item.is_certain),
            default=UNKNOWN_LAG_MS,
        )
        lags, next_began = [], math.inf
        for time_ms in reversed(times):
            unknown_ms = self._stalls.stored_by(time_ms + longest_ms) - ambiguity.COMMIT_MS
            evaluation = known.get(
                time_ms, Evaluation(unknown_ms, unknown_ms, time_ms + longest_ms)
            )
            # A group begins no evaluation before the previous one has ended.
            lag_ms = int(min(evaluation.ended_ms, next_began)) - time_ms
            lags.append(Lag(lag_ms, min(lag_ms, evaluation.likely_ms - time_ms)))
            next_began = min(evaluation.began_ms, next_began)
        return lags[::-1]

    def _known_evaluations(self, group: Group) -> Mapping[int, Evaluation]:
        """Return the evaluations that the metrics are about, by their time.

        The metrics are about the last evaluation only: if two came between two scrapes, as after a
        stall, about the second.
        """
        return evaluation_durations.estimate(
            self.recorded_times(group), self._readings_of(group), self._stalls.stored_by
        )

    def _readings_of(self, group: Group) -> list[Reading]:
        loaded = self._loaded_as.get(group.place, group)
        if loaded.place not in self._readings:
            self._readings[loaded.place] = self._read_metrics(loaded)
        return self._readings[loaded.place]

    def _read_metrics(self, loaded: Group) -> list[Reading]:
        began = self._last_evaluation(loaded, "evaluation_timestamp_seconds")
        took = self._last_evaluation(loaded, "duration_seconds")
        readings = []
        for endpoint in began.keys() & took.keys():
            durations_ms = self._scrape_durations_ms(*endpoint)
            for scraped_ms in began[endpoint].keys() & took[endpoint].keys():
                scrape_ms = durations_ms.get(scraped_ms, 0) + ambiguity.COMMIT_MS
                readings.append(
                    Reading(
                        scraped_ms=scraped_ms,
                        done_ms=scraped_ms + scrape_ms,
                        began_ms=round(began[endpoint][scraped_ms] * 1000),
                        took_seconds=took[endpoint][scraped_ms],
                    )
                )
        return sorted(readings, key=lambda reading: reading.scraped_ms)

    @cached_property
    def _stalls(self) -> Stalls:
        """The stalls of the machine that the run's Prometheus was on."""
        late: list[Span] = []
        signs_of_life: list[int] = []
        for series in self._raw("up"):
            times = [round(time * 1000) for time, _ in series.points]
            signs_of_life += times
            late += stall_times.late_scrapes(times)
        for group in self._loaded:
            times = self.recorded_times(group)
            # An evaluation's end is a sign of life only if it is certain, which depends on stalls.
            evaluations = evaluation_durations.estimate(
                times, self._readings_of(group), lambda time_ms: time_ms
            )
            known = {
                time_ms: (item.began_ms, item.ended_ms if item.is_certain else item.began_ms)
                for time_ms, item in evaluations.items()
            }
            longest_ms = max((began - time_ms for time_ms, (began, _) in known.items()), default=0)
            signs_of_life += [began for began, _ in known.values()]
            late += stall_times.late_evaluations(times, self.interval_ms(group), known, longest_ms)
        return stall_times.find_stalls(late, signs_of_life)

    # -- when samples became readable

    def timings_of(self, rule: Rule, group: Group) -> list[SourceTiming]:
        """Return the timing of everything that a rule reads: endpoints, and other groups."""
        if self._factor > 1:
            return []  # No Prometheus evaluated stretched time, so there is nothing to equal.
        own = self._own_records(group)
        return [
            timing
            for selector in expression.selectors(rule.expr)
            if selector.name not in own
            for timing in self._timings_of_selector(selector)
        ]

    def _timings_of_selector(self, selector: expression.Selector) -> list[SourceTiming]:
        if selector.name in self._loaded_records:
            return [self._recording_timing(selector.name)]
        width_ms = self._span_ms[1] - self._span_ms[0] + 1
        endpoints = self._prom.instant(
            f"group by (job, instance) (last_over_time({selector.text}[{width_ms}ms]))",
            self._span_ms[1] / 1000,
        )
        return [
            self._scrape_timing(element.labels.get("job", ""), element.labels["instance"])
            for element in endpoints
            if "instance" in element.labels
        ]

    def timing_of_series(
        self, labels: Mapping[str, str], group: Group, early: Collection[str]
    ) -> SourceTiming | None:
        """Return the timing of a series' samples, as a group's rules saw them.

        Args:
            labels: The labels of the series.
            group: The group.
            early: Names that the rules read before their group records them.

        Returns:
            None if the samples were readable at once.
        """
        name = labels["__name__"]
        if name in early:
            return self._previous_evaluation_timing(self._source_of(labels), group)
        if name in self._own_records(group):
            return None
        if name in self._loaded_records:
            return self._recording_timing(name)
        return self._scrape_timing(labels.get("job", ""), labels.get("instance", ""))

    def _source_of(self, labels: Mapping[str, str]) -> str:
        name = labels["__name__"]
        if name in self._loaded_records:
            return self._recorded_by(name)
        return f"{labels.get('job', '')} {labels.get('instance', '')}"

    def _recorded_by(self, name: str) -> str:
        """Return the groups that recorded a name in the run, as the name of a source."""
        return " ".join(sorted({group.place for group, _ in self._loaded_records[name]}))

    def _previous_evaluation_timing(self, source: str, group: Group) -> SourceTiming:
        return self._cached(
            ("early", source, group.place),
            lambda: ambiguity.previous_evaluation_timing(source, *self.times_of(group)),
        )

    def _recording_timing(self, name: str) -> SourceTiming:
        def make() -> SourceTiming:
            lags_ms = self._recording_lags_ms(name)
            longest = self._until_stored_ms(lags_ms)
            return ambiguity.recording_timing(self._recorded_by(name), list(lags_ms), longest)

        return self._cached(("recorded", name), make)

    def _scrape_timing(self, job: str, instance: str) -> SourceTiming:
        return self._cached(
            ("scraped", job, instance), lambda: self._make_scrape_timing(job, instance)
        )

    def _make_scrape_timing(self, job: str, instance: str) -> SourceTiming:
        durations_ms = self._scrape_durations_ms(job, instance)
        # A scrape is stored before the next one of the endpoint begins, even in a stall.
        following = [time_ms + ambiguity.COMMIT_MS for time_ms in durations_ms][1:]
        longest = [
            min(stored_ms, next_ms - begun)
            for begun, stored_ms, next_ms in zip(
                durations_ms,
                self._until_stored_ms(durations_ms),
                [*following, math.inf],
                strict=True,
            )
        ]
        return ambiguity.scrape_timing(
            f"{job} {instance}", durations_ms, [int(ms) for ms in longest]
        )

    def _until_stored_ms(self, durations_ms: Mapping[int, int]) -> list[int]:
        """Return how long each took until it was stored at most; durations by the beginning."""
        return [
            self._stalls.stored_by(begun + duration_ms) - begun
            for begun, duration_ms in durations_ms.items()
        ]

    def _cached(self, key: tuple[str, ...], make: Callable[[], SourceTiming]) -> SourceTiming:
        """Return one object for each key: timings are compared by identity."""
        if key not in self._timings:
            self._timings[key] = make()
        return self._timings[key]

    def _recording_lags_ms(self, name: str) -> dict[int, int]:
        """Return the longest lag of each evaluation that recorded a name, by its time."""
        groups = {group.place: group for group, _ in self._loaded_records[name]}.values()
        lags_ms = {
            time_ms: lag.longest
            for group in groups
            for time_ms, lag in zip(self.times_of(group)[0], self.lags_ms(group), strict=True)
        }
        return dict(sorted(lags_ms.items()))

    def _scrape_durations_ms(self, job: str, instance: str) -> dict[int, int]:
        """Return the duration of each scrape of an endpoint, by its beginning."""
        points = self._points(f'scrape_duration_seconds{{job="{job}", instance="{instance}"}}')
        return {time_ms: round(seconds * 1000) for time_ms, seconds in points}

    # -- samples

    def _points(self, selector: str) -> list[tuple[int, float]]:
        return sorted(
            (round(time * 1000), value)
            for series in self._raw(selector)
            for time, value in series.points
        )

    def _raw(self, selector: str) -> list[Series]:
        # Rules are evaluated from Prometheus's start on, which is seconds before the first scrape.
        start = self._span_ms[0] / 1000 - MARGIN_SECONDS * self._factor
        end = self._span_ms[1] / 1000 + 1
        return self._prom.raw(selector, start, end)


def records(groups: Iterable[Group]) -> dict[str, list[tuple[Group, Rule]]]:
    """Return the recording rules by the name that they record; several may share one name."""
    by_name: dict[str, list[tuple[Group, Rule]]] = {}
    for group in groups:
        for rule in group.rules:
            if not rule.is_alert and rule.name != EVALUATION_MARKER:
                by_name.setdefault(rule.name, []).append((group, rule))
    return by_name
