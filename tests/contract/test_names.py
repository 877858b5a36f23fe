"""Metric names and variables that one process writes and another one reads are the same."""

import json
import re

import pytest
from ruamel.yaml import YAML

from firedrill import docs, places
from firedrill.alerts.lint import known_series
from firedrill.alerts.lint.checks import PROMETHEUS_OWN_SERIES
from firedrill.contract import (
    ENDPOINT_BOUNDS_SECONDS,
    LAG_BOUNDS_SECONDS,
    LATENCY_BOUNDS_SECONDS,
    Client,
    Server,
    declared,
    exported_series,
)
from firedrill.stack.grafana import Grafana
from grafana.source import alert_lab_panels
from grafana.source.dashboard_layout import panels_in
from grafana.source.golden_signals_panels import Query
from tests.contract.promql import series_read

KNOWN = exported_series() | known_series.recorded_names() | PROMETHEUS_OWN_SERIES
RULES = [
    (rule.get("record") or rule["alert"], rule["expr"])
    for file in sorted(places.RULES.glob("*.yml"))
    for group in YAML(typ="safe").load(file)["groups"]
    for rule in group["rules"]
]
DASHBOARDS = [
    json.loads(path.read_text()) for path in sorted((places.GRAFANA / "dashboards").glob("*.json"))
]
TARGETS = [
    Query(target["expr"], "").with_variables(alert_lab_panels.variable_values(12))
    for page in DASHBOARDS
    for panel in panels_in(page)
    for target in panel["targets"]
]
MARKS = [mark["expr"] for page in DASHBOARDS for mark in page["annotations"]["list"]]


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        (
            'sum by (job) (rate(a_total{b="c"}[5m])) / on (x) group_left () d:e:f > bool 1e3',
            {"a_total", "d:e:f"},
        ),
        ('label_replace(g, "h", "$1.0", "i", "(j)") or up offset 5m', {"g", "up"}),
        ('k unless l{m=~"n{o}"} # p', {"k", "l"}),
    ],
)
def test_the_reader_of_expressions_finds_series_and_nothing_else(expr, names):
    assert series_read(expr) == names


def test_rules_read_what_somebody_exports_or_records():
    unknown = {(name, series) for name, expr in RULES for series in series_read(expr) - KNOWN}
    assert unknown == set()


def test_dashboards_read_what_somebody_exports_or_records():
    assert {series for expr in TARGETS + MARKS for series in series_read(expr) - KNOWN} == set()
    assert len(TARGETS) > 30


def test_no_rule_knows_of_injected_faults():
    assert not [name for name, expr in RULES if "fault" in expr]


def test_verdict_and_live_view_read_what_somebody_exports_or_records():
    sources = [
        path.read_text()
        for folder in ("drill", "stack")
        for path in (places.ROOT / "firedrill" / folder).rglob("*.py")
    ]
    named = {
        name
        for text in sources
        for name in re.findall(r"\b(?:client|server|api|locust):[a-z_0-9]+:[a-z_0-9]+\b", text)
    }
    assert named
    assert named <= KNOWN


def test_the_document_of_metrics_is_what_the_code_declares():
    assert docs.DOCUMENT.read_text() == docs.metrics_document(), (
        "run `make docs` and commit docs/metrics.md"
    )


def test_grafana_assumes_the_interval_at_which_prometheus_scrapes():
    scraping = YAML(typ="safe").load(places.PROMETHEUS / "prometheus.yml")["global"][
        "scrape_interval"
    ]
    provisioned = YAML(typ="safe").load(
        places.GRAFANA / "provisioning" / "datasources" / "prometheus.yaml"
    )["datasources"]
    assert [source["jsonData"]["timeInterval"] for source in provisioned] == [scraping]


def test_an_exemplar_opens_its_trace_in_a_provisioned_datasource():
    files = (places.GRAFANA / "provisioning" / "datasources").glob("*.yaml")
    sources = {
        source["uid"]: source
        for file in files
        for source in YAML(typ="safe").load(file)["datasources"]
    }
    (opened,) = sources["firedrill-prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert opened["name"] == "trace_id"
    assert sources[opened["datasourceUid"]]["type"] == "tempo"


def test_panels_ask_for_exemplars_of_histograms_that_have_them():
    asking = [
        target["expr"]
        for page in DASHBOARDS
        for panel in panels_in(page)
        for target in panel["targets"]
        if target.get("exemplar")
    ]
    having = {f"{metric.name}_bucket" for metric in declared(Server) if metric.exemplars}
    assert asking
    # locust_test_info only takes away what was not chosen.
    assert {series for expr in asking for series in series_read(expr)} - {
        Client.TEST_INFO.name
    } <= having


def test_grafana_is_started_with_every_variable_that_its_provisioning_reads():
    """Grafana's provisioning has no defaults: a variable that is not set reads as empty."""
    read = {
        name
        for file in (places.GRAFANA / "provisioning").rglob("*.yaml")
        for name in re.findall(r"\$(\w+)", _without_comments(file))
    }
    given = Grafana(places.GRAFANA, places.GRAFANA)._environment(
        places.GRAFANA, 3000, "http://127.0.0.1:9090", "secret"
    )
    assert read
    assert read <= set(given)


def _without_comments(file):
    return re.sub(r"#.*", "", file.read_text())


def test_histograms_share_bounds_and_only_counters_end_in_total():
    metrics = [*declared(Server), *declared(Client)]
    assert {metric.bounds for metric in metrics if metric.kind == "histogram"} == {
        ENDPOINT_BOUNDS_SECONDS,
        LATENCY_BOUNDS_SECONDS,
        LAG_BOUNDS_SECONDS,
    }
    assert set(ENDPOINT_BOUNDS_SECONDS) < set(LATENCY_BOUNDS_SECONDS)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in metrics)


def test_the_pages_of_checks_are_generated_from_the_catalog():
    written = {file.name: file.read_text() for file in docs.CHECKS.glob("*.md")}
    assert written == docs.check_pages(), "run `make docs`"
