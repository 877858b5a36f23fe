"""Rules are read from the formats that people keep them in, on their own lines."""

import json

import pytest
from click.testing import CliRunner

from firedrill.alerts.lint import checks, output
from firedrill.alerts.rules import rule_file
from firedrill.alerts.scaling.shrink import scale_rules
from firedrill.cli import main
from firedrill.errors import BadInput
from tests import required_programs

GROUPS = """\
groups:
  - name: g
    rules:
      - alert: A
        expr: rate(x_total[5m]) > 1
        for: 10m
"""
INDENTED = GROUPS.replace("\n", "\n  ").rstrip(" ")
RESOURCE = (
    "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: n}\nspec:\n  "
    + INDENTED
)
FORMATS = {
    "plain": GROUPS,
    "PrometheusRule": RESOURCE,
    "several resources": RESOURCE + "---\n" + RESOURCE.replace("alert: A", "alert: B"),
    "a list": json.dumps({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "spec": {"groups": [{"name": "g", "rules": [
                    {"alert": "A", "expr": "rate(x_total[5m]) > 1", "for": "10m"}
                ]}]},
            }
        ],
    }, indent=2),
    "beside a service": "apiVersion: v1\nkind: Service\n---\n" + RESOURCE,
    "a Mimir namespace": "namespace: mine\n" + GROUPS,
    "two Mimir namespaces": "namespace: a\n" + GROUPS + "---\nnamespace: b\n" + GROUPS,
    "Mimir's listing": GROUPS.replace("groups:", "team-a:"),
    "Mimir's own keys": "namespace: mine\n"
    + GROUPS.replace("    rules:", "    source_tenants: [a]\n    rules:"),
    "the operator's own keys": RESOURCE.replace(
        "      rules:", "      partial_response_strategy: warn\n      rules:"
    ),
    "JSON": '{"groups": [{"name": "g", "rules": [\n'
    '  {"alert": "A", "expr": "rate(x_total[5m]) > 1", "for": "10m"}\n]}]}\n',
    "a marked document": "---\n" + GROUPS,
}  # fmt: skip


@pytest.mark.parametrize("text", FORMATS.values(), ids=FORMATS)
def test_rules_of_each_format_are_read_and_scaled(tmp_path, text):
    required_programs.require("promtool")
    parsed = rule_file.parse_tolerantly(text, "r")
    assert not parsed.mistakes
    rules = [rule for group in parsed.groups for rule in group.rules]
    assert "A" in {rule.name for rule in rules}
    for rule in rules:
        line = text.splitlines()[int(rule.expr_place.removeprefix("r:")) - 1]
        assert rule.expr in line
    scaled = scale_rules(text, 10).text
    assert scaled == text.replace("5m", "30s").replace("10m", "60s"), "nothing else changes"
    file = tmp_path / "r.yml"
    file.write_text(scaled)
    assert {finding.severity for finding in checks.check(file)} <= {"warning"}


OTHER = {
    "{{- if .Values.rules }}\n" + GROUPS + "{{- end }}\n": "unrendered Helm template",
    GROUPS.replace("10m", "{{ .Values.for }}"): "unrendered Helm template",
    GROUPS.replace("alert: A", 'alert: {{ include "x.name" . }}'): "unrendered Helm template",
    GROUPS + "{% endfor %}\n": "Jinja template",
    "scrape_configs: []\n": "a Prometheus configuration",
    "global: {scrape_interval: 15s}\nrule_files: [a.yml]\n": "a Prometheus configuration",
    "route: {receiver: a}\nreceivers: [{name: a}]\n": "an Alertmanager configuration",
    "rule_files: [a.yml]\ntests: []\n": "a test for promtool",
    "apiVersion: v1\nkind: ConfigMap\ndata: {}\n": "a Kubernetes ConfigMap",
    "apiVersion: 1\ngroups: [{orgId: 1, name: a, rules: []}]\n": "Grafana's own",
    "version: prometheus/v1\nservice: s\nslos: []\n": "an SLO for Sloth",
}


@pytest.mark.parametrize(("text", "what"), OTHER.items(), ids=OTHER.values())
def test_another_file_is_named_in_one_sentence(text, what):
    with pytest.raises(BadInput, match=what) as caught:
        rule_file.parse_tolerantly(text, "r")
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (GROUPS.replace("name: g", "name: g\n    type: vlogs"), "vmalert's type vlogs"),
        (GROUPS.replace("rate(x_total[5m])", 'rate({a="b"} |= "c" [5m])'), "in LogQL"),
    ],
)
def test_groups_in_other_languages_are_one_mistake(changed, what):
    (mistake,) = rule_file.parse_tolerantly(changed, "r").mistakes
    assert what in mistake.text


