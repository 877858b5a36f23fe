"""The replay of a drill's own rules, compared with what its Prometheus wrote meanwhile."""

import pytest

from firedrill.alerts.replay import evaluation_times
from firedrill.alerts.replay.environment import ReplayEnvironment
from firedrill.alerts.rules import rule_file
from firedrill.interrupt import Interrupt
from tests import replaying, run_json
from tests.replaying import FAULT_ALERTS, compare, rule_files, rule_files_named

HEALTHY_SECONDS = 25


@pytest.fixture(scope="module")
def page():
    yield from replaying.slow_endpoint()


@pytest.fixture(scope="module")
def run(tmp_path_factory, page):
    return replaying.drill(tmp_path_factory.mktemp("backtest"), page, HEALTHY_SECONDS)


def test_the_scorecard_agrees_with_the_alerts_written(run):
    """A machine that stalls may keep an alert from firing, or fire it before its fault; the
    scorecard says so.
    """
    rows = [row for row in run_json.content(run)["scorecard"] if row["expected"] == "fault"]
    assert {row["alert"] for row in rows} == FAULT_ALERTS
    begun = {
        name: fault["start"]
        for fault in run_json.content(run)["faults"]
        for name in fault["alerts"]
    }
    states = written_states(run)
    for row in rows:
        seen = [
            (time, state) for time, state in states[row["alert"]] if time >= begun[row["alert"]]
        ]
        before = [state for time, state in states[row["alert"]] if time < begun[row["alert"]]]
        if row["judgement"] == "detected":
            assert "firing" in {state for _, state in seen}, row
        elif row["judgement"] == "undecided":
            assert before or "firing" not in {state for _, state in seen}, row
        else:
            assert row["judgement"] == "missed", row
            assert "firing" not in {state for _, state in seen}, row


def written_states(run):
    """Return (Unix time, state) of every sample of ALERTS, by the alert's name."""
    groups = [group for file in rule_files_named(run, "api") for group in rule_file.read(file)]
    with (
        Interrupt() as interrupt,
        ReplayEnvironment(run, groups, 1, None, interrupt) as environment,
    ):
        start, end = environment.span_ms
        states = {name: [] for name in FAULT_ALERTS}
        for series in environment.prom.raw("ALERTS", start / 1000 - 60, end / 1000 + 5):
            if series.labels["alertname"] in FAULT_ALERTS:
                states[series.labels["alertname"]] += [
                    (time, series.labels["alertstate"]) for time, _ in series.points
                ]
    return states


def test_the_run_names_durations_that_were_too_short(run):
    (said,) = [
        remark["text"]
        for remark in run_json.content(run)["remarks"]
        if remark["code"] == "rules_kept_longer"
    ]
    assert (
        "durations in the alert rules stayed longer than 1/36 of production, "
        "so their alerts fire later: group budget: 15s is 1s here, not 417ms" in said
    )


@pytest.mark.parametrize("rules", [("api", "load", "recording"), ("scraped",), ("theirs",)])
def test_the_replay_writes_what_prometheus_wrote(run, rules):
    """The samples may differ only at ambiguous evaluations, however slow the machine is."""
    comparison = compare(run, rule_files_named(run, *rules))
    assert comparison.replayed | comparison.written
    assert not comparison.unmarked_differences


def test_alerts_on_their_own_group_are_never_ambiguous(run):
    """No sample that they read can be late, whatever the machine does."""
    comparison = compare(run, rule_files_named(run, "restless"))
    assert comparison.replayed == comparison.written
    assert comparison.replayed
    assert not comparison.marked


def test_groups_of_one_name_have_their_own_evaluations(run):
    groups = [
        group
        for file in rule_files(run)
        for group in rule_file.read(file)
        if group.name == "theirs0"
    ]
    with (
        Interrupt() as interrupt,
        ReplayEnvironment(run, groups, 1, None, interrupt) as environment,
    ):
        start, end = environment.span_ms[0] / 1000 - 60, environment.span_ms[1] / 1000 + 1
        marks = environment.prom.raw(
            f'{evaluation_times.EVALUATION_MARKER}{{group="theirs0"}}', start, end
        )
        written = {
            series.labels.get("file", ""): [round(time * 1000) for time, _ in series.points]
            for series in marks
        }
        times_by_group = [environment.timeline.recorded_times(group) for group in groups]
    assert times_by_group == [written[""], written["too"]]
    assert all(len(times) > 3 for times in times_by_group)
