"""The replay against Prometheus itself: `promtool test rules` says of every alert, at every evaluation, what the replay says."""

import json
import subprocess

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from firedrill.alerts import durations
from firedrill.alerts.replay import Replay
from firedrill.alerts.rulefile import Rule
from tests import needs

INTERVAL_MS = 10_000
EVALUATIONS = 24
RULES = 12
TEMPLATES = [
    {},
    {"severity": "critical"},
    {"of": "{{ $labels.i }}-{{ $labels.absent }}", "i": ""},
    {"value": "is {{ $value }}"},
    {"alertname": "another", "a": "b"},
]
VALUES = [1, 0.5, 2.25, 1e-7, 1e22, 1234567.5, 123456, 0.0001]
LENGTHS_MS = st.sampled_from([0, 0, 1, 5_000, 10_000, 15_000, 20_000, 30_000, 75_000])


@st.composite
def histories(draw):
    """What a series is at each evaluation: a value that is over the threshold, 0, or gone."""
    runs = draw(st.lists(st.tuples(st.integers(1, 7), st.sampled_from([*VALUES, 0, None, *VALUES[:2]])), min_size=4, max_size=12))
    values = [value for length, value in runs for _ in range(length)]
    return (values * EVALUATIONS)[:EVALUATIONS]


@st.composite
def cases(draw, number):
    """A rule, and the histories of the series that it reads."""
    rule = Rule(
        name=f"Alert{number}",
        expr=f'metric{{rule="{number}"}} > 0',
        is_alert=True,
        place="",
        expr_place="",
        labels=draw(st.sampled_from(TEMPLATES)),
        annotations={},
        hold_ms=draw(LENGTHS_MS),
        keep_ms=draw(LENGTHS_MS),
    )
    return rule, draw(st.lists(histories(), min_size=1, max_size=1 if "i" in rule.labels and not rule.labels["i"] else 3))


def in_promql(labels, name):
    return f"{name}{{{', '.join(f'{key}={json.dumps(value)}' for key, value in labels)}}}"


def replayed(rule, series):
    """Per evaluation, the samples of ALERTS and ALERTS_FOR_STATE."""
    replay = Replay(rule)
    for at in range(EVALUATIONS):
        vector = {(("i", str(i)), ("rule", rule.name[5:])): values[at] for i, values in enumerate(series) if values[at]}
        shown = replay.evaluate(at * INTERVAL_MS, vector)
        states = [{"labels": in_promql((*labels, ("alertstate", one.state)), "ALERTS"), "value": 1} for labels, one in shown.items()]
        yield states, [{"labels": in_promql(labels, "ALERTS_FOR_STATE"), "value": one.for_state} for labels, one in shown.items()]


def as_rule(rule):
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "labels": rule.labels,
        "for": durations.spelled(rule.hold_ms),
        "keep_firing_for": durations.spelled(rule.keep_ms),
    }


def as_series(rule, number, values):
    spelled = " ".join("stale" if value is None else repr(value) for value in values)
    return {"series": f'metric{{rule="{rule.name[5:]}", i="{number}"}}', "values": spelled}


def checks(rule, series):
    """What promtool is to confirm: two expressions an evaluation."""
    for at, expected in enumerate(replayed(rule, series)):
        for name, samples in zip(("ALERTS", "ALERTS_FOR_STATE"), expected, strict=True):
            yield {"expr": f'{name}{{alertname="{rule.name}"}}', "eval_time": f"{at * INTERVAL_MS}ms", "exp_samples": samples}


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # Shrinking would start promtool for minutes.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(drawn=st.tuples(*(cases(number) for number in range(RULES))))
def test_every_alert_is_what_prometheus_says_at_every_evaluation(drawn, tmp_path):
    """576 equalities an example, one run of promtool each."""
    rules, cases_file = tmp_path / "rules.yml", tmp_path / "cases.yml"
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [as_rule(rule) for rule, _ in drawn]}]}))
    test = {
        "interval": f"{INTERVAL_MS}ms",
        "input_series": [as_series(rule, number, values) for rule, series in drawn for number, values in enumerate(series)],
        "promql_expr_test": [check for rule, series in drawn for check in checks(rule, series)],
    }
    assert len(test["promql_expr_test"]) == 2 * RULES * EVALUATIONS
    cases_file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": f"{INTERVAL_MS}ms", "tests": [test]}))
    done = subprocess.run([needs.program("promtool"), "test", "rules", cases_file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
