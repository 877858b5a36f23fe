"""A fault matrix is judged from the run.json of its runs and the detection bounds of each alert."""

import json
from dataclasses import replace

import pytest

from firedrill.alerts.backtest import detection_bounds
from firedrill.alerts.backtest.detection_bounds import DetectionBounds
from firedrill.alerts.rules import rule_file
from firedrill.drill.judge import fault_matrix, scorecard
from firedrill.drill.play import matrix_runs
from firedrill.drill.play.request import Request
from firedrill.drill.show import matrix_summary
from firedrill.errors import BadInput
from firedrill.profile import AlertExpectations, FaultStep, load_profile
from firedrill.record.figures import Alert, Window
from firedrill.record.outcome import Reason, Status, Verdict
from firedrill.record.run_document import InjectedFault, RunDocument
from firedrill.report.pages import matrix_table as report_matrix
from firedrill.report.run_facts import Facts
from firedrill.stack.plan import Server
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document
from tests.unit.printing import printed

LEASTS = {
    name: DetectionBounds(10.0, 5.0, 1.25) for name in ("Slow", "Down", "Odd", "ApiCpuPressure")
}


def run(*fired, fault=None, named=(), status="PASSED", reasons=()):
    """Return a run of 60 s with alerts that fired at these times.

    Its fault, if there is one, begins after 10 s.
    """
    faults = (InjectedFault(fault, 1.0, 1010.0, 1060.0, tuple(named)),) if fault else ()
    alerts = [
        Alert(
            name=name,
            severity="",
            labels={},
            pending_after_seconds=None,
            firing_after_seconds=begin,
            firing_seconds=9.0,
            firings=((begin, begin + 9),),
            active_after_seconds=tuple(active) or (begin,),
        )
        for name, begin, *active in fired
    ]
    steps = (FaultStep(10.0, 50.0, {fault: 1.0}, tuple(named)),) if fault else ()
    document = run_document(
        id=fault or "quiet",
        window=Window(1000.0, 1060.0),
        profile=replace(PROFILE, slo=None, faults=steps),
        faults=faults,
        verdict=Verdict(Status(status), tuple(Reason("x", text) for text in reasons)),
        figures=replace(HEALTHY, alerts=tuple(alerts), steps=()),
    )
    card = scorecard.of_run(document)
    verdict = document.verdict.with_failures(scorecard.reasons(card))
    return document.model_copy(update={"scorecard": card, "verdict": verdict})


def judged(*runs):
    return fault_matrix.judge(runs, LEASTS)


def test_a_matrix_passes_when_every_fault_is_detected():
    slow, gone = (
        run(("Slow", 25.0), ("Odd", 30.0), fault="latency", named=["Slow"]),
        run(("Down", 21.0), fault="stop", named=["Down"]),
    )
    matrix = judged(run(), slow, gone)
    assert (matrix.status, matrix.reasons) == (Status.PASSED, ())
    assert [
        [(cell.alert, cell.judgement, cell.delay_seconds) for cell in column.cells]
        for column in matrix.columns
    ] == [
        [],
        [("Slow", "detected", 15.0), ("Odd", "also", 20.0)],
        [("Down", "detected", 11.0)],
    ]


def test_alerts_slower_than_the_quiet_run_are_named():
    matrix = fault_matrix.judge([run()], {**LEASTS, "SlowBurn": DetectionBounds(75.0, 5.0, 1.25)})
    assert (matrix.status, matrix.unproven) == (Status.PASSED, ("SlowBurn",))
    assert "the quiet run is too short to judge SlowBurn" in printed(
        matrix_summary.of_matrix(matrix)
    )
    assert "too short" not in printed(matrix_summary.of_matrix(judged(run())))


def test_the_quiet_run_lasts_as_long_as_the_slowest_alert():
    drill = request(load_profile("matrix"))
    every = matrix_runs.bounds_of_loaded_rules(drill)
    seconds = matrix_runs.quiet_seconds(drill, every)
    assert (
        every["ApiErrorBudgetSlowBurn"].latest_seconds
        == max(bounds.latest_seconds for bounds in every.values())
        < seconds
    )
    assert seconds < matrix_runs.LONGEST_QUIET_SECONDS
    assert (
        matrix_runs.quiet_seconds(drill, {**every, "Daily": DetectionBounds(86_400.0, 5.0, 1.0)})
        == matrix_runs.LONGEST_QUIET_SECONDS
    )
    assert matrix_runs.quiet_seconds(replace(drill, duration_seconds=8.0), every) == 8.0
    assert (
        matrix_runs.quiet_seconds(replace(drill, duration_seconds=300.0), every) == 300.0 > seconds
    )
    assert (
        matrix_runs.quiet_seconds(replace(drill, duration_seconds=3_600.0), every)
        == drill.profile.duration_seconds
    )


