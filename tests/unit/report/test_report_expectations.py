"""The report's timeline shows when alerts were expected."""

import pytest

from firedrill.record.run_document import RunDocument
from firedrill.report.charts import colors
from firedrill.report.charts.canvas import Mark
from firedrill.report.charts.chart_types import Bar
from firedrill.report.pages import alert_expectations, sentences
from firedrill.report.run_facts import Facts

SLOW = Mark(2.0, 8.0, "latency 300 ms")
DETECTED = {
    "alert": "Slow",
    "expected": "always",
    "judgement": "detected",
    "cause": "latency 300 ms",
    "firing_after_seconds": 5.5,
    "delay_seconds": 3.5,
}
MISSED = {
    "alert": "Down",
    "expected": "always",
    "judgement": "missed",
    "cause": None,
    "firing_after_seconds": None,
    "delay_seconds": None,
}


def bars(row, causes=(SLOW,)):
    facts = Facts("r", RunDocument.parse({"scorecard": [row]}))
    return [
        (bar.row, bar.start, bar.end, bar.text)
        for bar in alert_expectations.bars(facts, causes, 20.0)
    ]


def test_an_alert_is_expected_as_long_as_its_cause_lasts():
    assert bars(DETECTED) == [
        ("Slow", 2.0, 8.0, "Slow expected, 0:02–0:08 (latency 300 ms): detected after 3.5 s")
    ]


def test_a_repeated_cause_is_the_one_that_was_detected():
    assert bars(DETECTED | {"firing_after_seconds": 15.5}, (SLOW, Mark(12.0, 14.0, SLOW.text)))[0][
        1:3
    ] == (12.0, 14.0)


def test_a_load_step_is_a_cause_until_the_end():
    assert bars(DETECTED | {"cause": "step 1: 9 users"})[0][1:3] == (2.0, 20.0)


def test_an_alert_expected_by_the_profile_is_always_expected():
    assert bars(MISSED) == [
        ("Down", 0.0, 20.0, "Down expected, 0:00–0:20 (by the profile): missed")
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"expected": "never"},
        {"expected": None},
        {"expected": "if_slo_broken", "judgement": "quiet"},
    ],
)
def test_an_unexpected_alert_has_no_bar(changed):
    assert bars(MISSED | changed) == []


def test_the_profile_overrides_the_alerts_of_a_fault():
    faults = [
        {"fault": fault, "size": 0.3, "start": 1.0, "end": 2.0, "alerts": ["Slow", "Down"]}
        for fault in ("latency", "errors")
    ]
    facts = Facts(
        "r",
        RunDocument.parse(
            {
                "faults": [*faults, {**faults[0], "alerts": None}],
                "profile": {"alerts": {"never": ["Down"]}},
            }
        ),
    )
    assert sentences.expected_alerts(facts) == {
        "Slow": "expected during latency 300 ms and errors 30 %",
        "Down": "must not fire",
    }


def test_a_run_without_a_scorecard_has_no_bars():
    assert list(alert_expectations.bars(Facts("r", RunDocument()), (), 20.0)) == []
    assert Bar(row="a", start=0, end=1, color=colors.EXPECTED, text="").color not in {
        colors.RED,
        colors.PENDING,
    }
