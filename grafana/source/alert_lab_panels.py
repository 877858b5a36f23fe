"""Panels of the alert lab, built from the rule files: state, value and limit of each alert."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from firedrill import places
from firedrill.alerts.rules import durations, expression, rule_file, tokens
from firedrill.alerts.scaling import shrink
from grafana.source.golden_signals_panels import (
    ALL_SELECTED,
    PanelContent,
    Query,
    in_selected_runs,
    max_by,
    selected,
    sum_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from firedrill.alerts.rules.expression import Comparison
    from firedrill.alerts.rules.rule_file import Rule

SCALED = "api.yml"
"""Rule file that a drill scales: its durations become variables of the dashboard."""
UNIT_NOUNS = {
    "percentunit": "shares",
    "s": "seconds",
    "reqps": "rates",
    "bytes": "bytes",
    "short": "counts",
}
"""Nouns by unit: an alert that compares in several units has a panel for each."""
BURN_RATES = (1, 3, 6, 14.4)
"""Burn rates with which api.yml compares, as multiples of the budget."""
HIGHEST_ERROR_RATIO = 0.9
"""Largest error ratio with which api.yml compares."""
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Windows of the burn rates in api.yml."""

FIRES = {
    ">": "above",
    ">=": "from it up",
    "<": "below",
    "<=": "from it down",
    "==": "at it",
    "!=": "off it",
}
"""Side of a limit on which an alert fires, by the operator that compares with it."""
REQUIREMENTS = {
    "container_cpu_": "a CPU quota of the server's container",
    'resource="memory"': "a memory limit of the server's container",
    " offset ": "as much time before as the rule looks back",
    'error=~"Connection': "an API that refuses connections",
}
"""Requirements of expressions that contain these words, to give anything."""


NO_WATCHDOG = 'alertname!="Watchdog"'


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of the bundle, with the group that evaluates it."""

    rule: Rule
    group: str
    is_scaled: bool

    @property
    def title(self) -> str:
        """The alert's name and severity: several alerts share a name."""
        return f"{self.rule.name}, {self.rule.labels['severity']}"


@cache
def alerts(folder: Path = places.RULES) -> tuple[Alert, ...]:
    """Return the alerts of the rule files, in their order there."""
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
    """Return (production length, shortest length) in ms by name of a duration variable."""
    durations_by_name: dict[str, tuple[int, int]] = {}
    for alert in alerts():
        if alert.is_scaled:
            shrink.rewrite_durations(
                alert.rule.expr,
                lambda duration, shortest_ms: _variable(duration, shortest_ms, durations_by_name),
                _time_scale,
            )
    return durations_by_name


def _variable(
    duration: str, shortest_ms: int, durations_by_name: dict[str, tuple[int, int]]
) -> str:
    name = f"at_least_{shortest_ms}_for_{duration}" if shortest_ms else f"for_{duration}"
    length_ms = durations.parse_ms(duration)
    durations_by_name[name] = length_ms, min(length_ms, shortest_ms)
    return f"${{{name}}}ms"


def _time_scale(before: str, after: str) -> str:
    return f"{durations.parse_ms(before)} / {after.removesuffix('ms')}"


def variable_query(name: str) -> str:
    """Return the query that gives a variable its value."""
    length_ms, shortest_ms = variables()[name]
    factor = "scalar(max(max_over_time(firedrill_time_scale[$__range])) or vector(1))"
    return f"query_result(clamp_min(round(vector({length_ms} / {factor})), {shortest_ms}))"


def variable_values(time_scale: float) -> dict[str, str]:
    """Return the default values of the dashboards' variables in a drill of this time scale."""
    values = {
        name: max(round(length_ms / time_scale), shortest_ms)
        for name, (length_ms, shortest_ms) in variables().items()
    }
    return {**ALL_SELECTED, **{f"${{{name}}}": str(value) for name, value in values.items()}}


# -- value against limit


def against_limits(alert: Alert) -> Iterator[PanelContent]:
    """Yield a panel for each unit in which an alert compares."""
    compared = expression.comparisons(alert.rule.expr)
    for index, unit in enumerate(
        dict.fromkeys(_unit(comparison.measured) for comparison in compared)
    ):
        same_unit = [comparison for comparison in compared if _unit(comparison.measured) == unit]
        yield PanelContent(
            f"{alert.title}: {UNIT_NOUNS[unit]}" if index else alert.title,
            "How far is the alert from its limit?"
            f" {alert.rule.annotations['summary']} {_condition(alert)}",
            unit,
            tuple(dict.fromkeys(_queries(alert, same_unit))),
            "nothing to compare",
        )


def _unit(measured: str) -> str:
    """Return Grafana's name of the unit, derived from the names of the series."""
    if re.search(r":ratio| / |pressure_", measured):
        return "percentunit"
    if "bytes" in measured:
        return "bytes"
    if "seconds" in measured:
        return "s"
    return "reqps" if measured.startswith("api:requests:rate") or "(rate(" in measured else "short"


def _condition(alert: Alert) -> str:
    expression_text = re.sub(r"\s+", " ", "".join(tokens.lexemes(alert.rule.expr))).strip()
    held = f", for {durations.format_ms(alert.rule.hold_ms)}" if alert.rule.hold_ms else ""
    return (
        f"It fires when: {expression_text}{held}{' (production scale)' if alert.is_scaled else ''}."
    )


