"""Alerts are judged against their causes from run.json alone."""

import pytest

from firedrill.alerts.backtest import causes
from firedrill.alerts.backtest.causes import Cause
from firedrill.drill.judge import scorecard


def document(
    *alerts, faults=((10.0, 20.0, ()),), reasons=(), seconds=60.0, status="PASSED", **expectations
):
    """A run of a profile of 60 s, cut to `seconds`."""
    return {
        "window": {"start": 1000.0, "end": 1000.0 + seconds},
        "profile": {
            "slo": None,
            "duration_seconds": 60.0,
            "alerts": {"always": (), "if_slo_broken": (), "never": (), **expectations},
        },
        "faults": [
            {
                "fault": "latency",
                "size": 0.3,
                "start": 1000 + at,
                "end": 1000 + end,
                "alerts": named,
            }
            for at, end, named in faults
        ],
        "verdict": {"status": status, "reasons": [{"code": code} for code in reasons]},
        "aborted": None,
        "figures": {"alerts": list(alerts), "steps": []},
    }


def fired(name, *spans, active=None):
    """An alert with the times from and to which it fired, and when it had become active before; at once, unless that is said."""
    actives = tuple(begun for begun, _ in spans) if active is None else active
    return pending(name, None, at_end=False) | {
        "firing_after_seconds": spans[0][0],
        "firings": spans,
        "active_after_seconds": actives,
    }


def pending(name, since, *, at_end=True):
    times = {
        "pending_after_seconds": since,
        "firing_after_seconds": None,
        "active_after_seconds": (),
    }
    return {"name": name, **times, "firings": (), "pending_at_end": at_end}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (document(fired("A", (15, 30))), (15, "latency 300 ms", 5, "detected")),
        (
            document(fired("A", (25, 26)), fired("A", (15, 16)), pending("A", 11, at_end=False)),
            (15, "latency 300 ms", 5, "detected"),
        ),
        (document(fired("A", (5, 30))), (5, None, None, "false")),
        (document(fired("A", (5, 30)), always=["A"]), (5, None, None, "expected")),
        (document(fired("A", (15, 30)), never=["A"]), (15, "latency 300 ms", 5, "false")),
        (document(pending("A", 11, at_end=False), always=["A"]), (None, None, None, "missed")),
        (document(never=["A"]), (None, None, None, "quiet")),
        (document(if_slo_broken=["A"], reasons=["latency_p99"]), (None, None, None, "missed")),
        (
            document(fired("A", (50, 55)), faults=((10, 20, ()), (40, 55, ()))),
            (50, "latency 300 ms", 10, "detected"),
        ),
        # What a fault names is its own, though another one has begun since.
        (
            document(fired("A", (50, 55)), faults=((10, 20, ["A"]), (40, 55, ()))),
            (50, "latency 300 ms", 40, "detected"),
        ),
        (document(faults=((10, 20, ["A"]),)), (None, "latency 300 ms", None, "missed")),
    ],
)
def test_an_alert_is_judged_by_cause_and_profile(said, expected):
    (row,) = scorecard.of_run(said)
    assert (
        row["firing_after_seconds"],
        row["cause"],
        row["delay_seconds"],
        row["judgement"],
    ) == expected


def test_each_fault_expects_the_alerts_that_it_names():
    faults = ((10, 20, ["A"]), (40, 50, ["A", "B"]))
    rows = scorecard.of_run(document(fired("A", (15, 25), (47, 55)), faults=faults))
    assert [(row["alert"], row["delay_seconds"], row["judgement"]) for row in rows] == [
        ("A", 5, "detected"),
        ("A", 7, "detected"),
        ("B", None, "missed"),
    ]


def test_attribution_is_by_name_or_to_the_latest_cause():
    rows = scorecard.of_run(
        document(fired("A", (15, 16)), fired("B", (17, 18)), faults=((10, 20, ["A"]),))
    )
    assert [(row["alert"], row["attribution"]) for row in rows] == [("A", "named"), ("B", "latest")]