def test_a_fault_without_its_alert_fails_and_is_named():
    matrix = judged(run(), run(("Odd", 30.0), fault="latency", named=["Slow"]))
    assert matrix.status is Status.FAILED
    assert matrix.reasons == (
        (
            "latency 1.0 s: the alert Slow did not fire; "
            "the profile expects it after latency 1.0 s, which began after 10 s"
        ),
    )


def test_false_alerts_fail_the_matrix():
    matrix = judged(
        run(("Slow", 33.0)), run(("Odd", 4.0), ("Down", 21.0), fault="stop", named=["Down"])
    )
    assert matrix.status is Status.FAILED
    assert matrix.reasons == (
        "quiet: the alert Slow fired after 33 s, with nothing wrong yet",
        "stop: the alert Odd fired after 4.0 s, with nothing wrong yet",
    )


def test_an_alert_that_fires_before_its_fault_misses_it():
    matrix = judged(run(("Down", 4.0), fault="stop", named=["Down"]))
    assert matrix.status is Status.FAILED
    assert [cell.judgement for cell in matrix.columns[0].cells] == ["false", "undecided"]
    assert "fired already before stop" in matrix.reasons[0]


def test_an_alert_pending_before_its_fault_misses_it():
    matrix = judged(run(("Down", 14.0, 8.0), fault="stop", named=["Down"]))
    assert matrix.status is Status.FAILED
    assert [(cell.alert, cell.judgement) for cell in matrix.columns[0].cells] == [
        ("Down", "undecided")
    ]
    assert "was pending already before stop" in matrix.reasons[0]


def test_an_alert_pending_before_another_fault_fails_nothing():
    matrix = judged(
        run(
            ("Odd", 15.0, 9.0),
            ("ApiCpuPressure", 16.0, 9.0),
            ("Down", 21.0),
            fault="stop",
            named=["Down"],
        )
    )
    assert (matrix.status, matrix.reasons) == (Status.PASSED, ())
    assert [(cell.alert, cell.judgement) for cell in matrix.columns[0].cells] == [
        ("Odd", "undecided"),
        ("ApiCpuPressure", "machine"),
        ("Down", "detected"),
    ]


def test_alerts_about_the_machine_fail_nothing():
    matrix = judged(run(("ApiCpuPressure", 28.0)))
    assert (matrix.status, [cell.judgement for cell in matrix.columns[0].cells]) == (
        Status.PASSED,
        ["machine"],
    )


@pytest.mark.parametrize(
    ("status", "expected"), [("INVALID", Status.INVALID), ("INTERRUPTED", Status.INTERRUPTED)]
)
def test_an_invalid_run_voids_the_matrix(status, expected):
    matrix = judged(
        run(("Slow", 33.0)), run(fault="stop", named=["Down"], status=status, reasons=["why"])
    )
    assert matrix.status is expected
    assert "stop: why" in matrix.reasons


def test_a_run_stopped_before_its_load_has_an_empty_column():
    before = run(fault="stop", status="INTERRUPTED").model_copy(
        update={"window": None, "scorecard": (), "faults": ()}
    )
    (column,) = judged(before).columns
    assert (column.fault, column.cells) == ("stop", ())


def test_the_table_shows_delays_beside_their_bounds():
    matrix = judged(
        run(),
        run(("Slow", 25.0), ("Odd", 30.0), fault="latency", named=["Slow"]),
        run(fault="stop", named=["Down"]),
    )
    lines = [
        line.split()
        for line in printed(matrix_summary.of_matrix(matrix)).splitlines()
        if "Slow" in line or "Odd" in line or "  Down" in line
    ]
    assert lines == [
        ["latency", "1.0", "s", "Slow", "detected", "15", "s", "10", "s", "17", "s"],
        ["Odd", "also", "20", "s", "10", "s", "17", "s"],
        ["stop", "Down", "missed", "–", "10", "s", "17", "s"],
    ]
    assert json.loads(matrix.text())["least"]["Down"] == {
        **vars_of(LEASTS["Down"]),
        "seconds": 10.0,
        "full_seconds": 17.25,
    }


def vars_of(instance):
    return {name: getattr(instance, name) for name in instance.__slots__}


def request(profile):
    return Request(profile=profile, source="matrix", out="runs", server=Server("waitress"))


def test_a_matrix_needs_faults_and_alerts():
    profile = load_profile("matrix")
    matrix_runs.check(request(profile))
    assert {fault for step in profile.faults for fault in step.sizes} == {
        "latency",
        "errors",
        "cpu",
        "stuck",
        "memory",
        "stop",
    }
    with pytest.raises(BadInput, match="profile smoke sets no faults"):
        matrix_runs.check(request(load_profile("smoke")))
    silent = replace(profile, faults=(replace(profile.faults[0], alerts=()),))
    with pytest.raises(BadInput, match="latency 600 ms names no alerts"):
        matrix_runs.check(request(silent))