def _queries(alert: Alert, compared: Sequence[Comparison]) -> Iterator[Query]:
    for comparison in compared:
        name = re.fullmatch(r"(?:\w+\()?([\w:]+).*", comparison.measured)
        yield _query(
            alert,
            comparison.measured,
            f"{name[1] if name and ':' in name[1] else 'value'} {{{{job}}}}",
        )
    limits = list(dict.fromkeys((comparison.limit, comparison.operator) for comparison in compared))
    for number, (limit, operator) in enumerate(limits, 1):
        vector = f"vector({limit})" if expression.is_scalar(limit) else limit
        legend = f"limit {number}" if limits[1:] else "limit"
        yield _query(alert, vector, f"{legend}: fires {FIRES[operator]}")


def _query(alert: Alert, expr: str, legend: str) -> Query:
    scaled = (
        shrink.rewrite_durations(
            expr, lambda duration, shortest_ms: _variable(duration, shortest_ms, {}), _time_scale
        )
        if alert.is_scaled
        else expr
    )
    by_run = re.sub(
        r"\b(by|on) \(", r"\1 (run, ", scaled
    )  # Two runs laid over each other differ also where a rule adds up.
    return Query(
        in_selected_runs(f"({by_run})"),
        legend,
        requires=next(
            (requirement for words, requirement in REQUIREMENTS.items() if words in expr), ""
        ),
    )


# -- the rest of the page


def _state(alert: Alert) -> Query:
    labels = f'alertname="{alert.rule.name}", severity="{alert.rule.labels["severity"]}"'
    firing, pending = (
        f'ALERTS{{{labels}, alertstate="{state}"}}' for state in ("firing", "pending")
    )
    quiet = f'firedrill:rule_evaluation{{group="{alert.group}"}}'
    return Query(max_by(f"(2 * {firing} or {pending} or 0 * {quiet})"), alert.title)


def _other_alerts() -> Query:
    known = "|".join(dict.fromkeys(alert.rule.name for alert in alerts()))
    firing, pending = (
        f'ALERTS{{alertname!~"{known}", alertstate="{state}"}}' for state in ("firing", "pending")
    )
    return Query(
        max_by(f"(2 * {firing} or {pending})", "run, alertname, severity"),
        "{{alertname}} {{severity}}",
        empty_when_healthy="alerts of your own rules have a row while they are active",
    )


def _burn(kind: str, budget: str, window: str) -> Query:
    return Query(
        in_selected_runs(f'(api:{kind}:ratio_rate{window}{{job=~"$job"}} / {budget})'),
        f"{window} {{{{job}}}}",
    )


def _burn_rates(title: str, description: str, kind: str, budget: str) -> PanelContent:
    limits = (
        Query(
            in_selected_runs(f"(clamp_max(vector({times}), {HIGHEST_ERROR_RATIO} / {budget}))"),
            f"limit {times:g}",
        )
        for times in BURN_RATES
    )
    return PanelContent(
        title,
        description,
        "short",
        (*(_burn(kind, budget, window) for window in WINDOWS), *limits),
        "no traffic",
    )


_FAULTS = Query(
    f"3 * sgn({max_by(selected('api_fault_active'), 'run, fault')} > 0)",
    "fault: {{fault}}",
    empty_when_healthy="no fault is injected",
)
ACTIVE_STATES = PanelContent(
    "Active alerts and faults",
    "Which alerts were pending or firing in the time shown, since when, and which faults were "
    "injected? Watchdog, which always fires, is left out.",
    "none",
    (
        Query(
            max_by(
                f'(2 * ALERTS{{{NO_WATCHDOG}, alertstate="firing"}}'
                f' or ALERTS{{{NO_WATCHDOG}, alertstate="pending"}})',
                "run, alertname, severity",
            ),
            "{{alertname}}, {{severity}}",
            requires="an alert that was active",
        ),
        _FAULTS,
    ),
    "no alert was active",
)
STATES = PanelContent(
    "All alerts",
    "Which alerts are quiet, pending or firing? The row of a rule that is not loaded is empty.",
    "none",
    (*map(_state, alerts()), _other_alerts()),
    "no rule is evaluated",
)
LOAD_STEPS = PanelContent(
    "Load",
    "How many users run, and which step of the load profile is active?",
    "short",
    (
        Query(sum_by(selected("locust_users")), "users"),
        Query(max_by(selected("locust_load_step")), "step"),
    ),
)
ACTIVE = PanelContent(
    "Firing / pending now",
    "How many alerts are firing, and how many are pending? An alert counts once, however many "
    "series it has; Watchdog, which always fires, is not counted.",
    "none",
    tuple(
        Query(
            "sum by (run) (max by (run, alertname) ("
            + in_selected_runs(
                f'(ALERTS{{alertstate="{state}", alertname!="Watchdog"}} ^ 0'
                " or 0 * firedrill:rule_evaluation)"
            )
            + "))",
            state,
        )
        for state in ("firing", "pending")
    ),
    "no rule is evaluated",
)
ERROR_BURN = _burn_rates(
    "Error budget: burn rates",
    "How many times faster than the error budget allows do requests fail? An alert needs a "
    "long and a short window above its limit.",
    "errors",
    "scalar(api:slo_errors:ratio)",
)
LATENCY_BURN = _burn_rates(
    "Latency budget: burn rates",
    "How many times faster than the latency budget (1 %) allows do requests exceed the SLO "
    "latency? An alert needs a long and a short window above its limit.",
    "slow",
    "0.01",
)
AGAINST_LIMITS = tuple(content for alert in alerts() for content in against_limits(alert))
