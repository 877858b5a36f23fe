"""The alert lab splits a rule into its comparisons, at the time scale of the running drill."""

import pytest

from firedrill.alerts.rules import expression
from firedrill.alerts.rules.expression import Comparison
from firedrill.stack import state_file
from grafana.source import alert_lab_panels


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("up", []),
        ("avg_over_time(a[1m]) > 0.8", [("avg_over_time(a[1m])", ">", "0.8")]),
        (
            'a{b="x > y"} >= 1 # c < d\n and e <\n  2 * scalar(f) or g',
            [('a{b="x > y"}', ">=", "1"), ("e", "<", "2 * scalar(f)")],
        ),
        ("a == 1 and a == 1", [("a", "==", "1")]),
        ("a > bool 1 or b > on (c) d", []),
        ("a > 1 unless on (b) c != 0", [("a", ">", "1")]),
        ("sum by (x) (a > 1) / 2", []),
    ],
)
def test_set_operators_join_the_comparisons_of_an_expression(expr, expected):
    assert expression.comparisons(expr) == tuple(Comparison(*parts) for parts in expected)


@pytest.mark.parametrize(
    ("text", "scalar"),
    [
        ("14.4 * 0.01", True),
        ("-(2 * scalar(a))", True),
        ("scalar(clamp_max(14.4 * a, 0.9))", True),
        ("a", False),
        ("2 * a", False),
        ("vector(1)", False),
    ],
)
def test_a_number_is_not_a_series(text, scalar):
    assert expression.is_scalar(text) is scalar


def test_lab_windows_are_scaled_and_keep_four_scrapes():
    at_12, at_36 = alert_lab_panels.variable_values(12), alert_lab_panels.variable_values(36)
    name = "${at_least_4000_for_1m}"
    assert (at_12[name], at_36[name]) == ("5000", "4000")
    assert "60000" in alert_lab_panels.variable_query(name.strip("${}"))


def test_rules_that_a_drill_does_not_scale_are_queried_unchanged():
    for alert in alert_lab_panels.alerts():
        queries = " ".join(
            query.expr
            for content in alert_lab_panels.against_limits(alert)
            for query in content.queries
        )
        assert alert.is_scaled or "${" not in queries, alert.title


def test_the_lab_shows_the_limit_of_a_burn_rate():
    (rule,) = [
        alert.rule
        for alert in alert_lab_panels.alerts()
        if alert.rule.name == "ApiErrorBudgetFastBurn"
    ]
    shown = [
        query.expr for query in alert_lab_panels.ERROR_BURN.queries if query.legend == "limit 14.4"
    ]
    highest = alert_lab_panels.HIGHEST_ERROR_RATIO
    assert f"clamp_max(14.4 * api:slo_errors:ratio, {highest})" in rule.expr
    assert f"clamp_max(vector(14.4), {highest} / scalar(api:slo_errors:ratio))" in shown[0]


def test_a_stack_is_found_while_it_holds_its_folder(tmp_path):
    stack = state_file.RunningStack("http://127.0.0.1:9", 12.0)
    with state_file.locked(tmp_path / state_file.NAME):
        stack.announce(tmp_path / state_file.NAME)
        assert state_file.find(tmp_path) == stack
        with (
            pytest.raises(state_file.BadInput, match="in use by another"),
            state_file.locked(tmp_path / state_file.NAME),
        ):
            pass
    with pytest.raises(state_file.BadInput, match="no `firedrill up` runs here"):
        state_file.find(tmp_path)