def test_each_fault_is_played_alone_until_its_alerts_fired():
    step = FaultStep(
        start_seconds=5, for_seconds=20, sizes={"latency": 0.6}, alerts=("ApiLatencyP99High",)
    )
    profile = replace(
        load_profile("launch"),
        faults=(
            step,
            FaultStep(
                start_seconds=30,
                for_seconds=10,
                sizes={"errors": 0.2, "cpu": 1},
                alerts=("ApiDown",),
            ),
        ),
        abort_on_slo=True,
    )
    played = dict(matrix_runs.planned_runs(replace(request(profile), time_scale=24), 20.0))
    assert list(played) == ["quiet", "latency 600 ms", "errors 20 % and cpu 1 core"]
    assert (
        [drill.duration_seconds for drill in played.values()]
        == [drill.profile.duration_seconds for drill in played.values()]
        == [20, 25, 15]
    )
    assert [[step.start_seconds for step in drill.profile.faults] for drill in played.values()] == [
        [],
        [5],
        [5],
    ]
    assert [drill.until_firing for drill in played.values()] == [
        (),
        ("ApiLatencyP99High",),
        ("ApiDown",),
    ]
    assert {
        (drill.profile.slo, drill.profile.alerts, drill.profile.abort_on_slo)
        for drill in played.values()
    } == {(None, AlertExpectations(), False)}
    assert {drill.profile.steps for drill in played.values()} == {profile.steps}


RULES = """\
groups:
  - name: g
    interval: 2s
    rules:
      - {record: a:used:ratio, expr: 'rate(x_total[10s])', labels: {resource: cpu}}
      - {record: a:used:ratio, expr: x, labels: {resource: memory}}
      - {record: a:errors:ratio, expr: 'rate(e_total[1m] offset 1h) / rate(x_total[30s])'}
      - {alert: Recorded, expr: 'avg_over_time(a:used:ratio{resource="cpu"}[5s]) > 0.8', for: 20s}
      - alert: Instant
        expr: 'a:used:ratio{resource="memory"} > 0.8 * scalar(max_over_time(limit[1h]))'
        for: 20s
      - {alert: Both, expr: 'rate(x_total[5m]) > 1 and rate(x_total[1m]) > 1 and x'}
      - {alert: Either, expr: 'x == 0 or rate(x_total[5m]) > 1'}
      - {alert: Ratio, expr: a:errors:ratio > 1}
      - {alert: Inner, expr: 'max_over_time(rate(x_total[1m])[5m:]) > 1'}
      - {alert: Twice, expr: 'rate(x_total[5m]) > 1', for: 1m}
      - {alert: Twice, expr: 'rate(x_total[5m]) > 1', for: 30s}
"""


def test_detection_takes_between_the_for_and_a_full_window(tmp_path):
    file = tmp_path / "r.yml"
    file.write_text(RULES)
    by_alert = {
        name: (bounds.window_seconds, bounds.earliest_seconds, bounds.latest_seconds)
        for name, bounds in detection_bounds.by_alert(rule_file.read(file)).items()
    }
    assert by_alert == {
        "Recorded": (15, 20, 38),
        "Instant": (0, 20, 23),
        "Both": (60, 0, 63),
        "Either": (0, 0, 3),
        "Ratio": (60, 0, 63),
        "Inner": (360, 0, 363),
        "Twice": (300, 30, 333),
    }


def test_a_for_lasts_whole_evaluations():
    assert [DetectionBounds(hold, 5.0, 1.25).earliest_seconds for hold in (0.0, 0.5, 5.0, 5.1)] == [
        0.0,
        1.25,
        5.0,
        6.25,
    ]


def test_the_report_of_the_quiet_run_holds_the_matrix(tmp_path):
    judged(run(), run(("Slow", 25.0), fault="latency", named=["Slow"])).write(tmp_path)
    table = report_matrix.table(Facts("quiet", RunDocument(), report_matrix.read(tmp_path)))
    assert table.rows == [
        ("quiet", "–", "", "–", "–", "–"),
        ("latency 1.0 s", "Slow", "detected", "15 s", "10 s", "17 s"),
    ]


@pytest.mark.parametrize("text", [None, "{", '{"columns": 5}', '{"columns": [{"fault": "a"}]}'])
def test_an_incomplete_matrix_is_not_in_the_report(tmp_path, text):
    if text:
        (tmp_path / "matrix.json").write_text(text)
    assert report_matrix.table(Facts("quiet", RunDocument(), report_matrix.read(tmp_path))) is None
