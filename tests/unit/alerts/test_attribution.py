"""Firings of a replay are matched with the causes in its run."""

import pytest

from firedrill.alerts.backtest import attribution_window
from firedrill.alerts.backtest.attribution import Attribution
from firedrill.alerts.backtest.causes import Cause
from firedrill.alerts.replay.alert_state import Episode
from firedrill.alerts.rules import rule_file

SLOW, FAILING = (
    Cause(name="latency", start=10, end=20, alerts=("Slow",)),
    Cause(name="errors", start=40, end=50, alerts=("Failing",)),
)


def fired(since, until=None, active=None):
    active_ms = (since if active is None else active) * 1000
    return Episode(
        (), active_ms, firing_ms=since * 1000, resolved_ms=None if until is None else until * 1000
    )


def met(alert, *episodes):
    return [
        (detection.cause, detection.delay_seconds, detection.undecided)
        for detection in Attribution.for_alert(alert, (SLOW, FAILING), 5.0).detections(episodes)
    ]


@pytest.mark.parametrize(
    ("episodes", "expected"),
    [
        ([fired(13, 30)], (3, False)),
        ([fired(25)], (15, False)),
        ([fired(26)], (None, False)),
        ([fired(3, 30)], (None, True)),
        ([fired(3, 12), fired(15)], (None, True)),
        ([fired(3, 5), fired(15)], (5, False)),
        ([fired(3)], (None, True)),
        ([fired(13, active=10)], (3, False)),
        ([fired(13, active=9)], (None, True)),
        ([fired(8, 9, active=3), fired(15, active=12)], (5, False)),
        (
            [Episode((), 3000, pending_ms=3000, resolved_ms=12_000), fired(15, active=13)],
            (5, False),
        ),
        ([], (None, False)),
    ],
)
def test_a_cause_is_undecided_where_the_alert_fired_already(episodes, expected):
    assert met("Slow", *episodes) == [("latency", *expected)]


def test_an_alert_named_by_one_cause_ignores_the_others():
    assert met("Failing", fired(13, 15), fired(43)) == [("errors", 3, False)]
    assert met("Other", fired(13, 15), fired(43)) == [("latency", 3, False), ("errors", 3, False)]


def test_a_firing_belongs_to_the_latest_cause_at_its_start():
    truth = Attribution.for_alert("Other", (SLOW, FAILING), 30.0)
    owed = [
        truth.cause_of(episode)
        for episode in (fired(45, active=38), fired(45, active=41), fired(13, active=8))
    ]
    assert owed == [SLOW, FAILING, None]
    assert met("Other", fired(45, active=38)) == [
        ("latency", None, False),
        ("errors", None, True),
    ], "five seconds after the first is late"


def test_an_alert_lingers_for_the_longest_recording_of_a_name(tmp_path):
    file = tmp_path / "r.yml"
    file.write_text(
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: 'rate(x[20s])', labels: {of: x}}\n"
        "  - {record: a, expr: y, labels: {of: y}}\n"
        "  - {alert: A, expr: 'a > 1'}\n"
    )
    assert attribution_window.by_alert(rule_file.read(file)) == {
        "A": 20 + attribution_window.SLACK_SECONDS
    }


def test_an_alert_lingers_for_window_for_and_keep_firing_for(tmp_path):
    file = tmp_path / "r.yml"
    file.write_text(
        "groups:\n- name: g\n  rules:\n  - {record: 'a:b', expr: 'rate(x[20s])'}\n"
        "  - {alert: A, expr: 'a:b > 1', for: 10s, keep_firing_for: 5s}\n"
        "  - {alert: A, expr: 'a:b > 2'}\n"
    )
    assert attribution_window.by_alert(rule_file.read(file)) == {
        "A": 35 + attribution_window.SLACK_SECONDS
    }
