"""A run notes alerts that judge objectives nobody set."""

import re

import pytest

from firedrill import places
from firedrill.alerts.rules import reloading
from firedrill.drill.judge import default_objectives


def document(slo, *fired):
    alerts = [{"name": name, "firing_after_seconds": 3.0} for name in fired] + [
        {"name": "ApiLatencyP99High", "firing_after_seconds": None}
    ]
    return {"figures": {"alerts": alerts}, "profile": {"slo": slo}}


def said(slo, *fired):
    return [one.text for one in default_objectives.remarks(document(slo, *fired))]


@pytest.mark.parametrize("slo", [None, {"latency_seconds": {"p95": 0.1}, "error_ratio": None}])
def test_alerts_about_unset_objectives_name_the_default(slo):
    assert said(
        slo, "ApiQueueWaitHigh", "ApiLatencyBudgetBurn", "ApiErrorBudgetFastBurn", "ApiDown"
    ) == [
        "the profile sets no p99: ApiLatencyBudgetBurn, ApiQueueWaitHigh fired over the bundle's own, 250 ms",
        "the profile sets no share of errors: ApiErrorBudgetFastBurn fired over the bundle's own, 0.1%",
    ]


def test_set_objectives_and_quiet_alerts_need_no_note():
    assert (
        said(
            {"latency_seconds": {"p99": 0.1}, "error_ratio": 0.0},
            "ApiLatencyBudgetBurn",
            "ApiErrorBudgetFastBurn",
        )
        == []
    )
    assert said(None, "ApiDown") == []
    assert list(default_objectives.remarks({"figures": None, "profile": {"slo": None}})) == []


def test_the_default_objectives_are_those_of_the_rules():
    texts = {file.name: file.read_text() for file in places.RULES.glob("*.yml")}
    rules = [rule for text in texts.values() for rule in reloading.rules_in(text)]
    for record, default, alerts in (
        (
            "api:slo_latency:seconds",
            default_objectives.LATENCY_SECONDS,
            default_objectives.OF_LATENCY,
        ),
        ("api:slo_errors:ratio", default_objectives.ERROR_RATIO, default_objectives.OF_ERRORS),
    ):
        assert set(reloading.readers(rules, [record])) == alerts
        (expr,) = [rule.expr for rule in rules if rule.name == record]
        assert float(re.search(r"or vector\((.+)\)", expr)[1]) == default
