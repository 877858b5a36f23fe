"""A run notes alerts that judge objectives nobody set."""

import re
from dataclasses import replace

import pytest

from firedrill import places
from firedrill.alerts.rules import reloading
from firedrill.drill.judge import default_objectives
from firedrill.profile import Slo
from firedrill.record.figures import Alert
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document


def alert(name, after):
    return Alert(
        name=name,
        severity="warning",
        labels={},
        pending_after_seconds=None,
        firing_after_seconds=after,
        firing_seconds=1.0,
    )


def texts(slo, *fired):
    alerts = [*(alert(name, 3.0) for name in fired), alert("ApiLatencyP99High", None)]
    document = run_document(
        profile=replace(PROFILE, slo=slo), figures=replace(HEALTHY, alerts=tuple(alerts))
    )
    return [remark.text for remark in default_objectives.remarks(document)]


@pytest.mark.parametrize("slo", [None, Slo({"p95": 0.1})])
def test_alerts_about_unset_objectives_name_the_default(slo):
    over, because = "fired over the default", "because the profile sets none; set"
    assert texts(
        slo, "ApiQueueWaitHigh", "ApiLatencyBudgetBurn", "ApiErrorBudgetFastBurn", "ApiDown"
    ) == [
        (
            f"ApiLatencyBudgetBurn, ApiQueueWaitHigh {over} p99 objective of 250 ms, "
            f"{because} p99 in its slo"
        ),
        f"ApiErrorBudgetFastBurn {over} errors objective of 0.1%, {because} errors in its slo",
    ]


def test_set_objectives_and_quiet_alerts_need_no_note():
    assert (
        texts(
            Slo({"p99": 0.1}, error_ratio=0.0),
            "ApiLatencyBudgetBurn",
            "ApiErrorBudgetFastBurn",
        )
        == []
    )
    assert texts(None, "ApiDown") == []
    assert list(default_objectives.remarks(run_document(figures=None))) == []


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
