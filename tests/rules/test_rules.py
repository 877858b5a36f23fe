"""The rules do what their promtool cases say, and every alert has a case, texts and a runbook
heading.
"""

import json
import re

import pytest
from ruamel.yaml import YAML

from firedrill import places
from firedrill.alerts.rules import runbook_links
from firedrill.alerts.scaling.shrink import scale_rules
from tests.rules.promtool import promtool

TESTS = sorted((places.PROMETHEUS / "tests").glob("*.yml"))
LONG = {"budget.yml", "hours.yml"}
"""Hours and days of evaluations take 15 s each: tests/integration/rules plays them."""
RULE_FILES = sorted(places.RULES.glob("*.yml"))
ALERTS = [
    rule
    for file in RULE_FILES
    for group in YAML(typ="safe").load(file)["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
KINDS = sorted({(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS})
RUNBOOK = (places.ROOT / "docs" / "runbook.md").read_text()


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_promtool_accepts_the_rules(file):
    promtool("check", "rules", file)


@pytest.mark.parametrize("factor", [1, 12, 60])
def test_promtool_accepts_the_rules_of_a_drill(factor, tmp_path):
    scaled = tmp_path / "api.yml"
    scaled.write_text(scale_rules((places.RULES / "api.yml").read_text(), factor).text)
    promtool("check", "rules", scaled)


@pytest.mark.parametrize(
    "file", [file for file in TESTS if file.name not in LONG], ids=lambda file: file.name
)
def test_rules_do_what_their_cases_say(file):
    assert "SUCCESS" in promtool("test", "rules", file)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_cases_say_in_which_order_groups_are_evaluated(file):
    """Without an order promtool takes groups at random, and a case near a threshold fails
    sometimes.
    """
    cases = YAML(typ="safe").load(file)
    rules = [YAML(typ="safe").load(file.parent / name) for name in cases["rule_files"]]
    assert cases["group_eval_order"] == [
        group["name"] for rule_file in rules for group in rule_file["groups"]
    ]


def fired(expression):
    """Return (alert, severity) of the samples that a case expects."""
    return {
        tuple(re.findall(r'(?:alertname|severity)="(\w+)"', sample["labels"]))
        for sample in expression.get("exp_samples", ())
    }


@pytest.fixture(scope="module")
def cases():
    """Return, for every case of every test file, what it expects to fire, time by time."""
    checks = [
        case.get("promql_expr_test", ())
        for file in TESTS
        for case in YAML(typ="safe").load(file)["tests"]
    ]
    return [
        [
            fired(check)
            for check in listed
            if "ALERTS" in check["expr"] and "alertstate" in check["expr"]
        ]
        for listed in checks
    ]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_each_alert_has_a_firing_case_and_a_quiet_time(kind, cases):
    firing = [case for case in cases if any(kind in at for at in case)]
    assert firing, "no case expects it to fire"
    if kind[0] != "Watchdog":
        assert any(kind not in at for case in firing for at in case), (
            "no case says when it stays quiet"
        )


@pytest.mark.parametrize(
    "rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}"
)
def test_each_alert_has_a_summary_a_description_and_links(rule):
    notes = rule["annotations"]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert "{{" not in notes["summary"], "the same alert is the same summary"
    assert notes["description"]
    assert notes.items() >= runbook_links.links(rule["alert"]).items(), (
        "run `make docs` and commit prometheus/rules"
    )
    assert f"\n## {rule['alert']}\n" in RUNBOOK


def test_the_dashboard_that_alerts_link_to_exists():
    pages = [
        json.loads(file.read_text()) for file in (places.GRAFANA / "dashboards").glob("*.json")
    ]
    assert runbook_links.DASHBOARD.rpartition("/")[2] in {page["uid"] for page in pages}


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_the_links_of_alerts_are_generated(file):
    text = file.read_text()
    without = re.sub(r" +(?:runbook|dashboard)_url: .*\n", "", text)
    assert runbook_links.add_links(text) == text
    assert runbook_links.add_links(without) == text


def test_an_alert_without_annotations_takes_none_of_the_next():
    bare, noted = (
        "  - alert: A\n    expr: up\n",
        "  - alert: B\n    expr: up\n    annotations:\n      summary: s\n",
    )
    assert runbook_links.add_links(bare + noted) == bare + runbook_links.add_links(noted)
    assert "runbook.md#b" in runbook_links.add_links(noted)


def test_the_runbook_has_no_heading_without_an_alert():
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == {
        rule["alert"] for rule in ALERTS
    }


def test_no_rule_needs_a_prometheus_newer_than_2_42():
    text = (
        "".join(file.read_text() for file in RULE_FILES)
        + (places.PROMETHEUS / "prometheus.yml").read_text()
    )
    for key in (
        "scrape_native_histograms",
        "fallback_scrape_protocol",
        "scrape_protocols",
        "query_offset",
        "scrape_config_files",
        "otlp",
    ):
        assert key not in text
