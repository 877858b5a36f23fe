"""A group's rules evaluated one evaluation after the other, as Prometheus does.

Needed if a rule reads what the previous evaluation recorded.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from firedrill.alerts.replay import evaluation_order, evaluation_times
from firedrill.alerts.replay.recording_rules import Recorder, as_series
from firedrill.alerts.rules import thresholds
from firedrill.prometheus import remote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from firedrill.alerts.replay.ambiguity import Vector
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.prometheus.client import Prometheus


class StepwiseEvaluation:
    """A group's recording rules, and its alerts that read series before they are recorded."""

    def __init__(
        self,
        prom: Prometheus,
        group: Group,
        rules: Sequence[Rule],
        recorded: Iterable[Any] | None,
        times: Sequence[int],
        interval_ms: int,
    ) -> None:
        """Prepare the evaluation.

        Args:
            prom: A Prometheus that has none of the series that the rules record.
            group: The group.
            rules: Its recording rules, and the alerts to evaluate with them, in order.
            recorded: The series that the run recorded by these rules, as prompb TimeSeries; None
                to compute them.
            times: The evaluations, in Unix milliseconds.
            interval_ms: The group's interval.
        """
        self._prom, self._layers = prom, evaluation_order.layers(rules)
        self._thresholds = {
            id(rule): thresholds.single_comparison(rule.expr) if rule.is_alert else None
            for rule in rules
        }
        self._queried = {
            id(rule): threshold.measured if (threshold := self._thresholds[id(rule)]) else rule.expr
            for rule in rules
        }
        records = [rule for rule in rules if not rule.is_alert]
        self.recorders = {id(rule): Recorder(rule, group.limit) for rule in records}
        self._recorded = (
            None
            if recorded is None
            else {id(rule): _samples_of(rule, recorded) for rule in records}
        )
        # Rules that read nothing of the group are evaluated for all times at once: such a query
        # takes as long as a few for one time.
        ahead = evaluation_order.independent(rules) if recorded is None else []
        self._ahead = {
            id(rule): iter(evaluation_times.evaluate(prom, rule.expr, times, interval_ms))
            for rule in ahead
        }
        self.vectors: dict[tuple[int, str], list[Vector]] = {}
        """By rule and expression: what an alert's condition, and its measured side, gave."""

    def evaluate(self, times: Iterable[int]) -> None:
        """Evaluate every rule at each of the times."""
        for time_ms in times:
            for layer in self._layers:
                queried = [self._queried[id(rule)] for rule in layer if self._is_queried(rule)]
                vectors = evaluation_times.evaluate_all_at(self._prom, queried, time_ms)
                for rule in layer:
                    if rule.is_alert:
                        self._note(rule, vectors[self._queried[id(rule)]])
                records = [rule for rule in layer if not rule.is_alert]
                written = [
                    series for rule in records for series in self._written(rule, vectors, time_ms)
                ]
                remote.write(self._prom.url, written)

    def _is_queried(self, rule: Rule) -> bool:
        return rule.is_alert or (self._recorded is None and id(rule) not in self._ahead)

    def _note(self, rule: Rule, vector: Vector) -> None:
        """Keep what an alert gave; a condition is told from its measured side."""
        self.vectors.setdefault((id(rule), self._queried[id(rule)]), []).append(vector)
        if threshold := self._thresholds[id(rule)]:
            self.vectors.setdefault((id(rule), rule.expr), []).append(threshold.filter(vector))

    def _written(self, rule: Rule, vectors: Mapping[str, Vector], time_ms: int) -> list[Any]:
        if self._recorded is not None:
            return _take_until(self._recorded[id(rule)], time_ms)
        vector = next(self._ahead[id(rule)]) if id(rule) in self._ahead else vectors[rule.expr]
        return as_series([(time_ms, self.recorders[id(rule)].record(time_ms, vector))])


def _samples_of(rule: Rule, recorded: Iterable[Any]) -> deque[tuple[int, Any]]:
    """Return the samples of a rule's series in order of time, each as a series of its own."""
    samples = []
    for series in recorded:
        labels = {label.name: label.value for label in series.labels}
        if labels.items() >= {**rule.labels, "__name__": rule.name}.items():
            samples += [
                (sample.timestamp, _one_sample(labels, sample)) for sample in series.samples
            ]
    return deque(sorted(samples, key=lambda timed: timed[0]))


def _one_sample(labels: Mapping[str, str], sample: Any) -> Any:
    series = remote.series(labels)
    series.samples.add(timestamp=sample.timestamp, value=sample.value)
    return series


def _take_until(samples: deque[tuple[int, Any]], time_ms: int) -> list[Any]:
    taken = []
    while samples and samples[0][0] <= time_ms:
        taken.append(samples.popleft()[1])
    return taken
