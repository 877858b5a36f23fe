"""The lint reports mistakes of a rule file by line, and nothing else."""

import subprocess

import pytest

from firedrill import places
from firedrill.alerts.lint import checks, contradictions
from firedrill.alerts.lint.known_series import Inventory
from firedrill.alerts.rules import expression, promtool
from tests import required_programs

ALERT = """\
groups:
  - name: g
    interval: 5s
    rules:
      - alert: A
        expr: {expr}
        for: {hold}
"""
NOTES = """\
        labels: {{severity: {severity}}}
        annotations: {{summary: {summary}, description: d}}
"""


def findings(folder, recorded=None, expr="up == 0", hold="1m", severity="warning", summary="s"):
    required_programs.require("promtool")
    file = folder / "r.yml"
    file.write_text(
        (ALERT + NOTES).format(expr=expr, hold=hold, severity=severity, summary=summary)
    )
    return [
        (finding.check, int(finding.place.rpartition(":")[2]), finding.severity)
        for finding in checks.check(file, recorded)
    ]


@pytest.mark.parametrize("file", sorted(places.RULES.glob("*.yml")), ids=lambda file: file.name)
def test_the_lint_finds_nothing_in_the_bundled_rules(file):
    required_programs.require("promtool")
    assert checks.check(file) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"expr": "rate(up"}, [("promtool", 6, "error")]),
        (
            {"expr": "|\n          up\n          # minutes\n          > 5 5"},
            [("promtool", 9, "error")],
        ),
        (
            {"expr": "up < 1", "severity": "'{{ $value }}'"},
            [("value_in_label", 5, "error")],
        ),
        ({"severity": "loud"}, [("severity", 5, "warning")]),
        ({"expr": "up[5m]"}, [("result", 6, "error")]),
        ({"expr": "(up[5m:])"}, [("result", 6, "error")]),
        ({"expr": "'\"up\"'"}, [("result", 6, "error")]),
        ({"expr": "max_over_time(up[3s:1s]) < 1"}, [("short_window", 6, "warning")]),
        ({"expr": "min_over_time((up > 1)[2s:])"}, [("short_window", 6, "warning")]),
        ({"expr": "max_over_time(up[4s:1s]) < 1"}, []),
        ({"summary": "''"}, [("summary", 5, "warning")]),
        ({"expr": "nobody_has_this > 1"}, []),
        ({"expr": "avg_over_time(up[3s]) < 1"}, [("short_window", 6, "warning")]),
        ({"hold": "9s"}, [("short_for", 5, "warning")]),
        ({"hold": "0s"}, []),
        ({"expr": '\'up{job="a", job="b"} == 0\''}, [("empty_selector", 6, "error")]),
        ({"expr": "vector(1) > 2"}, [("constant", 6, "error")]),
        ({"expr": '\'up{job="a", job!="a"} == 0\''}, [("empty_selector", 6, "error")]),
        ({"expr": '\'up{job=~"a", job=""} == 0\''}, [("empty_selector", 6, "error")]),
        ({"expr": '\'up{job=~"a|b", job="a", job!="b"} == 0\''}, []),
        ({"expr": "up == 1 and up == 0"}, [("never", 6, "error")]),
        ({"expr": "up > 1 and up <= 1"}, [("never", 6, "error")]),
        ({"expr": "up > 1 and up < 2"}, []),
        ({"expr": "up == 1 or up == 0"}, []),
        ({"expr": "up == 1 and on (job) up == 0"}, []),
        ({"expr": "up > bool 1 and up < 1"}, [("bool", 6, "warning")]),
        ({"expr": "up > 0 unless up == bool 1"}, [("bool", 6, "warning")]),
        ({"expr": "sum(up > bool 0) > 1"}, []),
        ({"expr": "up and vector(1) > 2"}, [("constant", 6, "error")]),
        ({"expr": "up == 0 or (up > 1 unless on () vector(1) > 2)"}, [("constant", 6, "error")]),
        ({"expr": "up == 0 and on () (hour() > 8)"}, []),
        ({"severity": "'{{ $labels.Value }}'"}, []),
        ({"expr": "vector(1)"}, []),
        ({"expr": "vector(time()) > 1e10"}, []),
        ({"expr": "days_in_month() == 31"}, []),
        ({"expr": "day_of_year() == 1"}, []),
        (
            {"expr": "'rate(locust_request_duration_seconds_bucket{le=\"1\"}[1m]) > 1'"},
            [("versions", 6, "warning")],
        ),
        ({"expr": "'rate(locust_request_duration_seconds_bucket{le=\"0.25\"}[1m]) > 1'"}, []),
        (
            {"expr": "'rate(locust_request_duration_seconds_bucket{le=~\"0.5|1\"}[1m]) > 1'"},
            [("versions", 6, "warning")],
        ),
        (
            {"expr": "'rate(x_bucket{le=~\"0.5|1([.]0)?\"}[1m]) > 1'"},
            [],
        ),
    ],
    ids=str,
)
def test_each_mistake_is_found_on_its_line(tmp_path, changed, expected):
    assert findings(tmp_path, **changed) == expected


