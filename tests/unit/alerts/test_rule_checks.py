"""The checks know what is a mistake, and what only looks like one."""

import pytest

from firedrill.alerts.lint import checks, condition_checks, counter_checks, label_checks
from firedrill.alerts.lint.context import Context, Intervals
from firedrill.alerts.rules import expression, label_templates, tokens
from firedrill.alerts.rules.rule_file import Group, Rule


def rule(expr, name="A", **other):
    values = {"labels": {}, "annotations": {}, "is_alert": True, **other}
    return Rule(name=name, expr=expr, place="r.yml:4", expr_place="r.yml:5", **values)


def problems(check, expr, recorded=None, **other):
    by_name = {name: [rule(text, name, is_alert=False)] for name, text in (recorded or {}).items()}
    group = Group("g", "r.yml:2", None, 0, ())
    context = Context(group, 0, Intervals(), by_name)
    return [problem.severity for problem in check(rule(expr, **other), context)]


CASES = {
    condition_checks.no_threshold: (
        ["rate(x[5m])", "sum(increase(x[5m]))", "x", "sum by (a) (x) / sum by (a) (y)", "x and y"],
        [
            "x > 0", "absent(x)", "x unless y", "vector(1)", "count(x == 0)", "ALERTS", "x:broken",
            "sum(x > bool 1)", "1", "absent_over_time(x[5m])", "topk(3, x) > 1",
        ],
    ),
    label_checks.histogram_without_le: (
        [
            "histogram_quantile(0.9, sum(rate(x_bucket[5m])))",
            "histogram_quantile(0.9, sum by (a) (rate(x_bucket[5m]))) > 1",
            "histogram_quantile(0.9, sum without (le) (rate(x_bucket[5m])))",
            "histogram_quantile(0.9, max by (job) (sum by (job, le) (rate(x_bucket[5m]))))",
        ],
        [
            "histogram_quantile(0.9, rate(x_bucket[5m]))",
            "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
            "histogram_quantile(0.9, sum without (a) (rate(x_bucket[5m])))",
            "histogram_quantile(0.9, sum(rate(x[5m])))",
            'histogram_quantile(0.9, label_replace(sum(x_bucket), "le", "1", "", ""))',
        ],
    ),
    label_checks.no_shared_labels: (
        [
            "sum by (a) (x) / sum (y)",
            "sum by (a) (x) and sum by (b) (y)",
            'x{code="a"} / x{code="b"}',
            "sum by (a) (x) / on (b) y",
            'x{a="1"} * on (a) y{a="2"}',
            "sum(x) > on (a) y{a='1'}",
        ],
        [
            "sum by (a) (x) / sum by (a) (y)",
            "x / y",
            "sum(x) / sum(y)",
            "sum by (a) (x) / on () group_left () sum(y)",
            'x{code="a"} / ignoring (code) x{code="b"}',
            'x{code="a"} + on (job) x{code="b"}',
            "sum by (a) (x) or vector(0)",
            "sum by (a, b) (x) / on (a) group_left () sum by (a) (y)",
            "x > 5 and on (a) sum by (a) (y) > 3",
            "time() - x > 4",
            "x * scalar(sum(y))",
            'count_values("v", x) / on (v) y',
        ],
    ),
    counter_checks.rate_of_gauge: (
        ["rate(up[5m])", "increase(a_ratio[5m]) > 1", "irate(build_info[5m])"],
        ["rate(x_total[5m])", "delta(up[5m])", "rate(x[5m])", "rate(up:rate[5m])"],
    ),
    counter_checks.rate_of_sum: (
        ["rate(sum(x)[5m:1m])", "increase(count by (a) (x_total)[1h:])"],
        ["sum(rate(x[5m]))", "rate(x[5m:1m])", "max_over_time(sum(x)[5m:1m])"],
    ),
    counter_checks.increase_equals: (
        ["increase(x[5m]) == 1", "1 == increase(x[5m])", "sum(increase(x[5m])) != 2"],
        ["increase(x[5m]) == 0", "increase(x[5m]) > 0", "count(increase(x[5m])) == 2", "x == 1"],
    ),
    counter_checks.raw_counter: (
        [
            "x_total > 5", "sum(x_total) > 5", "a_total / b_total > 0.1", "5 < x_total",
            "histogram_quantile(0.9, x_bucket) > 1", "y > 1 and x_total > 5",
        ],
        [
            "rate(x_total[5m]) > 5", "count(x_total) > 5", "absent(x_total)",
            "x_total - x_total offset 5m > 3", "x_total unless x_total offset 1h",
            "x_total > x_total offset 5m", "changes(x_total[5m]) > 1", "y > 1",
            "histogram_quantile(0.9, rate(x_bucket[5m])) > 1",
        ],
    ),
    condition_checks.absent_regex: (
        ['absent(up{job=~"a|b"})', 'absent_over_time(up{job!~"a"}[5m])'],
        ['absent(up{job="a"})', 'up{job=~"a|b"} == 0', "absent(up)"],
    ),
    condition_checks.zero_division: (
        [
            "a / b > 0.5", "0.5 < a / b", "100 * a / b > 5", "max(a / b) > 1",
            "sum(rate(e_total[5m])) / sum(rate(r_total[5m])) > 0.1", "a / (b - c) > 1",
        ],
        [
            "a / (b > 0) > 0.5", "a / 100 > 5", "a / b < 0.5", "a / clamp_min(b, 1) > 2",
            "sum(a) / count(b) > 2", 'rate(a{c="5"}[5m]) / rate(a[5m]) > 0.1',
            "rate(a_sum[5m]) / rate(a_count[5m]) > 1", "a / (b + 1) > 3", "a / (b != 0) > 1",
        ],
    ),
    condition_checks.keep_firing_for: (
        ["process_resident_memory_bytes > 1e9", "1e9 < jvm_memory_used_bytes",
         "process_open_fds / process_max_fds > 0.9"],
        ["node_memory_Active_bytes > 1", "process_resident_memory_bytes < 5", "up == 0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("check", "expr", "is_found"),
    [
        (check, expr, is_found)
        for check, lists in CASES.items()
        for is_found, listed in zip((True, False), lists, strict=True)
        for expr in listed
    ],
)
def test_a_check_finds_the_mistake_and_not_its_neighbour(check, expr, is_found):
    assert expression.parse(expr) is not None
    assert bool(problems(check, expr)) is is_found


@pytest.mark.parametrize(
    ("check", "expr", "recorded", "is_found"),
    [
        (condition_checks.no_threshold, "a:b", {"a:b": "x > 1"}, False),
        (condition_checks.no_threshold, "a:b", {"a:b": "sum(x)"}, True),
        (counter_checks.rate_of_sum, "rate(a:b[5m]) > 1", {"a:b": "sum(x_total)"}, True),
        (counter_checks.rate_of_sum, "rate(a:b[5m]) > 1", {"a:b": "sum(rate(x[5m]))"}, False),
        (label_checks.no_shared_labels, "a:b / sum(y)", {"a:b": "sum by (job) (x)"}, True),
        (label_checks.no_shared_labels, "a:b / a:b", {"a:b": "sum by (job) (a:b)"}, False),
    ],
)
def test_recorded_series_are_followed(check, expr, recorded, is_found):
    assert bool(problems(check, expr, recorded)) is is_found


@pytest.mark.parametrize(
    ("expr", "label", "is_lost"),
    [
        ("sum by (job) (x) > 1", "instance", True),
        ("sum without (instance) (x) > 1", "instance", True),
        ("sum without (instance) (x) > 1", "job", False),
        ("x > 1", "instance", False),
        ("sum(x) > 1", "job", True),
        ("absent(up{job='a'})", "job", False),
        ("absent(up{job='a'})", "instance", True),
        ("sum by (a) (x) * on (a) group_left (b) y", "b", False),
        ("x * on (a) y", "b", True),
        ("topk by (a) (3, x) > 1", "b", False),
        ('count_values("v", x)', "v", False),
        ('label_replace(sum(x), "v", "1", "", "")', "v", False),
        ("histogram_quantile(0.9, sum by (le, a) (x)) > 1", "le", True),
        ("sum by (a) (x) > 1 or sum by (b) (y) > 1", "b", False),
        ("sum by (a) (x) > 1 and on (a) y > 1", "b", True),
    ],
)
def test_a_label_of_a_template_is_known_to_be_lost(expr, label, is_lost):
    annotations = {"summary": f"{{{{ $labels.{label} }}}}"}
    found = problems(label_checks.template_label, expr, annotations=annotations)
    assert bool(found) is is_lost


@pytest.mark.parametrize(
    ("template", "prints"),
    [
        ("{{ $value }}", True),
        ("{{$value}}", True),
        ("{{ .Value }}", True),
        ("{{ $value | humanize }}", True),
        ('{{ printf "%.0f" $value }}', True),
        ("{{ with $value }}{{ . }}{{ end }}", True),
        ("{{ $v := $value }}{{ $v }}", True),
        ("{{ if gt $value 90.0 }}{{ $value }}{{ end }}", True),
        ("{{ if gt $value 90.0 }}critical{{ else }}warning{{ end }}", False),
        ("{{ if gt .Value 90.0 }}a{{ else if gt .Value 50.0 }}b{{ end }}", False),
        ('{{ $s := "a" }}{{ if gt $value 9.0 }}{{ $s = "b" }}{{ end }}{{ $s }}', False),
        ("{{ $labels.value }}", False),
        ("{{ $labels.Value }}", False),
        ("{{ gt $value 90.0 }}", False),
        ('{{ "$value" }}', False),
        ("{{/* $value */}}a", False),
        ("$value", False),
    ],
)
def test_a_label_that_prints_the_value_is_told_from_a_condition(template, prints):
    assert label_templates.prints_value(template) is prints


def test_a_value_in_a_label_is_an_error_only_with_for():
    labels = {"used": "{{ $value }}"}
    check = label_checks.value_in_label
    assert problems(check, "x > 5", labels=labels, hold_ms=5000) == ["error"]
    assert problems(check, "x > 5", labels=labels) == ["warning"]
    assert problems(check, "x == 5", labels=labels, hold_ms=5000) == ["warning"]


def test_labels_of_a_query_in_a_template_are_not_the_alerts():
    used = label_templates.labels_used(
        '{{ $labels.a }}{{ range query "x" }}{{ .Labels.b }}{{ $labels.c }}{{ end }}{{ .Labels.d }}'
    )
    assert used == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("expr", "is_logql"),
    [
        ('sum(rate({app="a"} |= "error" [5m])) > 1', True),
        ('{app="a"} | json | status > 400', True),
        ('rate({app="a"} != "x" [1m])', True),
        ('up{app="a"} != 0', False),
        ('x{app="a|b"} > 1', False),
        ("up > 1", False),
    ],
)
def test_logql_is_told_from_promql(expr, is_logql):
    assert tokens.is_logql(expr) is is_logql


def test_every_check_has_an_entry_in_the_catalog():
    assert len(checks.OF_RULES) + len(checks.OF_ALERTS) > 20
