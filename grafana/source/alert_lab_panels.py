"""What the alert lab asks, made of the rule files: each alert's state, and what its expression measures against its limit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from firedrill import places
from firedrill.alerts.rules import durations, expression, rule_file, tokens
from firedrill.alerts.scaling import shrink
from grafana.source.golden_signals_panels import (
    EVERYTHING,
    Query,
    Signal,
    largest,
    of_runs,
    ours,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from firedrill.alerts.rules.expression import Comparison
    from firedrill.alerts.rules.rule_file import Rule

SCALED = "api.yml"
"""The rule file that a drill shrinks: its durations become variables of the dashboard, which know by how much."""
WORDS = {
    "percentunit": "shares",
    "s": "seconds",
    "reqps": "rates",
    "bytes": "bytes",
    "short": "counts",
}
"""An alert that compares in several units has a panel a unit."""
BURNS = (1, 3, 6, 14.4)
"""Times the budget at which api.yml's burn rates are compared."""
HIGHEST_SHARE = 0.9
"""Of bad requests, that they are compared with at most."""
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Of its burn rates."""

NEEDS = {
    "container_cpu_": "a CPU quota of the server's container",
    'resource="memory"': "a memory limit of the server's container",
    " offset ": "as much time before as the rule looks back",
    'error=~"Connection': "an API that refuses connections",
}
"""What is measured by expressions with these words in them only somewhere."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of the bundle, with the group that evaluates it."""

    rule: Rule
    group: str
    is_scaled: bool

    @property
    def title(self) -> str:
        """Several have one name."""
        return f"{self.rule.name}, {self.rule.labels['severity']}"


@cache
def alerts(folder: Path = places.RULES) -> tuple[Alert, ...]:
    """In order of the files."""
    return tuple(
        Alert(rule, group.name, file.name == SCALED)
        for file in sorted(folder.glob("*.yml"))
        for group in rule_file.read(file)
        for rule in group.rules
        if rule.is_alert
    )


# -- durations of a drill


@cache
def variables() -> dict[str, tuple[int, int]]:
    """Variables of the dashboard that are durations in milliseconds: each one's length in production, and the shortest that it becomes."""
    found: dict[str, tuple[int, int]] = {}
    for alert in alerts():
        if alert.is_scaled:
            shrink.rewrite_durations(
                alert.rule.expr,
                lambda duration, shortest_ms: _variable(duration, shortest_ms, found),
                _lost,
            )
    return found


def _variable(duration: str, shortest_ms: int, found: dict[str, tuple[int, int]]) -> str:
    name = f"at_least_{shortest_ms}_for_{duration}" if shortest_ms else f"for_{duration}"
    length_ms = durations.parse_ms(duration)
    found[name] = length_ms, min(length_ms, shortest_ms)
    return f"${{{name}}}ms"


def _lost(before: str, after: str) -> str:
    return f"{durations.parse_ms(before)} / {after.removesuffix('ms')}"


def looked_up(name: str) -> str:
    """The query that gives a variable its value."""
    length_ms, shortest_ms = variables()[name]
    factor = "scalar(max(max_over_time(firedrill_time_scale[$__range])) or vector(1))"
    return f"query_result(clamp_min(round(vector({length_ms} / {factor})), {shortest_ms}))"


def choices(time_scale: float) -> dict[str, str]:
    """What the dashboards' variables stand for as long as nobody chooses, in a drill of this scale."""
    values = {
        name: max(round(length_ms / time_scale), shortest_ms)
        for name, (length_ms, shortest_ms) in variables().items()
    }
    return {**EVERYTHING, **{f"${{{name}}}": str(value) for name, value in values.items()}}


# -- value against limit


def against_limits(alert: Alert) -> Iterator[Signal]:
    """A signal for each unit in which an alert compares."""
    compared = expression.comparisons(alert.rule.expr)
    for at, unit in enumerate(dict.fromkeys(_unit(one.measured) for one in compared)):
        listed = [one for one in compared if _unit(one.measured) == unit]
        yield Signal(
            f"{alert.title}: {WORDS[unit]}" if at else alert.title,
            f"How far is it to the alert? {alert.rule.annotations['summary']} {_condition(alert)}",
            unit,
            tuple(dict.fromkeys(_queries(alert, listed))),
            "nothing to compare",
        )


def _unit(measured: str) -> str:
    """Grafana's name of the unit, as the names of the series tell it."""
    if re.search(r":ratio| / |pressure_", measured):
        return "percentunit"
    if "bytes" in measured:
        return "bytes"
    if "seconds" in measured:
        return "s"
    return "reqps" if measured.startswith("api:requests:rate") or "(rate(" in measured else "short"