def test_an_alert_before_its_fault_is_false():
    rows = scorecard.of_run(document(fired("A", (3, 5), (15, 16)), faults=((10, 20, ["A"]),)))
    assert [(row["firing_after_seconds"], row["judgement"]) for row in rows] == [
        (3, "false"),
        (15, "detected"),
    ]


def test_an_alert_firing_as_its_fault_begins_is_undecided():
    rows = scorecard.of_run(document(fired("A", (3, 30)), faults=((10, 20, ["A"]),)))
    assert [row["judgement"] for row in rows] == ["false", "undecided"]
    assert scorecard.reasons(rows) == ()


def test_an_alert_pending_as_its_fault_begins_is_undecided():
    said = document(fired("A", (15, 30), active=(8,)), faults=((10, 20, ["A"]),))
    (row,) = scorecard.of_run(said)
    assert (row["judgement"], row["firing_after_seconds"]) == ("undecided", None)
    assert "the alert A was pending already before latency 300 ms" in row["text"]
    (row,) = scorecard.of_run(
        document(fired("A", (15, 30), active=(10,)), faults=((10, 20, ["A"]),))
    )
    assert (row["judgement"], row["delay_seconds"]) == ("detected", 5)


def test_a_firing_belongs_to_the_cause_at_its_start():
    said = document(fired("A", (45, 50), active=(38,)), faults=((10, 44, ()), (40, 55, ())))
    (row,) = scorecard.of_run(said)
    assert (row["judgement"], row["delay_seconds"]) == ("detected", 35), "the first of the two"
    (row,) = scorecard.of_run(document(fired("A", (15, 30), active=(8,))))
    assert (row["judgement"], row["cause"]) == ("false", None), "nothing was wrong yet"


@pytest.mark.parametrize("expectations", [{}, {"never": ["A"]}, {"always": ["A"]}], ids=str)
@pytest.mark.parametrize("begun", [-1, 0])
def test_an_alert_left_over_from_before_is_undecided(begun, expectations):
    rows = scorecard.of_run(
        document(fired("A", (begun, 30)), faults=((0, 20, ()),), **expectations)
    )
    assert [row["judgement"] for row in rows] == ["undecided"]
    assert scorecard.reasons(rows) == ()
    assert [one.text for one in scorecard.remarks(rows)] == [
        "the alert A fired already when the load began: what set it off was there before"
    ]


@pytest.mark.parametrize(("begun", "judgement"), [(30, "detected"), (31, "missed")])
def test_a_past_fault_is_detected_within_the_look_back(begun, judgement):
    said = document(fired("A", (begun, 50)), faults=((10, 20, ["A"]),))
    (row,) = scorecard.of_run(said, {"A": 10.0})
    assert row["judgement"] == judgement
    assert ("fired after 31 s, when it looked back on nothing of its fault" in row["text"]) is (
        judgement == "missed"
    )
    assert [row["judgement"] for row in scorecard.of_run(said)] == ["detected"], (
        "where nobody knows the rule"
    )


def test_a_left_over_alert_that_returns_is_judged():
    rows = scorecard.of_run(document(fired("A", (-1, 3), (15, 30)), never=["A"]))
    assert [(row["firing_after_seconds"], row["judgement"]) for row in rows] == [
        (-1, "undecided"),
        (15, "false"),
    ]
    assert len(scorecard.reasons(rows)) == 1


