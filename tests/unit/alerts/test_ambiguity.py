"""A backtest builds its grid, finds ambiguous evaluations and causes, stretches time, and reports."""

import math
from dataclasses import replace

import pytest
from click.testing import CliRunner

from firedrill import places
from firedrill.alerts.backtest import causes, warnings
from firedrill.alerts.backtest.causes import Cause
from firedrill.alerts.replay import ambiguity, evaluation_durations, evaluation_times, stalls
from firedrill.alerts.replay.alert_state import Replay
from firedrill.alerts.replay.environment import STALE, gaps
from firedrill.alerts.replay.evaluation_durations import Reading
from firedrill.alerts.replay.visibility import Worlds
from firedrill.alerts.rules import rule_file
from firedrill.alerts.rules.rule_file import Rule
from firedrill.alerts.scaling.stretch import Clock, stretch
from firedrill.cli import main
from firedrill.profile import Slo
from firedrill.prometheus import remote
from firedrill.record.figures import StepFigures, Window
from firedrill.record.run_document import InjectedFault
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document


def test_a_grid_lies_on_whole_intervals():
    assert evaluation_times.regular(1_001, 46_000, 15_000) == [15_000, 30_000, 45_000]


def test_missed_evaluations_do_not_split_a_query_but_phases_do():
    assert list(evaluation_times.spans([7, 1007, 4007, 5007, 5507, 6507], 1000)) == [
        (7, 5007),
        (5507, 6507),
    ]


