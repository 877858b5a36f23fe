"""The alert state machine: an expression's results in, states pending, firing and resolved out.

It follows rules/alerting.go of Prometheus (2.42, the same in 3.x). An alert fires at the first
evaluation at which it has been active for `for`. One evaluation without it ends a pending alert at
once, and a firing one after `keep_firing_for`. An evaluation that fails changes nothing and writes
nothing. One that exceeds the group's limit forgets all alerts of the rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from firedrill.alerts.rules import label_templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from firedrill.alerts.rules.rule_file import Rule

Labels = tuple[tuple[str, str], ...]
"""A label set: pairs in order of the names, `__name__` left out."""

UNWRITTEN_AFTER_START = 2
"""Evaluations after Prometheus's start at which it keeps state and writes none.

It may yet restore an earlier state. Groups that a reload adds have none of these.
"""

FAILED = "the expression fails on its data"
CLASH = "two elements have the same labels once the rule's are applied"
OVER_LIMIT = "{} of them are more than the group's limit of {}"
"""Reasons for which Prometheus fails an evaluation."""


class State(StrEnum):
    """A value of the label `alertstate`."""

    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class WrittenAlert:
    """The samples that Prometheus writes of one alert at one evaluation.

    ALERTS has the state as a label; ALERTS_FOR_STATE has the time, in whole seconds, as its value.
    """

    state: State
    active_since_ms: int


@dataclass(slots=True)
class _Alert:
    active_since_ms: int
    firing: bool = False
    absent_since_ms: int | None = None
    """When `keep_firing_for` began to count."""


@dataclass(slots=True)
class AlertStateMachine:
    """The alerts of one rule; feed it every evaluation, in order."""

    rule: Rule
    limit: int = 0
    unwritten: int = 0
    """How many evaluations from now on keep state and write none."""
    failures: dict[int, str] = field(default_factory=dict, compare=False)
    """The reason of each failed evaluation, by its time."""
    _alerts: dict[Labels, _Alert] = field(default_factory=dict)
    _names: dict[Labels, Labels] = field(default_factory=dict, compare=False)

    @property
    def is_idle(self) -> bool:
        """Whether an evaluation without elements changes nothing."""
        return not self._alerts and not self.unwritten

    @property
    def has_alerts(self) -> bool:
        """Whether any alert is pending or firing."""
        return bool(self._alerts)

    def fork(self) -> AlertStateMachine:
        """Return another machine in the same state."""
        return replace(
            self,
            failures={},
            _alerts={labels: replace(alert) for labels, alert in self._alerts.items()},
        )

    def evaluate(
        self, time_ms: int, vector: Mapping[Labels, float] | None
    ) -> dict[Labels, WrittenAlert] | None:
        """Return what is written at an evaluation, by the alert's labels with `alertname`.

        Args:
            time_ms: Unix time of the evaluation.
            vector: What the expression gave; None if it failed.

        Returns:
            None if the evaluation fails: by the expression, two elements that are one alert, or
            more alerts than the limit.
        """
        is_unwritten, self.unwritten = self.unwritten > 0, max(0, self.unwritten - 1)
        active = None if vector is None else self._active_alerts(vector)
        if active is None:
            self.failures[time_ms] = FAILED if vector is None else CLASH
            return None
        for labels in active:
            self._alerts.setdefault(labels, _Alert(time_ms))
        for labels, alert in list(self._alerts.items()):
            if not self._stays(alert, time_ms, is_active=labels in active):
                del self._alerts[labels]
        if 0 < self.limit < len(self._alerts):
            self.failures[time_ms] = OVER_LIMIT.format(len(self._alerts), self.limit)
            self._alerts.clear()
            return None
        return {} if is_unwritten else self._written()

    def _active_alerts(self, vector: Mapping[Labels, float]) -> set[Labels] | None:
        """Return the alerts of a vector's elements; None if two elements are the same alert."""
        alerts = {self.alert_labels(labels, value) for labels, value in vector.items()}
        return alerts if len(alerts) == len(vector) else None

    def alert_labels(self, labels: Labels, value: float) -> Labels:
        """Return the labels of the alert that an element of the expression is."""
        known = self._names.get(labels)
        if known is None:
            known = alert_labels(self.rule, labels, value)
            if not label_templates.uses_value(self.rule):
                self._names[labels] = known
        return known

    def _stays(self, alert: _Alert, time_ms: int, *, is_active: bool) -> bool:
        if is_active:
            alert.absent_since_ms = None
        elif not self._is_kept(alert, time_ms):
            return False
        alert.firing = alert.firing or time_ms - alert.active_since_ms >= self.rule.hold_ms
        return True

    def _is_kept(self, alert: _Alert, time_ms: int) -> bool:
        if not alert.firing or not self.rule.keep_ms:
            return False
        if alert.absent_since_ms is None:
            alert.absent_since_ms = time_ms
        return time_ms - alert.absent_since_ms < self.rule.keep_ms

    def _written(self) -> dict[Labels, WrittenAlert]:
        return {
            labels: WrittenAlert(
                State.FIRING if alert.firing else State.PENDING, alert.active_since_ms
            )
            for labels, alert in self._alerts.items()
        }


