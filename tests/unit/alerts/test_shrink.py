"""Scaling shortens every duration of production rules and changes nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.alerts.rules import durations
from firedrill.alerts.scaling.shrink import Scaler, scale_rules
from firedrill.errors import BadInput
from firedrill.places import RULES

RULE_FILE = """\
groups:
  - name: api  # a comment
    interval: 30s
    rules:
      - record: job:errors:rate5m
        expr: rate(errors_total[5m])
      - alert: Off
        expr: |
          job:errors:rate5m > 5  # for 5m
          and increase(errors_total[1h]) >= 10
        for: 2m
        keep_firing_for: 10m
        annotations: {description: "over 5m"}
"""


@pytest.mark.parametrize(
    ("production", "drill"),
    [
        ("rate(x[5m])", "rate(x[25s])"),
        ("rate(x[1m30s])", "rate(x[7500ms])"),
        ("x offset 1h", "x offset 300s"),
        ("x offset -1h", "x offset -300s"),
        ("x OFFSET 1h", "x OFFSET 300s"),
        ("max_over_time(x[1h:1m])", "max_over_time(x[300s:5s])"),
        ("max_over_time(x[1h:])", "max_over_time(x[300s:])"),
        (
            "max_over_time(x[ 1h # an hour, not 5m\n:1m])",
            "max_over_time(x[ 300s # an hour, not 5m\n:5s])",
        ),
        ("rate(x[5m] @ 1609746000)", "rate(x[25s] @ 1609746000)"),
        ("increase(x[5m]) >= 10", "(12 * increase(x[25s])) >= 10"),
        (
            "sum by (increase) (increase (x[5m] offset 1d))",
            "sum by (increase) ((12 * increase (x[25s] offset 7200s)))",
        ),
        ("increase(rate(x[5m])[1h:1m])", "(12 * increase(rate(x[25s])[300s:5s]))"),
        ("a / increase(x[5m]) ^ 2", "a / (12 * increase(x[25s])) ^ 2"),
    ],
)
def test_time_in_an_expression_shrinks(production, drill):
    assert Scaler(12).expression(production, "rule") == drill


@pytest.mark.parametrize(
    "expression",
    [
        "x > 5",
        'x{window="[5m]", other=\'a "[5m] offset 5m\'}',
        "x{path=`[5m]\\`}",
        'x{escaped="\\"[5m]"}',
        "job:errors:rate5m + rate5m + :a5m",
        "x > 0x5d + 1e5 + .5",
        "histogram_quantile(0.95, x) > 0.25 # [5m]",
        "offset{a='b'}",
        "hour() > 8",
        "time() % 86400 > 3600",
    ],
)
def test_text_that_is_no_duration_stays(expression):
    assert Scaler(12).expression(expression, "rule") == expression


@pytest.mark.parametrize(
    ("production", "drill"),
    [
        ("predict_linear(x[6h], 24*60*60) < 0", "predict_linear(x[1800s], 7200) < 0"),
        ("predict_linear(x[6h], 4h) < 0", "predict_linear(x[1800s], 1200) < 0"),
        ("time() - x < 300", "time() - x < 25"),
        ("300 > time() - x", "25 > time() - x"),
        ("(time() - x) / 60 > bool 6", "(time() - x) / 60 > bool 0.5"),
        ("time() - timestamp(x) >= 60", "time() - timestamp(x) >= 5"),
        ("count(time() - x > 300) > 2", "count(time() - x > 25) > 2"),
        ("up == 0 unless on (a) time() - x < 5 * 60", "up == 0 unless on (a) time() - x < 25"),
        ("cert_timestamp_seconds - time() < 86400", "cert_timestamp_seconds - time() < 7200"),
        ("x < time() - 300", "x < time() - 25"),
        ("time() > x + 300", "time() > x + 25"),
        ("(x - x offset 5m) / 300 > 1", "(x - x offset 25s) / 25 > 1"),
    ],
)
def test_numbers_that_are_seconds_shrink_and_are_named(production, drill):
    scaler = Scaler(12)
    assert scaler.expression(production, "rule") == drill
    assert len(scaler.seconds) == 1


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("holt_winters(x[1h], 0.5, 0.5) > 1", "choose its smoothing factors anew"),
        ("time() - x > y", "compared with y, which is no constant and stays"),
        ("predict_linear(x[1h], scalar(y)) < 0", "looks ahead scalar(y), which is no constant"),
    ],
)
def test_seconds_that_cannot_be_divided_are_named(expression, said):
    scaler = Scaler(1.0000001)
    scaler.expression(expression, "rule")
    assert said in scaler.seconds[0]


@pytest.mark.parametrize(
    ("production", "drill", "message"),
    [
        ("rate(x[30s])", "rate(x[4s])", "rule: 30s is 4s here, not 2500ms"),
        ("rate(x[2s])", "rate(x[2s])", "rule: 2s is 2s here, not 167ms"),
        ("max_over_time(x[1h:6s])", "max_over_time(x[300s:1s])", "rule: 6s is 1s here, not 500ms"),
        ("increase(x[30s])", "(7.5 * increase(x[4s]))", "rule: 30s is 4s here, not 2500ms"),
        ("x offset 5ms", "x offset 1ms", "rule: 5ms is 1ms here, not 0s"),
    ],
)
def test_a_window_keeps_four_scrapes_and_reports_it(production, drill, message):
    scaler = Scaler(12)
    assert scaler.expression(production, "rule") == drill
    assert scaler.clamped == [message]


def test_every_duration_of_a_rule_file_shrinks():
    scaled = scale_rules(RULE_FILE, 12)
    for expected in (
        "interval: 2500ms",
        "rate(errors_total[25s])",
        "for: 10s",
        "keep_firing_for: 50s",
    ):
        assert expected in scaled.text
    assert (
        "job:errors:rate5m > 5  # for 5m\n          and (12 * increase(errors_total[300s])) >= 10"
        in scaled.text
    )
    assert "over 5m" in scaled.text
    assert "alert: Off" in scaled.text
    assert scaled.clamped == ()


def test_factor_one_changes_nothing():
    assert scale_rules(RULE_FILE, 1).text == RULE_FILE


def test_rules_that_share_a_mapping_shrink_once():
    shared = (
        "groups:\n- name: a\n  rules:\n"
        "  - &r {record: a, expr: 'rate(x[1h])'}\n  - *r\n  - {<<: *r, record: b}\n"
    )
    assert scale_rules(shared, 12).text.count("rate(x[300s])") == scale_rules(
        shared, 12
    ).text.count("rate(")


def test_no_window_of_the_bundled_rules_is_clamped_at_twelve():
    assert scale_rules((RULES / "api.yml").read_text(), 12).clamped == ()


@pytest.mark.parametrize(
    ("text", "factor", "message"),
    [
        (RULE_FILE, 0.5, "the time scale is 0.5; expected 1 or more"),
        (RULE_FILE, float("nan"), "the time scale is nan; expected 1 or more"),
        ("groups: [a]\n", 12, "line 1: no group"),
        ("groups:\n- {name: a, rules: [b]}\n", 12, "no rule; expected alert or record, and expr"),
        ("groups: [", 12, "line 1"),
        ("a: 1\na: 2\n", 12, "line 2"),
        ("- a", 12, "expected a Prometheus rule file"),
        (
            RULE_FILE.replace("for: 2m", "for: 2 minutes"),
            12,
            "2 minutes is no duration; expected one such as 1h30m, 15s or 250ms",
        ),
    ],
)
def test_a_malformed_rule_file_is_an_error(text, factor, message):
    with pytest.raises(BadInput) as caught:
        scale_rules(text, factor)
    assert message in str(caught.value)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_is_read_as_it_is_spelled(length_ms):
    assert durations.parse_ms(durations.format_ms(length_ms)) == length_ms


@given(st.text(alphabet="xw5m1h s[](){}:'\"`\\#\noffset-increase0.,", max_size=60))
def test_text_outside_durations_survives_whatever_it_is(text):
    """A factor of 1 changes only the spelling of durations.

    A text without durations stays the same to the character.
    """
    unchanged = (
        text.replace("5m", "5x")
        .replace("1h", "1x")
        .replace("m", "x")
        .replace("h", "x")
        .replace("w", "x")
        .replace("s", "x")
    )
    assert Scaler(12).expression(unchanged, "rule") == unchanged