@pytest.mark.parametrize("function", ["holt_winters", "double_exponential_smoothing"])
def test_a_renamed_function_is_found_under_either_version(tmp_path, function):
    found = findings(tmp_path, expr=f"{function}(up[1m], 0.1, 0.1) < 1")
    # The promtool at hand refuses the name that its version does not know.
    assert [finding for finding in found if finding[0] != "promtool"] == [
        ("versions", 6, "warning")
    ]


NEVER = {
    "up unless up": "`unless` leaves out what stands before it",
    "(up > 1) unless up": "`unless` leaves out what stands before it",
    (
        'sum by (job) (rate(up{job="a", instance="b"}[1m] offset 5m)) '
        'unless sum by (job) (rate(up{instance="b",job="a"}[60s] offset 5m))'
    ): "`unless` leaves out what stands before it",
    "up < up": "nothing is < itself",
    "rate(up[1m]) > (rate(up[1m]))": "nothing is > itself",
    "up > 1 and up < 0": "nothing is > 1 and < 0",
    "1 < up and up <= 0.5 * 2": "nothing is > 1 and <= 1",
    "up > 1 < -1": "nothing is > 1 and < -1",
    "up > 2 unless on (job) up == 1 < 0.5": "",
    "(up > 2 unless on (job) up == 1) < 2": "nothing is > 2 and < 2",
    "max by (job) (up == 1 and up == 0) > 0": "nothing is == 1 and == 0",
    "up == 0 and on (job) (up < up)": "nothing is < itself",
    "(up unless up) or (up > up)": (
        "`unless` leaves out what stands before it, and nothing is > itself"
    ),
    'count(up{job="api"}) == 0': "count() is never == 0",
    "count_over_time(up[1m]) < 1": "count_over_time() is never < 1",
    'absent(up{job="api"}) == 0': "absent() is never == 0",
    # Quiet: each of these can fire.
    "up unless up offset 1m": "",
    "up unless on (job) up": "",
    "up unless up == 1": "",
    "up unless (up or absent(up))": "",
    "up @ 5 unless up @ 6": "",
    "rate(up[1m]) unless rate(up[5m])": "",
    "rate(up[4s]) unless rate(up[4s500ms])": "",
    "up unless (up unless up)": "",
    "up != up": "",
    "up <= up": "",
    "up > ignoring (instance) up": "",
    "up > 1 and up offset 1m < 0": "",
    "up > 1 and ignoring (instance) up < 0": "",
    '{job="api"} > 1 and {job="api"} < 0': "",
    "up > 1 or up < up": "",
    "up > 1 unless up < 0": "",
    "absent(up < up)": "",
    "count(up) < 2": "",
    "absent(up) == 1": "",
    "sum(up) == 0": "",
    "min(up) > 1 and max(up) < 1": "",
    "-up > 1 and up < 0": "",
}


@pytest.mark.parametrize("expr", NEVER)
def test_expressions_that_never_return_anything_are_found(expr):
    assert (contradictions.find(expr) or "") == NEVER[expr]


