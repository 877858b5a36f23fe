"""What Prometheus makes of an alert's expression, evaluation by evaluation: pending, firing, resolved. Pure.

The rules are those of rules/alerting.go (2.42, the same in 3.x): an alert fires at the first evaluation at which it has been active for
`for`; one evaluation without it ends a pending alert at once and a firing one after `keep_firing_for`; an evaluation that fails changes
nothing and writes nothing; one that exceeds the group's limit forgets everything.
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

SILENT_AFTER_START = 2
"""Evaluations after Prometheus's start at which it keeps state and writes none, because it may yet restore an earlier one. Groups that a
reload adds have none of these."""


FAILED = "the expression fails on its data"
CLASH = "two elements have the same labels once the rule's are applied"
OVER_LIMIT = "{} of them are more than the group's limit of {}"
"""Why Prometheus fails an evaluation."""


class State(StrEnum):
    """What the label `alertstate` says."""

    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Shown:
    """What Prometheus writes of one alert at one evaluation: ALERTS by its state, ALERTS_FOR_STATE by the time, in whole seconds."""

    state: State
    active_since_ms: int


@dataclass(slots=True)
class _Alert:
    active_since_ms: int
    firing: bool = False
    empty_since_ms: int | None = None
    """When `keep_firing_for` began to count."""


@dataclass(slots=True)
class Replay:
    """One alert rule. Feed it every evaluation, in order."""

    rule: Rule
    limit: int = 0
    silent: int = 0
    """How many evaluations from now on are kept and not written."""
    failures: dict[int, str] = field(default_factory=dict, compare=False)
    """Why which evaluation wrote nothing."""
    _alerts: dict[Labels, _Alert] = field(default_factory=dict)
    _names: dict[Labels, Labels] = field(default_factory=dict, compare=False)

    @property
    def is_idle(self) -> bool:
        """Whether an evaluation that gives nothing changes nothing."""
        return not self._alerts and not self.silent

    @property
    def has_alerts(self) -> bool:
        """Whether it holds any that is pending or firing."""
        return bool(self._alerts)

    def fork(self) -> Replay:
        """Another one in the same state."""
        return replace(
            self,
            failures={},
            _alerts={labels: replace(alert) for labels, alert in self._alerts.items()},
        )

    def evaluate(
        self, time_ms: int, vector: Mapping[Labels, float] | None
    ) -> dict[Labels, Shown] | None:
        """What is written at this time, by the alert's labels (`alertname` among them).

        Args:
            time_ms: Unix time of the evaluation.
            vector: What the expression gave; None if it failed.

        Returns:
            None where nothing is written: the evaluation failed, or gave one alert twice, or more alerts than the limit.
        """
        is_silent, self.silent = self.silent > 0, max(0, self.silent - 1)
        active = None if vector is None else self._named(vector)
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
        return {} if is_silent else self._written()

    def _named(self, vector: Mapping[Labels, float]) -> set[Labels] | None:
        """The alerts that a vector means; None if two of its elements mean the same one."""
        named = {self.name(labels, value) for labels, value in vector.items()}
        return named if len(named) == len(vector) else None

    def name(self, labels: Labels, value: float) -> Labels:
        """The labels of the alert that an element means."""
        known = self._names.get(labels)
        if known is None:
            known = named(self.rule, labels, value)
            if not any(label_templates.VALUE.search(text) for text in self.rule.labels.values()):
                self._names[labels] = known
        return known

    def _stays(self, alert: _Alert, time_ms: int, *, is_active: bool) -> bool:
        if is_active:
            alert.empty_since_ms = None
        elif not self._is_kept(alert, time_ms):
            return False
        alert.firing = alert.firing or time_ms - alert.active_since_ms >= self.rule.hold_ms
        return True

    def _is_kept(self, alert: _Alert, time_ms: int) -> bool:
        if not alert.firing or not self.rule.keep_ms:
            return False
        if alert.empty_since_ms is None:
            alert.empty_since_ms = time_ms
        return time_ms - alert.empty_since_ms < self.rule.keep_ms

    def _written(self) -> dict[Labels, Shown]:
        return {
            labels: Shown(State.FIRING if alert.firing else State.PENDING, alert.active_since_ms)
            for labels, alert in self._alerts.items()
        }


def named(rule: Rule, labels: Labels, value: float) -> Labels:
    """The labels of the alert that an element of the expression means: its own, the rule's over them, and the alert's name."""
    own = {name: text for name, text in labels if name != "__name__"}
    given = {name: label_templates.expand(text, own, value) for name, text in rule.labels.items()}
    merged = own | given | {"alertname": rule.name}
    return tuple(sorted((name, text) for name, text in merged.items() if text))


@dataclass(slots=True)
class Episode:
    """One alert from its first evaluation to its end. Unix milliseconds; None for what did not happen."""

    labels: Labels
    active_ms: int
    """When its expression first gave it."""
    pending_ms: int | None = None
    firing_ms: int | None = None
    resolved_ms: int | None = None

    def is_firing_at(self, seconds: float) -> bool:
        """Whether it had begun to fire before that Unix time, and went on."""
        return (
            self.firing_ms is not None
            and self.firing_ms / 1000 < seconds
            and not self.is_over_at(seconds)
        )

    def is_over_at(self, seconds: float) -> bool:
        """Whether it had ended by that Unix time."""
        return self.resolved_ms is not None and self.resolved_ms / 1000 <= seconds


def episodes(
    replay: Replay, evaluations: Iterable[tuple[int, Mapping[Labels, float] | None]]
) -> list[Episode]:
    """Everything that a rule did over its evaluations, in order of the beginning."""
    return list(_episodes(_changes(replay, evaluations)))


def _changes(
    replay: Replay, evaluations: Iterable[tuple[int, Mapping[Labels, float] | None]]
) -> Iterator[tuple[int, Mapping[Labels, Shown]]]:
    """What there was at each evaluation but those that changed nothing. More than the limit is nothing: Prometheus forgets them all,
    though their series go without the mark of an end until an evaluation succeeds.
    """
    for time_ms, vector in evaluations:
        shown = replay.evaluate(time_ms, vector)
        if shown is not None or not replay.has_alerts:
            yield time_ms, shown or {}


def _episodes(shown_at: Iterable[tuple[int, Mapping[Labels, Shown]]]) -> Iterator[Episode]:
    current: dict[Labels, Episode] = {}
    for time_ms, shown in shown_at:
        for labels in [
            labels
            for labels in current
            if labels not in shown or shown[labels].active_since_ms != current[labels].active_ms
        ]:
            current.pop(labels).resolved_ms = time_ms
        for labels, one in shown.items():
            if labels not in current:
                current[labels] = Episode(labels, one.active_since_ms)
                yield current[labels]
            _note(current[labels], one.state, time_ms)


def _note(episode: Episode, state: State, time_ms: int) -> None:
    if state is State.FIRING and episode.firing_ms is None:
        episode.firing_ms = time_ms
    elif state is State.PENDING and episode.pending_ms is None:
        episode.pending_ms = time_ms