def test_a_second_document_is_not_read_as_in_prometheus():
    parsed = rule_file.parse_tolerantly(GROUPS + "---\n" + GROUPS, "r")
    assert len(parsed.groups) == 1
    assert [note.place for note in parsed.notes] == ["r:8"]
    empty = rule_file.parse_tolerantly("---\n# nothing\n---\n" + GROUPS, "r")
    assert (empty.groups, len(empty.notes)) == ((), 1)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_and_byte_order_mark_survive_scaling(tmp_path, mark, newline):
    source, target = tmp_path / "in.yml", tmp_path / "out.yml"
    source.write_bytes(mark + GROUPS.replace("\n", newline).encode())
    words = ["alerts", "scale", "--factor", "10", str(source), str(target)]
    assert CliRunner().invoke(main, words).exit_code == 0
    expected = GROUPS.replace("5m", "30s").replace("10m", "60s").replace("\n", newline)
    assert target.read_bytes() == mark + expected.encode()


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("'rate(x[5m]) > 1  # it''s'", "'rate(x[30s]) > 1  # it''s'"),
        ('"rate(x{a=\\"[5m]\\"}[5m]) > 1"', '"rate(x{a=\\"[5m]\\"}[30s]) > 1"'),
        ("|\n          rate(x[5m])\n            > 1", "|\n          rate(x[30s])\n            > 1"),
        (">-\n          rate(x[5m])\n          > 1", ">-\n          rate(x[30s])\n          > 1"),
        ("rate(x[5m])\n          > 1", "rate(x[30s])\n          > 1"),
    ],
)
def test_scaling_keeps_the_form_of_an_expression(expr, expected):
    text = GROUPS.replace("rate(x_total[5m]) > 1", expr)
    assert scale_rules(text, 10).text == text.replace(expr, expected).replace("10m", "60s")


BROKEN = """\
groups:
  - name: g
    rules:
      - alert: A
        expr: up == 0
        foo: bar
      - alert: B
        expr: up == = 0
      - {alert: C, expr: up == 0, bar: 1, annotations: {summary: '{{ $value | nofunc }}'}}
      - alert: D
        expr: [up]
      - alert: E
        expr: rate(x[5m]
        for: 5 minutes
"""


def test_one_pass_reports_every_mistake_once(tmp_path):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(BROKEN)
    errors = [finding for finding in checks.check(file) if finding.severity == "error"]
    assert [finding.line for finding in errors] == [6, 8, 9, 9, 11, 13, 14]
    (caret,) = [finding for finding in errors if finding.line == 8]
    assert output.render([caret], "text").splitlines()[1:] == [
        "    expr: up == = 0",
        "                ^^^",
    ]


def run_check(folder, text, *options):
    required_programs.require("promtool")
    (folder / "r.yml").write_text(text)
    return CliRunner().invoke(main, ["alerts", "check", str(folder / "r.yml"), *options])


def test_exit_codes_can_gate_a_job(tmp_path):
    clean = GROUPS.replace("for: 10m", "for: 10m\n        labels: {severity: info}").rstrip()
    clean += "\n        annotations: {summary: s, description: d}\n"
    assert run_check(tmp_path, clean, "--strict").exit_code == 0
    assert run_check(tmp_path, GROUPS).exit_code == 0
    assert run_check(tmp_path, GROUPS, "--strict").exit_code == 1
    assert run_check(tmp_path, BROKEN).exit_code == 2


def test_programs_can_read_the_findings(tmp_path):
    listed = json.loads(run_check(tmp_path, GROUPS, "--format", "json").stdout)
    assert [finding["check"] for finding in listed] == ["severity", "summary", "description"]
    sarif = json.loads(run_check(tmp_path, GROUPS, "--format", "sarif").stdout)
    (run,) = sarif["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["severity", "summary", "description"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 4
    github = run_check(tmp_path, GROUPS, "--format", "github").stdout.splitlines()
    assert github[0].startswith(f"::warning file={tmp_path / 'r.yml'},title=severity,line=4,col=9,")


def test_a_comment_leaves_a_check_out(tmp_path):
    above = "      # firedrill: ignore severity by team\n      - alert: A"
    text = GROUPS.replace("      - alert: A", above)
    assert [finding.check for finding in checks_of(tmp_path, text)] == ["summary", "description"]
    whole = "# firedrill: ignore summary house style\n" + text
    assert [finding.check for finding in checks_of(tmp_path, whole)] == ["description"]
    group = whole.replace("    rules:", "    # firedrill: ignore description short\n    rules:")
    assert checks_of(tmp_path, group) == []
    second = GROUPS + above.replace("A", "B") + "\n        expr: up == 0\n"
    about_first = [finding.check for finding in checks_of(tmp_path, second) if finding.line == 4]
    assert about_first == ["severity", "summary", "description"]
    wrong = GROUPS.replace("- alert", "# firedrill: ignore sevrity x\n      - alert")
    assert "ignore" in {finding.check for finding in checks_of(tmp_path, wrong)}


def checks_of(folder, text):
    required_programs.require("promtool")
    (folder / "r.yml").write_text(text)
    return checks.check(folder / "r.yml")


def test_a_folder_is_checked_without_its_other_files(tmp_path):
    required_programs.require("promtool")
    (tmp_path / "a.yaml").write_text(RESOURCE)
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    done = CliRunner().invoke(main, ["alerts", "check", str(tmp_path)])
    assert done.exit_code == 0
    assert "prometheus.yml is skipped: this is a Prometheus configuration" in done.stderr
    assert "in 1 file\n" in done.stderr


def test_unknown_names_are_one_line_and_no_finding(tmp_path):
    exprs = " + ".join(f"name_{number}" for number in range(9))
    done = run_check(tmp_path, GROUPS.replace("rate(x_total[5m])", exprs))
    assert "9 metric names unknown to the bundle: name_0, name_1, name_2, name_3 and 5 more" in (
        done.stderr
    )
    assert "name_0" not in "".join(line for line in done.stdout.splitlines() if "warning" in line)


def test_the_scrape_interval_decides_on_short_windows(tmp_path):
    assert "short_window" not in run_check(tmp_path, GROUPS).stdout
    assert "short_window" in run_check(tmp_path, GROUPS, "--scrape-interval", "2m").stdout
    assert run_check(tmp_path, GROUPS, "--scrape-interval", "soon").exit_code == 2
