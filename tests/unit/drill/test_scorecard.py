"""Alerts are judged against their causes from run.json alone."""

from dataclasses import replace

import pytest

from firedrill.alerts.backtest import causes
from firedrill.alerts.backtest.causes import Cause
from firedrill.drill.judge import scorecard
from firedrill.profile import AlertExpectations, Slo
from firedrill.record.figures import Alert, StepFigures, Window
from firedrill.record.outcome import Reason, Status, Verdict
from firedrill.record.run_document import InjectedFault
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document


def document(
    *alerts, faults=((10.0, 20.0, ()),), reasons=(), seconds=60.0, status="PASSED", **expectations
):
    """Return a run of a profile of 60 s, cut to `seconds`."""
    profile = replace(PROFILE, slo=None, alerts=AlertExpectations(**expectations))
    return run_document(
        profile=profile,
        window=Window(1000.0, 1000.0 + seconds),
        faults=tuple(
            InjectedFault("latency", 0.3, 1000 + begin, 1000 + end, tuple(named))
            for begin, end, named in faults
        ),
        verdict=Verdict(Status(status), tuple(Reason(code, "") for code in reasons)),
        figures=replace(HEALTHY, alerts=alerts, steps=()),
    )


def fired(name, *spans, active=None):
    """Return an alert that fired in these spans, and had become active before, or just then."""
    return Alert(
        name=name,
        severity="",
        labels={},
        pending_after_seconds=None,
        firing_after_seconds=spans[0][0],
        firing_seconds=0.0,
        firings=spans,
        active_after_seconds=tuple(begin for begin, _ in spans) if active is None else active,
    )


def pending(name, since, *, at_end=True):
    """Return an alert that was pending and did not fire."""
    return Alert(
        name=name,
        severity="",
        labels={},
        pending_after_seconds=since,
        firing_after_seconds=None,
        firing_seconds=0.0,
        pending_at_end=at_end,
    )


@pytest.mark.parametrize(
    ("recorded", "expected"),
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
        # A fault keeps the alerts that it names, also after another fault began.
        (
            document(fired("A", (50, 55)), faults=((10, 20, ["A"]), (40, 55, ()))),
            (50, "latency 300 ms", 40, "detected"),
        ),
        (document(faults=((10, 20, ["A"]),)), (None, "latency 300 ms", None, "missed")),
    ],
)
def test_an_alert_is_judged_by_cause_and_profile(recorded, expected):
    (row,) = scorecard.of_run(recorded)
    assert (
        row.firing_after_seconds,
        row.cause,
        row.delay_seconds,
        row.judgement,
    ) == expected


def test_each_fault_expects_the_alerts_that_it_names():
    faults = ((10, 20, ["A"]), (40, 50, ["A", "B"]))
    rows = scorecard.of_run(document(fired("A", (15, 25), (47, 55)), faults=faults))
    assert [(row.alert, row.delay_seconds, row.judgement) for row in rows] == [
        ("A", 5, "detected"),
        ("A", 7, "detected"),
        ("B", None, "missed"),
    ]


def test_attribution_is_by_name_or_to_the_latest_cause():
    rows = scorecard.of_run(
        document(fired("A", (15, 16)), fired("B", (17, 18)), faults=((10, 20, ["A"]),))
    )
    assert [(row.alert, row.attribution) for row in rows] == [("A", "named"), ("B", "latest")]


def test_an_alert_before_its_fault_is_false():
    rows = scorecard.of_run(document(fired("A", (3, 5), (15, 16)), faults=((10, 20, ["A"]),)))
    assert [(row.firing_after_seconds, row.judgement) for row in rows] == [
        (3, "false"),
        (15, "detected"),
    ]


def test_an_alert_firing_as_its_fault_begins_is_undecided():
    rows = scorecard.of_run(document(fired("A", (3, 30)), faults=((10, 20, ["A"]),)))
    assert [row.judgement for row in rows] == ["false", "undecided"]
    assert scorecard.reasons(rows) == ()


def test_an_alert_pending_as_its_fault_begins_is_undecided():
    recorded = document(fired("A", (15, 30), active=(8,)), faults=((10, 20, ["A"]),))
    (row,) = scorecard.of_run(recorded)
    assert (row.judgement, row.firing_after_seconds) == ("undecided", None)
    assert "the alert A was pending already before latency 300 ms" in row.text
    (row,) = scorecard.of_run(
        document(fired("A", (15, 30), active=(10,)), faults=((10, 20, ["A"]),))
    )
    assert (row.judgement, row.delay_seconds) == ("detected", 5)


def test_a_firing_belongs_to_the_cause_at_its_start():
    recorded = document(fired("A", (45, 50), active=(38,)), faults=((10, 44, ()), (40, 55, ())))
    (row,) = scorecard.of_run(recorded)
    assert (row.judgement, row.delay_seconds) == ("detected", 35), "the first of the two"
    (row,) = scorecard.of_run(document(fired("A", (15, 30), active=(8,))))
    assert (row.judgement, row.cause) == ("false", None), "nothing was wrong yet"


@pytest.mark.parametrize("expectations", [{}, {"never": ["A"]}, {"always": ["A"]}], ids=str)
@pytest.mark.parametrize("begun", [-1, 0])
def test_an_alert_left_over_from_before_is_undecided(begun, expectations):
    rows = scorecard.of_run(
        document(fired("A", (begun, 30)), faults=((0, 20, ()),), **expectations)
    )
    assert [row.judgement for row in rows] == ["undecided"]
    assert scorecard.reasons(rows) == ()
    assert [remark.text for remark in scorecard.remarks(rows)] == [
        "the alert A was firing when the load began, so the load did not cause it"
    ]


