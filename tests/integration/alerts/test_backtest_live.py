"""The replay of a drill's own rules against what its Prometheus wrote while the drill lasted."""

import pytest

from firedrill.alerts.replay import evaluation_times
from firedrill.alerts.replay.environment import Bench
from firedrill.alerts.rules import rule_file
from firedrill.interrupt import Interrupt
from tests import replaying, run_json
from tests.replaying import NAMED, compare, loaded, named

HEALTHY_SECONDS = 25


@pytest.fixture(scope="module")
def page():
    yield from replaying.page()


@pytest.fixture(scope="module")
def run(tmp_path_factory, page):
    return replaying.drill(tmp_path_factory.mktemp("backtest"), page, HEALTHY_SECONDS)


def test_the_scorecard_agrees_with_the_alerts_written(run):
    """A machine that stalls may keep an alert from firing, or make one fire before its fault; the
    scorecard says which.
    """
    rows = [row for row in run_json.content(run)["scorecard"] if row["expected"] == "fault"]
    assert {row["alert"] for row in rows} == NAMED
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
    """(Unix time, state) of every sample of ALERTS, by the alert's name."""
    groups = [group for file in named(run, "api") for group in rule_file.read(file)]
    with Interrupt() as interrupt, Bench(run, groups, 1, None, interrupt) as bench:
        start, end = bench.span_ms
        found = {name: [] for name in NAMED}
        for series in bench.prom.raw("ALERTS", start / 1000 - 60, end / 1000 + 5):
            if series.labels["alertname"] in NAMED:
                found[series.labels["alertname"]] += [
                    (time, series.labels["alertstate"]) for time, _ in series.points
                ]
    return found


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
    """But at evaluations that were marked before, however slow the page, the evaluations and the
    machine are.
    """
    found = compare(run, named(run, *rules))
    assert found.ours | found.theirs
    assert not found.not_foretold


def test_alerts_on_their_own_group_are_never_ambiguous(run):
    """Nothing of what they read can be late, whatever the machine does."""
    found = compare(run, named(run, "restless"))
    assert found.ours == found.theirs
    assert found.ours
    assert not found.unsure


def test_groups_of_one_name_have_their_own_evaluations(run):
    groups = [
        group for file in loaded(run) for group in rule_file.read(file) if group.name == "theirs0"
    ]
    with Interrupt() as interrupt, Bench(run, groups, 1, None, interrupt) as bench:
        start, end = bench.span_ms[0] / 1000 - 60, bench.span_ms[1] / 1000 + 1
        marks = bench.prom.raw(f'{evaluation_times.MARK}{{group="theirs0"}}', start, end)
        written = {
            series.labels.get("file", ""): [round(time * 1000) for time, _ in series.points]
            for series in marks
        }
        found = [bench.timeline.recorded_times(group) for group in groups]
    assert found == [written[""], written["too"]]
    assert all(len(times) > 3 for times in found)
