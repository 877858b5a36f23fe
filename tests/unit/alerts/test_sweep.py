"""A sweep finds the limit of an alert and reads the settings to try."""

import pytest

from firedrill.alerts.backtest import sweep
from firedrill.alerts.backtest.sweep import Settings
from firedrill.alerts.rules import rule_file, thresholds
from firedrill.errors import BadInput


@pytest.mark.parametrize(
    ("expr", "threshold"),
    [
        ('avg_over_time(x{a="b"}[1m]) > 0.8', ('avg_over_time(x{a="b"}[1m])', ">", 0.8)),
        ("a  >=  -1e3", ("a", ">=", -1000.0)),
        ('a{x!="y"} != 2 # why', ('a{x!="y"}', "!=", 2.0)),
        ("0.5 < a", ("a", ">", 0.5)),
        (" ((a > 1) ) # why", ("a", ">", 1.0)),
        ("(a) > 1", ("(a)", ">", 1.0)),
        ("a > 1 and b", None),
        ("a > scalar(b)", None),
        ("a > 0.5 * 100", None),
        ("a > bool 1", None),
        ("sum(a > 1)", None),
        ("(a > 1) > (2)", None),
        ("a > b > 0.5", None),
        ("(a > 1", None),
        ("", None),
    ],
)
def test_a_single_comparison_with_a_number_splits_at_its_limit(expr, threshold):
    comparison = thresholds.single_comparison(expr)
    assert (
        comparison and (comparison.measured, comparison.operator, comparison.value)
    ) == threshold


@pytest.mark.parametrize(
    ("expr", "with_seven"),
    [
        ("a > 0.5", ["a > 7"]),
        ("0.5 < a", ["7 < a"]),
        ("a > 0.5 * 100", ["a > 7"]),
        ("a > -(2 + 1) and on (x) b", ["a > 7 and on (x) b"]),
        ("a > scalar(limit)", ["a > 7"]),
        ("scalar(sum(limit)) < a", ["7 < a"]),
        ("a > 2 * b", ["a > 7 * b"]),
        ("a > on (x) group_left () (b / c * 2)", ["a > on (x) group_left () (b / c * 7)"]),
        ("0.5 * a > b", ["7 * a > b"]),
        ("2 * a > 3 * b", ["2 * a > 7 * b", "7 * a > 3 * b"]),
        ("a > 1 and b >= 10", ["a > 7 and b >= 10", "a > 1 and b >= 7"]),
        (
            "(a > 1 or b < 2) unless on (x) (c == 3)",
            [
                "(a > 7 or b < 2) unless on (x) (c == 3)",
                "(a > 1 or b < 7) unless on (x) (c == 3)",
                "(a > 1 or b < 2) unless on (x) (c == 7)",
            ],
        ),
        ("a > 1 < 5", ["a > 7 < 5", "a > 1 < 7"]),
        ("(a > 1) < 5", ["(a > 7) < 5", "(a > 1) < 7"]),
        # Two windows, one limit.
        (
            "a > scalar(14.4 * b) and c > scalar(14.4*b) and d >= 10",
            [
                "a > 7 and c > 7 and d >= 10",
                "a > scalar(14.4 * b) and c > scalar(14.4*b) and d >= 7",
            ],
        ),
        ("a > 1 and b < 1", ["a > 7 and b < 1", "a > 1 and b < 7"]),
        ('a{b="> 1"} > 1 # > 2', ['a{b="> 1"} > 7 ']),
        # No number to try others instead of.
        ("a", []),
        ("a > b", []),
        ("a > b + 5", []),
        ("a > b / 2", []),
        ("a > -2 * b", []),
        ("-2 * a > b", []),
        ("a > 2 * b ^ c", []),
        ("a > bool 1", []),
        ("a > bool 5 == 1", []),
        ("(a > bool 5) == 1", []),
        ("1 == (a > bool 5)", []),
        ("count(a > 1)", []),
        ("a < time() - 60", []),
        ("time() - a > 60", ["time() - a > 7"]),
        ("a > 1 and", ["a > 7 and"]),
        ("a > 0x10", ["a > 7"]),
        (") > (", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_limit_is_a_number_or_a_factor(expr, with_seven):
    blankless = ["".join(text.split()) for text in with_seven]
    assert [
        "".join(limit.with_value(7).split()).replace("7.0", "7")
        for limit in thresholds.find_limits(expr)
    ] == blankless


def test_a_sweep_is_spelled_as_a_range_or_a_list():
    settings = sweep.parse(["for=15s..2m/8", "threshold=0.1..0.5"])
    assert settings == Settings(tuple(range(15_000, 120_001, 15_000)), (0.1, 0.2, 0.3, 0.4, 0.5))
    assert sweep.parse(["for=0,1m"]) == Settings((0, 60_000))
    assert sweep.parse(["threshold.2=1,5", "threshold.2=7"]) == Settings((), (1.0, 5.0, 7.0), 2)


@pytest.mark.parametrize(
    "text",
    [
        "for=1..x", "for=", "threshold=1..2/1", "limit=1..2", "threshold=a", "threshold=nan",
        "threshold=0..inf", "threshold.0=1", "threshold2=1", "for=10s..1s", "threshold=1..0/3",
    ],
)  # fmt: skip
def test_an_unreadable_sweep_is_an_error(text):
    with pytest.raises(BadInput, match=text):
        sweep.parse([text])


def test_one_threshold_is_swept_at_a_time():
    with pytest.raises(
        BadInput, match=r"--sweep threshold.2=3: is another threshold; expected settings of one"
    ):
        sweep.parse(["threshold=1", "threshold.2=3"])


RULES = """\
groups:
  - name: g
    rules:
      - {alert: One, expr: up > 0.5}
      - {alert: Two, expr: 'up > 0.5 and up < 2 * limit'}
      - {alert: None, expr: up and up}
      - {alert: Early, expr: 'own > 1 and up'}
      - {record: own, expr: up}
"""


@pytest.mark.parametrize(
    ("name", "which", "why"),
    [
        ("One", None, None),
        ("One", 1, None),
        ("One", 2, "4: One: --sweep threshold.2: has 1; expected threshold or threshold.1"),
        ("Two", 2, None),
        (
            "Two",
            None,
            (
                "5: Two: --sweep threshold: has 2; expected one of threshold.1 for `up > 0.5`, "
                "threshold.2 for `up < 2 * limit`"
            ),
        ),
        ("Two", 3, "5: Two: --sweep threshold.3: has 2; expected threshold.1 to threshold.2"),
        (
            "None",
            None,
            (
                "6: None: --sweep threshold: compares nothing with a number; "
                "expected an alert such as `a > 0.5`"
            ),
        ),
        (
            "Early",
            None,
            (
                "7: Early: --sweep threshold: reads what its group records after it; "
                "expected one comparison with a plain number there"
            ),
        ),
    ],
)
def test_an_alert_without_a_sweepable_threshold_is_an_error(tmp_path, name, which, why):
    file = tmp_path / "r.yml"
    file.write_text(RULES)
    chosen = [
        (group, rule) for group in rule_file.read(file) for rule in group.rules if rule.name == name
    ]
    if why is None:
        assert sweep.explain_unswept(chosen, which) == ()
        return
    with pytest.raises(BadInput) as caught:
        sweep.explain_unswept(chosen, which)
    assert str(caught.value) == f"{file}:{why}"