@pytest.mark.parametrize(("begun", "judgement"), [(30, "detected"), (31, "missed")])
def test_a_past_fault_is_detected_within_the_look_back(begun, judgement):
    recorded = document(fired("A", (begun, 50)), faults=((10, 20, ["A"]),))
    (row,) = scorecard.of_run(recorded, {"A": 10.0})
    assert row.judgement == judgement
    assert ("fired after 31 s, when its rule no longer looked back on the fault" in row.text) is (
        judgement == "missed"
    )
    assert [row.judgement for row in scorecard.of_run(recorded)] == ["detected"], (
        "where nobody knows the rule"
    )


def test_a_left_over_alert_that_returns_is_judged():
    rows = scorecard.of_run(document(fired("A", (-1, 3), (15, 30)), never=["A"]))
    assert [(row.firing_after_seconds, row.judgement) for row in rows] == [
        (-1, "undecided"),
        (15, "false"),
    ]
    assert len(scorecard.reasons(rows)) == 1


@pytest.mark.parametrize(
    ("recorded", "reasons"),
    [
        (
            document(fired("A", (14, 30)), never=["A"]),
            ["the alert A fired after 14 s; the profile lists it under never"],
        ),
        (document(always=["A"]), ["the alert A did not fire; the profile expects it"]),
        (
            document(if_slo_broken=["A"], reasons=["errors"]),
            ["the SLO broke, but the alert A did not fire; the profile expects it (if_slo_broken)"],
        ),
        (
            document(if_slo_broken=["A", "B"], reasons=["errors"]),
            ["the SLO broke, but none of A, B fired; the profile expects it (if_slo_broken)"],
        ),
        (document(fired("B", (14, 30)), if_slo_broken=["A", "B"], reasons=["errors"]), []),
        (
            document(faults=((10, 20, ["A"]),)),
            [
                (
                    "the alert A did not fire; "
                    "the profile expects it after latency 300 ms, which began after 10 s"
                )
            ],
        ),
        (document(fired("A", (5, 30))), []),
        (document(if_slo_broken=["A"]), []),
        (document(fired("A", (14, 30)), always=["A"]), []),
    ],
)
def test_unexpected_alerts_fail_the_run_in_one_line(recorded, reasons):
    assert [reason.text for reason in scorecard.reasons(scorecard.of_run(recorded))] == reasons


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
    assert {row.alert: row.judgement for row in rows} == {"A": "undecided", "B": "quiet"}
    assert scorecard.reasons(rows) == ()


def test_an_alert_whose_rule_failed_was_not_quiet():
    broken = {"unevaluated": {"A": "found duplicate series"}}
    rows = scorecard.of_run(document(never=["A", "B"]).model_copy(update=broken))
    assert {row.alert: row.judgement for row in rows} == {"A": "undecided", "B": "quiet"}
    text = "the alert A did not fire, but its rule could not be evaluated (found duplicate series)"
    assert [remark.text for remark in scorecard.remarks(rows)] == [
        f"{text}, so its silence proves nothing"
    ]
    assert [
        reason.text
        for reason in scorecard.reasons(
            scorecard.of_run(document(always=["A"]).model_copy(update=broken))
        )
    ] == [f"{text}; the profile expects it"]


def test_a_kept_slo_expects_no_alert():
    assert scorecard.of_run(document(if_slo_broken=["A"])) == ()


def test_a_run_without_measurements_has_no_scorecard():
    assert scorecard.of_run(run_document(figures=None)) == ()


@pytest.mark.parametrize(
    ("load", "name"),
    [({"users": 40}, "step 1: 40 users"), ({"users": 9, "arrival_rate": 60.0}, "step 1: 60/s")],
)
def test_a_breaking_step_is_named_by_its_load(load, name):
    client = replace(HEALTHY.client, slower_than_slo={"p99": 0.5}, error_ratio=0.0)
    step = StepFigures(
        index=1,
        start_seconds=5.0,
        end_seconds=9.0,
        client=client,
        server=HEALTHY.server,
        **load,
    )
    run = run_document(
        profile=replace(PROFILE, slo=Slo()),
        figures=replace(HEALTHY, steps=(step,)),
        window=Window(100.0, 160.0),
    )
    assert causes.from_run(run) == (Cause(name, 105.0, 109.0),)


def test_an_alert_is_judged_by_the_causes_that_name_it():
    slow, failing = Cause(name="latency", start=10, end=20, alerts=("A",)), Cause("errors", 30, 40)
    assert causes.for_alert("A", [slow, failing]) == [slow]
    assert causes.for_alert("B", [slow, failing]) == [slow, failing]


def test_a_later_firing_without_a_cause_is_a_row_of_its_own():
    alert = fired("A", (12.0, 15.0), (50.0, 55.0))
    rows = scorecard.of_run(document(alert), {"A": 5.0})
    assert [(row.judgement, row.firing_after_seconds) for row in rows] == [
        ("detected", 12.0),
        ("false", 50.0),
    ]
    flapping = fired("A", (12.0, 13.0), (14.0, 15.0), (16.0, 17.0))
    assert len(scorecard.of_run(document(flapping), {"A": 5.0})) == 1
