"""The state machine handles failed evaluations, limits and start-up, which promtool cannot show."""

from firedrill.alerts.replay.alert_state import (
    UNWRITTEN_AFTER_START,
    AlertStateMachine,
    State,
    episodes,
)
from tests.unit.alerts.rule_builders import alert

A, B = (("i", "a"),), (("i", "b"),)


def states(machine, *evaluations):
    """The states of the written alerts of each evaluation; None where nothing is written."""
    written = (machine.evaluate(time_ms, vector) for time_ms, vector in evaluations)
    return [
        None if alerts is None else [instance.state for instance in alerts.values()]
        for alerts in written
    ]


def test_a_failed_evaluation_keeps_the_state():
    result = states(
        AlertStateMachine(alert(hold_ms=2000)), (0, {A: 1}), (1000, None), (2000, {A: 1})
    )
    assert result == [[State.PENDING], None, [State.FIRING]]


def test_duplicate_alerts_fail_the_evaluation():
    machine = AlertStateMachine(alert(labels={"i": "same"}))
    assert states(machine, (0, {A: 1}), (1000, {A: 1, B: 1}), (2000, {A: 1})) == [
        [State.FIRING],
        None,
        [State.FIRING],
    ]


def test_more_alerts_than_the_limit_clear_the_state():
    result = states(
        AlertStateMachine(alert(hold_ms=1000), limit=1),
        (0, {A: 1}),
        (1000, {A: 1, B: 1}),
        (2000, {A: 1}),
        (3000, {A: 1}),
    )
    assert result == [[State.PENDING], None, [State.PENDING], [State.FIRING]]


def test_a_hold_counts_time_and_not_evaluations():
    assert states(AlertStateMachine(alert(hold_ms=5000)), (0, {A: 1}), (9000, {A: 1})) == [
        [State.PENDING],
        [State.FIRING],
    ]


def test_state_after_start_up_is_kept_but_not_written():
    machine = AlertStateMachine(alert(hold_ms=1000), unwritten=UNWRITTEN_AFTER_START)
    assert states(machine, (0, {A: 1}), (1000, {A: 1}), (2000, {A: 1})) == [[], [], [State.FIRING]]
    failing = AlertStateMachine(alert(), unwritten=UNWRITTEN_AFTER_START)
    assert states(failing, (0, None), (1000, {A: 1}), (2000, {A: 1})) == [None, [], [State.FIRING]]


def test_keep_firing_for_ends_after_its_time():
    (episode,) = episodes(
        AlertStateMachine(alert(keep_ms=2000)), [(0, {A: 1}), (1000, {}), (2000, {}), (3000, {})]
    )
    assert (episode.pending_ms, episode.firing_ms, episode.resolved_ms) == (None, 0, 3000)


def test_exceeding_the_limit_ends_an_alert_but_failing_does_not():
    several = {A: 1, B: 1}
    (forgotten,) = episodes(
        AlertStateMachine(alert(), limit=1), [(0, {A: 1}), (1000, several), (2000, several)]
    )
    assert (forgotten.firing_ms, forgotten.resolved_ms) == (0, 1000)
    (kept,) = episodes(
        AlertStateMachine(alert(), limit=1), [(0, {A: 1}), (1000, None), (2000, None)]
    )
    assert (kept.firing_ms, kept.resolved_ms) == (0, None)


def test_a_value_in_a_label_makes_another_alert_each_time():
    result = episodes(
        AlertStateMachine(alert(hold_ms=1000, labels={"v": "{{ $value }}"})),
        [(t, {A: t + 0.5}) for t in range(0, 4000, 1000)],
    )
    assert [episode.firing_ms for episode in result] == [None] * 4