def test_promtool_finds_nothing_where_the_lint_says_never(tmp_path):
    """Promtool evaluates them over series with all kinds of numbers and NaN."""
    required_programs.require("promtool")
    rules = "".join(
        f"  - {{record: 'never:{number}', expr: '{expr}'}}\n"
        for number, (expr, why) in enumerate(NEVER.items())
        if why
    )
    (tmp_path / "r.yml").write_text(f"groups:\n- name: g\n  interval: 1m\n  rules:\n{rules}")
    series = "".join(
        f"    - {{series: 'up{{job=\"{job}\", instance=\"b\"}}', values: '{VALUES}'}}\n"
        for job in "ab"
    )
    queries = "".join(
        f"    - {{expr: 'last_over_time({{__name__=~\"never:.*\"}}[20m])', eval_time: {minute}m}}\n"
        for minute in (5, 15)
    )
    (tmp_path / "t.yml").write_text(
        "rule_files: [r.yml]\ntests:\n  - interval: 1m\n"
        f"    input_series:\n{series}    promql_expr_test:\n{queries}"
    )
    played = subprocess.run(
        [required_programs.require("promtool"), "test", "rules", tmp_path / "t.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr


VALUES = "-2 -1 0 0.5 1 2 3 NaN Inf -Inf 0 1 0 _ 1"


def test_names_are_looked_up_in_a_recorded_run(tmp_path):
    recorded = Inventory(({"__name__": "theirs_total"},))
    assert findings(tmp_path, recorded, expr="rate(theirs_total[1m]) > 1") == []
    assert findings(tmp_path, recorded, expr="locust_users > 1") == [
        ("unknown_metric", 6, "warning")
    ]


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ('a{code=~"5.."}', "its code is 200, 404"),
        ('a{code="404", job="x"}', "its job is y"),
        ('a{nobody="1"}', "its nobody is not set"),
        ('{code="1"}', "its code is not set, 200, 404"),
        ('a{code!~"[0-9]+"}', "its code is 200, 404"),
        ('a{code=~"2.*", nobody=""}', None),
        ('a{code=~"\\\\pN+"}', None),
        ("b", None),
        ("c", None),
    ],
)
def test_a_selector_without_series_suggests_what_the_run_has(tmp_path, selector, why):
    required_programs.require("promtool")
    series = (
        {"__name__": "a", "code": "200", "job": "x"},
        {"__name__": "a", "code": "404", "job": "y"},
        {"__name__": "b"},
    )
    file = tmp_path / "r.yml"
    file.write_text(f"groups: [{{name: g, rules: [{{record: c, expr: '{selector}'}}]}}]\n")
    texts = [
        finding.text.partition("recorded: ")[2] for finding in checks.check(file, Inventory(series))
    ]
    assert texts == ([why] if why else [])


@pytest.mark.parametrize(
    ("severity", "message"),
    [
        ("page", "A: severity is page; expected critical, warning or info"),
        ("''", "A: no severity; expected critical, warning or info"),
    ],
)
def test_a_severity_without_a_route_is_a_finding(tmp_path, severity, message):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(
        (ALERT + NOTES).format(expr="up < 1", hold="1m", severity=severity, summary="s")
    )
    assert [finding.text for finding in checks.check(file)] == [message]


def test_promtool_findings_come_with_their_line(tmp_path):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(ALERT.format(expr="up", hold="1m") + "        fur: 3\n        nonsense: 5\n")
    mistakes = [
        (finding.place, finding.text[:19])
        for finding in checks.check(file)
        if finding.check == "file"
    ]
    assert mistakes == [(f"{file}:8", "fur: is no key of a"), (f"{file}:9", "nonsense: is no key")]
    assert promtool.first_mistake(file).startswith(f"{file}:8: fur: is no key of a rule")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("groups:\n  - name: g\n    rules: [\n", 3),
        (2 * ALERT.format(expr="up", hold="1m").replace("groups:\n", "", 1), 1),
        ("groups: 1", 1),
    ],
)
def test_the_first_mistake_of_a_file_has_its_line(tmp_path, text, line):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(text)
    assert promtool.first_mistake(file).startswith(f"{file}:{line}: ")