def test_no_query_asks_for_more_points_than_prometheus_returns():
    times = list(range(0, 25_000_000, 1000))
    parts = list(evaluation_times.spans(times, 1000))
    assert [(last - first) // 1000 + 1 for first, last in parts] == [11_000, 11_000, 3_000]
    assert list(evaluation_times.spans([], 1000)) == []


def test_recorded_evaluations_have_an_interval_despite_gaps():
    assert evaluation_times.has_interval([0, 1000, 2000, 7000, 8000], 1000)
    assert not evaluation_times.has_interval([0, 1000, 2000], 1250)
    assert not evaluation_times.has_interval([5], 1000)


def test_evaluations_under_way_are_known_by_their_end():
    sources = [
        ambiguity.scrapes("a", {1000: 300, 2000: 20}, [320, 40]),
        ambiguity.scrapes("b", {1100: 10}, [30]),
    ]
    found = [
        ambiguity.under_way(time_ms, sources)
        for time_ms in (999, 1000, 1100, 1129, 1130, 1319, 1320, 2039)
    ]
    assert [[one.earliest_ms for one in at] for at in found] == [
        [], [1300], [1110, 1300], [1110, 1300], [1300], [1300], [], [2020],
    ]  # fmt: skip


def test_a_recorded_series_becomes_visible_during_its_evaluation():
    late = [ambiguity.recordings("a", [1000, 2000], [60, 25])]
    assert [ambiguity.under_way(time_ms, late) for time_ms in (1059, 1060, 2024, 2025)] == [
        [(1060, 1000, "a", 1000)],
        [],
        [(2025, 2000, "a", 2000)],
        [],
    ]


def test_a_scrape_that_hung_may_still_be_under_way():
    (hung, following) = ambiguity.under_way(
        2003, [ambiguity.scrapes("a", {1000: 1000, 2000: 191}, [1020, 211])]
    )
    assert (hung.what, hung.latest_ms, hung.earliest_ms) == (("a", 1000), 2020, 2000)
    assert following.what == ("a", 2000)


def others(*done, lag_ms=250):
    under_way = sorted(ambiguity.Done(*one, 1000) for one in done)
    return {
        "".join(sorted(source for source, _ in some))
        for some in Worlds(1000, under_way, lag_ms).others
    }


def test_simultaneous_ends_become_visible_in_any_order():
    assert others((1120, 1100, "a"), (1130, 1110, "b")) == {"b"}
    assert others((1120, 1100, "a"), (1120, 1100, "b"), (1125, 1105, "c")) == {
        "a",
        "b",
        "c",
        "ac",
        "bc",
    }
    assert others((1120, 1100, "a"), (1200, 1180, "b")) == set(), "b is not done before a"
    assert others((1120, 1100, "a"), (1130, 1110, "b"), lag_ms=50) == set(), (
        "neither is done when the evaluation has ended"
    )


HOT, NOTHING = {(("i", "a"),): 1.0}, {}


def unsure(*seen, hold_ms=0, limit=0, labels=None):
    """Numbers of the evaluations, a second apart, at which it is open what a rule wrote."""
    rule = Rule(
        name="Hot",
        expr="hot > 0",
        is_alert=True,
        place="f.yml:1",
        expr_place="f.yml:2",
        labels=labels or {},
        annotations={},
        hold_ms=hold_ms,
    )
    found = ambiguity.unsure(
        Replay(rule, limit), [(number * 1000, vectors) for number, vectors in enumerate(seen)]
    )
    return sorted(time_ms // 1000 for time_ms in found)


def test_an_ambiguous_evaluation_makes_the_following_ones_ambiguous():
    assert unsure([NOTHING], [NOTHING, HOT], [NOTHING], [HOT]) == [1]
    assert unsure([HOT], [HOT, {(("i", "a"),): 2.0}], [HOT]) == [], "the alert is the same"
    assert unsure([NOTHING], [NOTHING, HOT], [HOT], [HOT], [NOTHING], [HOT], hold_ms=1000) == [
        1,
        2,
        3,
    ], "active since one or two"
    assert unsure([HOT], [None, NOTHING], [HOT], [NOTHING], [HOT]) == [2], (
        "failed, it would have kept its state"
    )


def test_two_elements_that_mean_one_alert_fail_the_evaluation():
    up, down = {(("__name__", "a"), ("i", "a")): 1.0}, {(("__name__", "b"), ("i", "a")): 1.0}
    assert unsure([up], [up, up | down], [up]) == [1], "failed, or written"
    assert unsure([NOTHING], [up | down, up], [up | down], [down]) == [1, 3], (
        "active since one or three, whichever element gives it"
    )
    assert unsure([up], [up, down], [up]) == [], "the alert is the same"


def test_alerts_counted_or_labelled_by_value_are_ambiguous_together():
    other = {(("i", "b"),): 1.0}
    assert unsure([HOT], [HOT, HOT | other], [HOT], limit=1) == [1, 2], "forgotten, or not"
    assert unsure([HOT, {(("i", "a"),): 2.0}], [HOT], labels={"v": "{{ $value }}"}) == [0, 1]


def run(faults, slower):
    client = replace(HEALTHY.client, slower_than_slo={"p99": slower}, error_ratio=0.0)
    step = StepFigures(
        index=1,
        start_seconds=5,
        end_seconds=10,
        users=9,
        client=client,
        server=HEALTHY.server,
    )
    return run_document(
        window=Window(100.0, 110.0),
        faults=tuple(faults),
        profile=replace(PROFILE, slo=Slo(error_ratio=0.01)),
        figures=replace(HEALTHY, steps=(step,)),
    )


def test_causes_are_faults_or_steps_that_broke_the_slo():
    fault = InjectedFault("errors", 0.2, 103.0, 104.0)
    assert causes.of_run(run([fault], 0.5)) == (Cause("errors 20 %", 103.0, 104.0),)
    assert causes.of_run(run([], 0.5)) == (Cause("step 1: 9 users", 105.0, 110.0),)
    assert causes.of_run(run([], 0.01)) == ()


def stretched(name, *samples):
    series = remote.series({"__name__": name, "empty": ""})
    for timestamp, value in samples:
        series.samples.add(timestamp=timestamp, value=value)
    stretch(series, Clock(factor=12, anchor_ms=100_000))
    return [(sample.timestamp, sample.value) for sample in series.samples]


def test_stretching_multiplies_only_times_and_counters():
    assert stretched("a_total", (99_000, 5), (100_000, 7)) == [(88_000, 60), (100_000, 84)]
    assert stretched("a_seconds", (101_000, 5)) == [(112_000, 5)]
    assert stretched("test_start_time_seconds", (99_000, 98.0)) == [(88_000, 76.0)]


def test_stretching_keeps_stale_markers():
    series = remote.series({"__name__": "a_total"})
    series.samples.add(timestamp=99_000, value=STALE)
    before = series.SerializeToString()
    stretch(series, Clock(factor=1, anchor_ms=100_000))
    assert math.isnan(series.samples[0].value)
    assert series.SerializeToString() == before


def test_a_time_without_any_scrape_is_reported():
    assert gaps([100_000, 101_000, 113_000, 114_000], 100.0) == [
        "nothing was scraped for 12 s, 1 s after the load began"
    ]


@pytest.mark.parametrize(("stretch", "advised"), [(1, True), (12, False)])
def test_stretching_is_not_advised_where_it_cannot_help(tmp_path, stretch, advised):
    file = tmp_path / "r.yml"
    file.write_text("groups:\n- name: g\n  rules:\n  - {alert: Long, expr: 'rate(x[1h])'}\n")
    (said,) = warnings.of_groups(rule_file.read(file), {"Long"}, {"x"}, 720.0, stretch)
    assert said.startswith("shorter than these look back or wait is the run of 720 s")
    assert ("--stretch" in said) is advised


def test_scaling_a_file_reports_durations_that_stayed_longer(tmp_path):
    out = tmp_path / "out.yml"
    done = CliRunner().invoke(
        main, ["alerts", "scale", "--factor", "60", str(places.RULES / "api.yml"), str(out)]
    )
    assert done.exit_code == 0
    assert "for: 1s" in out.read_text()
    assert "is 4s here, not 1s" in done.stderr
    lost = CliRunner().invoke(main, ["alerts", "scale", str(tmp_path / "none.yml"), str(out)])
    assert (lost.exit_code, "none.yml: No such file" in lost.stderr) == (2, True)
    (tmp_path / "odd.yml").write_bytes(b"\xff")
    odd = CliRunner().invoke(main, ["alerts", "scale", str(tmp_path / "odd.yml"), str(out)])
    assert (odd.exit_code, "odd.yml: no text" in odd.stderr) == (2, True)


def test_scaling_reports_a_mistake_as_file_and_line(tmp_path):
    (tmp_path / "odd.yml").write_text("groups:\n  - name: g\n  - hello\n")
    done = CliRunner().invoke(
        main, ["alerts", "scale", str(tmp_path / "odd.yml"), str(tmp_path / "out.yml")]
    )
    assert (done.exit_code, done.stderr) == (
        2,
        f"firedrill: {tmp_path / 'odd.yml'}:3: no group; expected a name and a list of rules\n",
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n", "groups:\n"])
def test_a_file_without_rules_is_scaled_to_one_without(tmp_path, text):
    (tmp_path / "none.yml").write_text(text)
    done = CliRunner().invoke(
        main, ["alerts", "scale", str(tmp_path / "none.yml"), str(tmp_path / "out.yml")]
    )
    assert (done.exit_code, done.stderr) == (0, "0 durations could not become as short as asked\n")
    assert rule_file.read(tmp_path / "out.yml") == ()


def test_counts_are_singular_or_plural(tmp_path):
    (tmp_path / "r.yml").write_text(
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: 'rate(up[2m])'}\n"
    )
    words = [
        "alerts",
        "scale",
        "--factor",
        "60",
        str(tmp_path / "r.yml"),
        str(tmp_path / "out.yml"),
    ]
    assert (
        CliRunner()
        .invoke(main, words)
        .stderr.endswith("\n1 duration could not become as short as asked\n")
    )
    checked = CliRunner().invoke(
        main, ["alerts", "check", str(tmp_path / "r.yml"), str(tmp_path / "r.yml")]
    )
    assert checked.stderr == "0 errors, 0 warnings in 2 files\n"


@pytest.mark.parametrize("command", ["check", "backtest"])
def test_an_empty_run_name_is_an_error(tmp_path, command):
    (tmp_path / "r.yml").write_text("groups: []\n")
    done = CliRunner().invoke(
        main, ["alerts", command, str(tmp_path / "r.yml"), "--run", "", "--out", str(tmp_path)]
    )
    assert (done.exit_code, "an empty name" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("recorded", "replayed", "is_said"),
    [("3.16.0", "2.42.0+ds", True), ("2.55.1", "2.42.0", False), ("", "3.1.0", False)],
)
def test_a_run_of_another_prometheus_version_is_reported(recorded, replayed, is_said):
    assert (
        any(
            f"recorded by Prometheus {recorded}" in said
            for said in warnings.of_versions(recorded, replayed)
        )
        == is_said
    )


def test_what_a_stall_met_is_stored_after_it():
    """Nobody knows when it began: after the last sign of life before the first thing that was late."""
    found = stalls.stalls(
        [(2000, 5000), (2500, 5010), (9000, 9100)], [500, 1900, 5000, 5010, 8990, 9100]
    )
    assert found.spans == [(1900, 5010), (8990, 9100)]
    assert [found.settled(time_ms) for time_ms in (1800, 1881, 3000, 5009, 5011, 8985)] == [
        1820,
        5030,
        5030,
        5030,
        5031,
        9120,
    ]


def test_scrapes_and_evaluations_off_their_phase_were_late():
    assert stalls.late_scrapes([300, 1300, 2300, 5900, 6300, 7315]) == [(5300, 5900)]
    known = {1000: (1002, 1006), 2000: (2001, 2005), 5000: (5300, 5304), 6000: (6002, 6900)}
    assert stalls.late_evaluations([1000, 2000, 5000, 6000], 1000, known, 300) == [
        (3000, 5300),
        (6002, 6900),
    ]
    assert stalls.late_evaluations([1000, 3000], 1000, {}, 40) == [(2000, 3040)], (
        "nobody said when it began"
    )
    assert stalls.late_scrapes([]) == stalls.late_evaluations([], 1000, {}, 0) == []


def test_steps_that_a_stall_ended_together_are_asked_one_by_one():
    together = Worlds(
        1000, [ambiguity.Done(5030, 1010, "a", 900), ambiguity.Done(5030, 1100, "a", 950)], 250
    )
    assert (together.steps, together.readable, together.moments, together.is_in_order) == (
        [5030],
        1,
        [1000],
        False,
    )
    assert together.others == [frozenset({("a", 900)}), frozenset({("a", 950)})]


def test_an_evaluation_that_ended_amid_a_scrape_is_bounded_by_it():
    """Prometheus tells when the last one began and how long it took, and does not read both at once."""
    times = [0, 1000, 2000, 3000, 4000]
    took = {
        500: (1, 0.004),
        1500: (1001, 0.005),
        2500: (2001, 0.005),
        3500: (3001, 0.006),
        4500: (4001, 0.007),
    }
    readings = [Reading(scraped, scraped + 30, *said) for scraped, said in took.items()]
    found = evaluation_durations.read(times, readings, lambda time_ms: time_ms + 20)
    assert {time_ms: (one.ended_ms, one.likely_ms) for time_ms, one in found.items()} == {
        0: (5, 5),
        1000: (1006, 1006),
        2000: (
            2530,
            2006,
        ),  # So long took the one before: this one had not ended when that was read.
        3000: (3007, 3007),
        4000: (4008, 4008),
    }
    stalled = evaluation_durations.read(times, readings, lambda time_ms: time_ms + 600)
    assert [one.is_certain for one in stalled.values()] == [False] * 5, (
        "nor is what follows, where each may have waited for so long"
    )
    under_way = evaluation_durations.read(
        [0, 1000], [Reading(990, 1040, 1, 0.004)], lambda time_ms: time_ms + 20
    )
    assert under_way[0].ended_ms == 1040, "how long it took may be told of the next one"
    assert evaluation_durations.read([], [], int) == {}