@pytest.mark.parametrize(
    ("said", "reasons"),
    [
        (
            document(fired("A", (14, 30)), never=["A"]),
            ["the alert A fired after 14 s; the profile says it never does"],
        ),
        (document(always=["A"]), ["the alert A did not fire; the profile expects it"]),
        (
            document(if_slo_broken=["A"], reasons=["errors"]),
            ["the SLO was broken, and the alert A did not fire: nobody would have known"],
        ),
        (
            document(if_slo_broken=["A", "B"], reasons=["errors"]),
            ["the SLO was broken, and none of A, B fired: nobody would have known"],
        ),
        (document(fired("B", (14, 30)), if_slo_broken=["A", "B"], reasons=["errors"]), []),
        (
            document(faults=((10, 20, ["A"]),)),
            [
                "the alert A did not fire; the profile expects it after latency 300 ms, which began after 10 s"
            ],
        ),
        (document(fired("A", (5, 30))), []),
        (document(if_slo_broken=["A"]), []),
        (document(fired("A", (14, 30)), always=["A"]), []),
    ],
)
def test_unexpected_alerts_fail_the_run_in_one_line(said, reasons):
    assert [reason.text for reason in scorecard.reasons(scorecard.of_run(said))] == reasons


def test_an_alert_pending_for_the_whole_run_is_missed():
    (reason,) = scorecard.reasons(scorecard.of_run(document(pending("A", 41), always=["A"])))
    assert reason.code == "alert_missed"
    assert "was pending from 41 s on, and not firing when the load ended" in reason.text


def test_a_late_cause_leaves_a_pending_alert_undecided():
    rows = scorecard.of_run(document(pending("A", 55), if_slo_broken=["A"], reasons=["errors"]))
    assert scorecard.reasons(rows) == ()
    assert [
        (remark.code, remark.text.rpartition("; ")[2]) for remark in scorecard.remarks(rows)
    ] == [("alert_undecided", "the load ended too early to tell")]


@pytest.mark.parametrize("cut", [{"seconds": 30.0}, {"status": "INTERRUPTED"}])
def test_a_load_that_ended_early_misses_no_alert(cut):
    rows = scorecard.of_run(document(always=["A"], never=["B"], **cut))
    assert {row["alert"]: row["judgement"] for row in rows} == {"A": "undecided", "B": "quiet"}
    assert scorecard.reasons(rows) == ()


def test_an_alert_whose_rule_failed_was_not_quiet():
    broken = {"unevaluated": {"A": "found duplicate series"}}
    rows = scorecard.of_run(document(never=["A", "B"]) | broken)
    assert {row["alert"]: row["judgement"] for row in rows} == {"A": "undecided", "B": "quiet"}
    text = "the alert A did not fire, but its rule could not be evaluated (found duplicate series)"
    assert [remark.text for remark in scorecard.remarks(rows)] == [
        f"{text}: that it was quiet says nothing"
    ]
    assert [
        one.text for one in scorecard.reasons(scorecard.of_run(document(always=["A"]) | broken))
    ] == [f"{text}; the profile expects it"]


def test_a_kept_slo_expects_no_alert():
    assert scorecard.of_run(document(if_slo_broken=["A"])) == []


def test_a_run_without_measurements_has_no_scorecard():
    assert scorecard.of_run({"figures": None}) == []


@pytest.mark.parametrize(
    ("load", "name"),
    [({"users": 40}, "step 1: 40 users"), ({"users": 9, "arrival_rate": 60.0}, "step 1: 60/s")],
)
def test_a_breaking_step_is_named_by_its_load(load, name):
    slow = {"slower_than_slo": {"p99": 0.5}, "error_ratio": 0.0}
    step = {"index": 1, "start_seconds": 5.0, "end_seconds": 9.0, "client": slow, **load}
    run = {
        "profile": {"slo": {"error_ratio": None}},
        "figures": {"steps": [step]},
        "window": {"start": 100.0},
    }
    assert causes.of_run(run) == (Cause(name, 105.0, 109.0),)


def test_an_alert_is_judged_by_the_causes_that_name_it():
    slow, failing = Cause(name="latency", start=10, end=20, alerts=("A",)), Cause("errors", 30, 40)
    assert causes.concerning("A", [slow, failing]) == [slow]
    assert causes.concerning("B", [slow, failing]) == [slow, failing]
