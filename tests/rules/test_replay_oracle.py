"""The replay agrees with `promtool test rules` about every alert at every evaluation."""

import math
import re

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from firedrill.alerts.replay.alert_state import CLASH, AlertStateMachine
from firedrill.alerts.replay.recording_rules import Recorder
from firedrill.alerts.rules.rule_file import Group, Rule
from tests.rules.promtool_cases import EVALUATIONS, INTERVAL_MS, in_promql, run_cases

GROUPS, RULES = 3, 4
"""Rules a group that read a metric of their own; an alert may do so through a record that stands
before or after it.
"""
TEMPLATES = [
    {},
    {"severity": "critical"},
    {"of": "{{ $labels.i }}-{{ $labels.absent }}", "i": ""},
    {"value": "is {{ $value }}"},
    {"alertname": "another", "a": "b"},
]
RECORDED_AS = [{}, {"more": "x"}, {"rule": ""}]
VALUES = [1, 0.5, 2.25, 1e-7, 1e22, 1234567.5, 123456, 0.0001]
LENGTHS_MS = st.sampled_from([0, 0, 1, 5_000, 10_000, 15_000, 20_000, 30_000, 75_000])
QUICKLY = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # Shrinking would start promtool for minutes.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@st.composite
def histories(draw):
    """Generate the values of a series at each evaluation: over the threshold, 0, or None where it
    is gone.
    """
    runs = draw(
        st.lists(
            st.tuples(st.integers(1, 7), st.sampled_from([*VALUES, 0, None, *VALUES[:2]])),
            min_size=4,
            max_size=12,
        )
    )
    values = [value for length, value in runs for _ in range(length)]
    return (values * EVALUATIONS)[:EVALUATIONS]


def rule(name, expr, labels, hold_ms=0, keep_ms=0):
    return Rule(
        name=name,
        expr=expr,
        is_alert=name.startswith("Alert"),
        place="",
        expr_place="",
        labels=labels,
        annotations={},
        hold_ms=hold_ms,
        keep_ms=keep_ms,
    )


@st.composite
def cases(draw, number, as_recorded=RECORDED_AS):
    """Generate rules in their order, and the histories of the series that they read."""
    labels, lengths = draw(st.sampled_from(TEMPLATES)), (draw(LENGTHS_MS), draw(LENGTHS_MS))
    metric, recorded = (
        f'metric{{rule="{number}"}} > 0',
        draw(st.sampled_from(["", "before", "after"])),
    )
    rules = [rule(f"Alert{number}", f"rec:{number} > 0" if recorded else metric, labels, *lengths)]
    if recorded:
        rules.insert(
            recorded == "after", rule(f"rec:{number}", metric, draw(st.sampled_from(as_recorded)))
        )
    return rules, draw(
        st.lists(histories(), min_size=1, max_size=1 if labels.get("i") == "" else 3)
    )


@st.composite
def groups(draw, name, numbers, limits, **drawn):
    """Generate a group of such rules, and the histories by the metric's label."""
    cases_by_number = {number: draw(cases(number, **drawn)) for number in numbers}
    rules = tuple(rule_drawn for rules, _ in cases_by_number.values() for rule_drawn in rules)
    return Group(name=name, place="", interval_ms=None, limit=draw(limits), rules=rules), {
        str(number): series for number, (_, series) in cases_by_number.items()
    }


