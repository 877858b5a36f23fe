"""Alerts against what they were for, from run.json alone."""

import pytest

from firedrill.drill import scorecard


def document(fired, *, faults=((10.0, 20.0),), reasons=(), **expectations):
    return {
        "window": {"start": 1000.0, "end": 1060.0},
        "profile": {"slo": None, "alerts": {"always": (), "if_slo_broken": (), "never": (), **expectations}},
        "faults": [{"fault": "latency", "size": 0.3, "start": 1000 + start, "end": 1000 + end} for start, end in faults],
        "verdict": {"reasons": [{"code": code} for code in reasons]},
        "figures": {"alerts": [{"name": name, "firing_after_seconds": after} for name, after in fired], "steps": []},
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (document([("A", 15.0)]), (15.0, "latency 300 ms", 5.0, "detected")),
        (document([("A", 25.0), ("A", 15.0), ("A", None)]), (15.0, "latency 300 ms", 5.0, "detected")),
        (document([("A", 5.0)]), (5.0, None, None, "false")),
        (document([("A", 5.0)], always=["A"]), (5.0, None, None, "expected")),
        (document([("A", 15.0)], never=["A"]), (15.0, "latency 300 ms", 5.0, "false")),
        (document([("A", None)], always=["A"]), (None, None, None, "missed")),
        (document([], never=["A"]), (None, None, None, "quiet")),
        (document([], if_slo_broken=["A"], reasons=["latency_p99"]), (None, None, None, "missed")),
        (document([("A", 50.0)], faults=((10, 20), (40, 55))), (50.0, "latency 300 ms", 10.0, "detected")),
    ],
)
def test_an_alert_is_held_against_its_cause_and_what_the_profile_says(said, expected):
    (row,) = scorecard.of_run(said)
    assert (row["firing_after_seconds"], row["cause"], row["delay_seconds"], row["judgement"]) == expected


def test_an_alert_that_is_expected_when_the_slo_breaks_is_none_where_it_held():
    assert scorecard.of_run(document([], if_slo_broken=["A"])) == []


def test_a_run_in_which_nothing_was_measured_has_no_card():
    assert scorecard.of_run({"figures": None}) == []