def alert_labels(rule: Rule, labels: Labels, value: float) -> Labels:
    """Return the labels of an alert: the element's, the rule's over them, and `alertname`."""
    own = {name: text for name, text in labels if name != "__name__"}
    from_rule = {
        name: label_templates.expand(text, own, value) for name, text in rule.labels.items()
    }
    merged = own | from_rule | {"alertname": rule.name}
    return tuple(sorted((name, text) for name, text in merged.items() if text))


@dataclass(slots=True)
class Episode:
    """An alert from its first evaluation to its end; Unix milliseconds, None if not reached."""

    labels: Labels
    active_ms: int
    """When its expression first gave it."""
    pending_ms: int | None = None
    firing_ms: int | None = None
    resolved_ms: int | None = None

    def is_firing_at(self, seconds: float) -> bool:
        """Return whether it began to fire before a Unix time, and had not ended by then."""
        return (
            self.firing_ms is not None
            and self.firing_ms / 1000 < seconds
            and not self.is_over_at(seconds)
        )

    def is_over_at(self, seconds: float) -> bool:
        """Return whether it had ended by a Unix time."""
        return self.resolved_ms is not None and self.resolved_ms / 1000 <= seconds


def episodes(
    machine: AlertStateMachine, evaluations: Iterable[tuple[int, Mapping[Labels, float] | None]]
) -> list[Episode]:
    """Return every episode of a rule's alerts, in order of the beginning."""
    return list(_episodes(_states(machine, evaluations)))


def _states(
    machine: AlertStateMachine, evaluations: Iterable[tuple[int, Mapping[Labels, float] | None]]
) -> Iterator[tuple[int, Mapping[Labels, WrittenAlert]]]:
    """Yield the alerts at each evaluation, except those that failed and changed nothing.

    More alerts than the limit count as none: Prometheus forgets them all, although their series
    get no stale marker until an evaluation succeeds.
    """
    for time_ms, vector in evaluations:
        written = machine.evaluate(time_ms, vector)
        if written is not None or not machine.has_alerts:
            yield time_ms, written or {}


def _episodes(
    states: Iterable[tuple[int, Mapping[Labels, WrittenAlert]]],
) -> Iterator[Episode]:
    current: dict[Labels, Episode] = {}
    for time_ms, written in states:
        for labels, episode in list(current.items()):
            if labels not in written or written[labels].active_since_ms != episode.active_ms:
                current.pop(labels).resolved_ms = time_ms
        for labels, alert in written.items():
            if labels not in current:
                current[labels] = Episode(labels, alert.active_since_ms)
                yield current[labels]
            _note(current[labels], alert.state, time_ms)


def _note(episode: Episode, state: State, time_ms: int) -> None:
    if state is State.FIRING and episode.firing_ms is None:
        episode.firing_ms = time_ms
    elif state is State.PENDING and episode.pending_ms is None:
        episode.pending_ms = time_ms
