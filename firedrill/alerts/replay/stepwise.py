"""Rules of a group evaluated one by one, as Prometheus does: where one reads what the evaluation before it left."""

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


class Steps:
    """Recording rules of a group and those alerts that read early, over a Prometheus that has none of the series that they record."""

    def __init__(
        self,
        prom: Prometheus,
        group: Group,
        rules: Sequence[Rule],
        recorded: Iterable[Any] | None,
        times: Sequence[int],
        interval_ms: int,
    ) -> None:
        """`recorded`: what the run recorded by these rules, as prompb TimeSeries; None to compute it."""
        self._prom, self._layers = prom, evaluation_order.layers(rules)
        self._limits = {
            id(rule): thresholds.alone(rule.expr) if rule.is_alert else None for rule in rules
        }
        self._asked = {
            id(rule): limit.measured if (limit := self._limits[id(rule)]) else rule.expr
            for rule in rules
        }
        records = [rule for rule in rules if not rule.is_alert]
        self.recorders = {id(rule): Recorder(rule, group.limit) for rule in records}
        self._recorded = (
            None if recorded is None else {id(rule): _of(rule, recorded) for rule in records}
        )
        # What reads nothing of the group's has no need to wait for it: a query for all times takes as long as a few for one.
        ahead = evaluation_order.independent(rules) if recorded is None else []
        self._ahead = {
            id(rule): iter(evaluation_times.evaluate(prom, rule.expr, times, interval_ms))
            for rule in ahead
        }
        self.vectors: dict[tuple[int, str], list[Vector]] = {}
        """By rule and expression: what an alert's condition, and what it measures, gave at each evaluation."""

    def evaluate(self, times: Iterable[int]) -> None:
        """Every rule at each of the times."""
        for time_ms in times:
            for layer in self._layers:
                vectors = evaluation_times.at_once(
                    self._prom,
                    [self._asked[id(rule)] for rule in layer if self._is_asked(rule)],
                    time_ms,
                )
                for rule in layer:
                    if rule.is_alert:
                        self._note(rule, vectors[self._asked[id(rule)]])
                remote.write(
                    self._prom.url,
                    [
                        one
                        for rule in layer
                        if not rule.is_alert
                        for one in self._written(rule, vectors, time_ms)
                    ],
                )

    def _is_asked(self, rule: Rule) -> bool:
        return rule.is_alert or (self._recorded is None and id(rule) not in self._ahead)

    def _note(self, rule: Rule, vector: Vector) -> None:
        """What an alert measures, if it compares that with a number: its condition is told from it."""
        self.vectors.setdefault((id(rule), self._asked[id(rule)]), []).append(vector)
        if limit := self._limits[id(rule)]:
            self.vectors.setdefault((id(rule), rule.expr), []).append(limit.kept(vector))

    def _written(self, rule: Rule, vectors: Mapping[str, Vector], time_ms: int) -> list[Any]:
        if self._recorded is not None:
            return _until(self._recorded[id(rule)], time_ms)
        vector = next(self._ahead[id(rule)]) if id(rule) in self._ahead else vectors[rule.expr]
        return as_series([(time_ms, self.recorders[id(rule)].record(time_ms, vector))])


def _of(rule: Rule, recorded: Iterable[Any]) -> deque[tuple[int, Any]]:
    """The samples of a rule's series in order of time, each as a series."""
    samples = []
    for series in recorded:
        labels = {label.name: label.value for label in series.labels}
        if labels.items() >= {**rule.labels, "__name__": rule.name}.items():
            samples += [(sample.timestamp, _alone(labels, sample)) for sample in series.samples]
    return deque(sorted(samples, key=lambda timed: timed[0]))


def _alone(labels: Mapping[str, str], sample: Any) -> Any:
    series = remote.series(labels)
    series.samples.add(timestamp=sample.timestamp, value=sample.value)
    return series


def _until(waiting: deque[tuple[int, Any]], time_ms: int) -> list[Any]:
    taken = []
    while waiting and waiting[0][0] <= time_ms:
        taken.append(waiting.popleft()[1])
    return taken