def test_an_empty_file_is_a_rule_file_to_prometheus(tmp_path):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text("# nothing yet\n")
    assert promtool.first_mistake(file) is None


def test_series_recorded_by_another_given_file_are_known(tmp_path):
    required_programs.require("promtool")
    records, file = tmp_path / "records.yml", tmp_path / "r.yml"
    records.write_text("groups: [{name: h, rules: [{record: a:b:c, expr: up}]}]\n")
    file.write_text("groups: [{name: g, rules: [{record: d:e:f, expr: a:b:c}]}]\n")
    assert checks.check_all([file]).unknown == ("a:b:c",)
    assert checks.check_all([file], beside=[records, file]).unknown == ()


def test_an_unreadable_file_is_one_finding_among_others(tmp_path):
    required_programs.require("promtool")
    good, broken, missing = (tmp_path / name for name in ("good.yml", "broken.yml", "missing.yml"))
    good.write_text((ALERT + NOTES).format(expr="up < 1", hold="9s", severity="info", summary="s"))
    broken.write_text("groups:\n  - name: [\n")
    reported = [
        (finding.place, finding.check)
        for finding in checks.check_all([good, broken, missing]).findings
    ]
    assert reported == [(f"{good}:5", "short_for"), (f"{broken}:2", "file"), (f"{missing}", "file")]


def test_reading_a_series_recorded_later_in_its_group_is_found(tmp_path):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(
        "groups:\n  - name: g\n    rules:\n"
        "      - {record: a:b:c, expr: d:e:f}\n      - {record: d:e:f, expr: up}\n"
    )
    assert [(finding.check, finding.place) for finding in checks.check(file)] == [
        ("order", f"{file}:4")
    ]


@pytest.mark.parametrize("key", ["query_offset: 1m", "labels: {team: a}"])
def test_group_keys_of_a_newer_prometheus_are_findings(tmp_path, key):
    """Whichever promtool there is: that of 2.42 refuses the file as well."""
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(
        f"groups:\n  - name: g\n    {key}\n    rules:\n      - {{record: a:b:c, expr: up}}\n"
    )
    assert ("versions", f"{file}:2") in {
        (finding.check, finding.place) for finding in checks.check(file)
    }


@pytest.mark.parametrize(
    "expr", ["first_over_time(up[1m])", "info (up)", "limitk(2, up)", "start()"]
)
def test_functions_unknown_to_prometheus_2_42_are_findings(tmp_path, expr):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(f"groups: [{{name: g, rules: [{{record: c, expr: '{expr}'}}]}}]\n")
    assert f"c: Prometheus 2.42 knows no {expr.partition('(')[0].strip()}()" in [
        finding.text for finding in checks.check(file)
    ]


def test_a_fixed_time_is_not_mistaken_for_a_function():
    assert expression.called(
        'sum by (a) (up @ start() + on (b) rate(x{c="info(d)"}[5m])) # end()'
    ) == ("by", "on", "rate")


def test_an_expression_looks_back_by_its_ranges_offsets_and_subqueries():
    selectors = expression.selectors(
        "holt_winters(x[5m], 0.1, 0.2) + y offset 5m + min_over_time(rate(z[1m])[10m:])"
    )
    assert [(selector.name, selector.look_back_ms) for selector in selectors] == [
        ("x", 300_000),
        ("y", 300_000),
        ("z", 660_000),
    ]


def test_expressions_unknown_to_the_parser_are_read_as_prometheus_does():
    selectors = expression.selectors(
        "rate(x{a=`\\d`}[5m # minutes\n]) + holt_winters (y[1h], 0.1, 0.2)"
    )
    assert [(selector.name, selector.look_back_ms) for selector in selectors] == [
        ("x", 300_000),
        ("y", 3_600_000),
    ]
    assert selectors[0].text == r'x{a="\\d"}'