def _condition(alert: Alert) -> str:
    said = re.sub(r"\s+", " ", "".join(tokens.lexemes(alert.rule.expr)))
    held = f", for {durations.format_ms(alert.rule.hold_ms)}" if alert.rule.hold_ms else ""
    return f"It fires on: {said}{held}{' (production scale)' if alert.is_scaled else ''}."


def _queries(alert: Alert, compared: Sequence[Comparison]) -> Iterator[Query]:
    for one in compared:
        name = re.fullmatch(r"(?:\w+\()?([\w:]+).*", one.measured)
        yield _query(
            alert, one.measured, f"{name[1] if name and ':' in name[1] else 'value'} {{{{job}}}}"
        )
    limits = list(dict.fromkeys(one.limit for one in compared))
    for at, limit in enumerate(limits):
        vector = f"vector({limit})" if expression.is_scalar(limit) else limit
        yield _query(alert, vector, f"limit {at + 1}" if limits[1:] else "limit")


def _query(alert: Alert, expr: str, legend: str) -> Query:
    asked = (
        shrink.rewrite_durations(
            expr, lambda duration, shortest_ms: _variable(duration, shortest_ms, {}), _lost
        )
        if alert.is_scaled
        else expr
    )
    by_run = re.sub(
        r"\b(by|on) \(", r"\1 (run, ", asked
    )  # Two runs laid over each other are told apart also where a rule adds up.
    return Query(
        of_runs(f"({by_run})"),
        legend,
        only_where=next((what for words, what in NEEDS.items() if words in expr), ""),
    )


# -- the rest of the page


def _state(alert: Alert) -> Query:
    labels = f'alertname="{alert.rule.name}", severity="{alert.rule.labels["severity"]}"'
    firing, pending = (
        f'ALERTS{{{labels}, alertstate="{state}"}}' for state in ("firing", "pending")
    )
    quiet = f'firedrill:rule_evaluation{{group="{alert.group}"}}'
    return Query(largest(f"(2 * {firing} or {pending} or 0 * {quiet})"), alert.title)


def _others() -> Query:
    known = "|".join(dict.fromkeys(alert.rule.name for alert in alerts()))
    firing, pending = (
        f'ALERTS{{alertname!~"{known}", alertstate="{state}"}}' for state in ("firing", "pending")
    )
    return Query(
        largest(f"(2 * {firing} or {pending})", "run, alertname, severity"),
        "{{alertname}} {{severity}}",
        empty_when_healthy="your own alerts have a row while they are active",
    )


def _burn(kind: str, budget: str, window: str) -> Query:
    return Query(
        of_runs(f'(api:{kind}:ratio_rate{window}{{job=~"$job"}} / {budget})'),
        f"{window} {{{{job}}}}",
    )


def _burn_rates(title: str, question: str, kind: str, budget: str) -> Signal:
    limits = (
        Query(
            of_runs(f"(clamp_max(vector({times}), {HIGHEST_SHARE} / {budget}))"), f"limit {times:g}"
        )
        for times in BURNS
    )
    return Signal(
        title,
        question,
        "short",
        (*(_burn(kind, budget, window) for window in WINDOWS), *limits),
        "no traffic",
    )


_FAULTS = Query(
    f"3 * sgn({largest(ours('api_fault_active'), 'run, fault')} > 0)",
    "fault: {{fault}}",
    empty_when_healthy="nothing is broken on purpose",
)
STATES = Signal(
    "Alerts and faults",
    "Which alert is pending, which fires, since when, what was broken on purpose below it? A row without a rule is empty.",
    "none",
    (*map(_state, alerts()), _others(), _FAULTS),
    "no rule is evaluated",
)
LOAD_STEPS = Signal(
    "Load",
    "How many users ask, and in which step of the load?",
    "short",
    (Query(total(ours("locust_users")), "users"), Query(largest(ours("locust_load_step")), "step")),
)
ACTIVE = Signal(
    "Firing / pending now",
    "How many alerts fire, and how many are about to? Watchdog, which always fires, is left out.",
    "none",
    tuple(
        Query(
            total(
                f'(ALERTS{{alertstate="{state}", alertname!="Watchdog"}} or 0 * firedrill:rule_evaluation)'
            ),
            state,
        )
        for state in ("firing", "pending")
    ),
    "no rule is evaluated",
)
ERROR_BURN = _burn_rates(
    "Error budget: burn rates",
    "How many times faster than the budget allows do failed requests use it up? An alert needs a long and a short window above its limit.",
    "errors",
    "scalar(api:slo_errors:ratio)",
)
LATENCY_BURN = _burn_rates(
    "Latency budget: burn rates",
    "How many times faster than 1 % do requests exceed the SLO latency? An alert needs a long and a short window above its limit.",
    "slow",
    "0.01",
)
AGAINST_LIMITS = tuple(signal for alert in alerts() for signal in against_limits(alert))