class Evaluated:
    """Groups that are evaluated in order, with what they write and what fails."""

    def __init__(self, groups, series):
        self.series, self.current = series, {}
        self.rules = [
            (rule, (AlertStateMachine if rule.is_alert else Recorder)(rule, group.limit))
            for group in groups
            for rule in group.rules
        ]

    def given(self, expr, at):
        """Return the vector that an expression of these rules gives."""
        if not (metric := re.match(r'metric{rule="(\d+)"}', expr)):
            return self.current.get(expr.partition(" ")[0], {})
        histories = enumerate(self.series[metric[1]])
        return {
            (("i", str(number)), ("rule", metric[1])): values[at]
            for number, values in histories
            if values[at]
        }

    def evaluate(self, at):
        """Yield (expression, expected samples) of each alert's series at the evaluation of this
        number.
        """
        for rule, state in self.rules:
            vector = self.given(rule.expr, at)
            if rule.is_alert:
                shown = state.evaluate(at * INTERVAL_MS, vector) or {}
                alerts = [
                    {
                        "labels": in_promql((*labels, ("alertstate", alert.state)), "ALERTS"),
                        "value": 1,
                    }
                    for labels, alert in shown.items()
                ]
                since = [
                    {
                        "labels": in_promql(labels, "ALERTS_FOR_STATE"),
                        "value": alert.active_since_ms // 1000,
                    }
                    for labels, alert in shown.items()
                ]
                yield f'ALERTS{{alertname="{rule.name}"}}', alerts
                yield f'ALERTS_FOR_STATE{{alertname="{rule.name}"}}', since
            else:
                written = state.record(at * INTERVAL_MS, vector)
                known = self.current.get(rule.name, {}) | written
                self.current[rule.name] = {
                    labels: value for labels, value in known.items() if not math.isnan(value)
                }

    def failures(self, at):
        """Return (rule, reason) of each rule that fails at an evaluation."""
        return [
            (rule, state.failures[at * INTERVAL_MS])
            for rule, state in self.rules
            if at * INTERVAL_MS in state.failures
        ]


def checks_at(evaluated, at):
    return [
        {"expr": expr, "eval_time": f"{at * INTERVAL_MS}ms", "exp_samples": samples}
        for expr, samples in evaluated.evaluate(at)
    ]


@settings(QUICKLY, max_examples=12)
@given(
    drawn=st.tuples(
        *(
            groups(
                f"g{at}",
                range(at * RULES, (at + 1) * RULES),
                limits=st.sampled_from([0, EVALUATIONS]),
            )
            for at in range(GROUPS)
        )
    )
)
def test_prometheus_agrees_with_the_replay_at_every_evaluation(drawn, tmp_path):
    """Each example has 576 equalities, in one run of promtool."""
    listed, series = (
        [group for group, _ in drawn],
        {number: found for _, one in drawn for number, found in one.items()},
    )
    evaluated = Evaluated(listed, series)
    checks = [check for at in range(EVALUATIONS) for check in checks_at(evaluated, at)]
    assert len(checks) == 2 * GROUPS * RULES * EVALUATIONS
    code, said = run_cases(tmp_path, listed, series, checks)
    assert code == 0, said[-3000:]


@settings(QUICKLY, max_examples=8)
@given(
    drawn=groups(
        "g",
        range(3),
        limits=st.sampled_from([0, 1, 2]),
        as_recorded=[*RECORDED_AS, {"i": ""}, {"i": "same"}],
    )
)
def test_the_replay_fails_evaluations_as_prometheus_does(drawn, tmp_path):
    """Promtool ends with the first evaluation at which a rule fails, and names all rules that fail
    there.
    """
    group, series = drawn
    evaluated = Evaluated([group], series)
    for at in range(EVALUATIONS):
        checks = checks_at(evaluated, at)
        if evaluated.failures(at):
            break
    code, said = run_cases(tmp_path, [group], series, checks)
    failed = re.findall(r"rule: (\S+), time: (\S+), err: (.+)", said)
    expected = [
        (rule.name, in_go(at), in_prometheus_s_words(rule, why))
        for rule, why in evaluated.failures(at)
    ]
    assert failed == expected
    assert code == bool(expected), said[-3000:]


def in_go(at):
    """Return the time of an evaluation as Go prints it."""
    minutes, seconds = divmod(at * INTERVAL_MS // 1000, 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def in_prometheus_s_words(rule, why):
    kind = "alert" if rule.is_alert else "rule"
    if why == CLASH:
        return f"vector contains metrics with the same labelset after applying {kind} labels"
    number, limit = re.findall(r"\d+", why)
    return f"exceeded limit of {limit} with {number} {'alerts' if rule.is_alert else 'series'}"
