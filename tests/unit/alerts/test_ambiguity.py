"""A replay marks the evaluations at which scrapes were in progress as ambiguous."""

from firedrill.alerts.replay import ambiguity
from firedrill.alerts.replay.alert_state import AlertStateMachine
from firedrill.alerts.replay.possible_orderings import PossibleOrderings
from tests.unit.alerts import rule_builders


def test_scrapes_in_progress_are_known_by_their_end():
    sources = [
        ambiguity.scrape_timing("a", {1000: 300, 2000: 20}, [320, 40]),
        ambiguity.scrape_timing("b", {1100: 10}, [30]),
    ]
    in_progress = [
        ambiguity.in_progress(time_ms, sources)
        for time_ms in (999, 1000, 1100, 1129, 1130, 1319, 1320, 2039)
    ]
    assert [[scrape.readable_from_ms for scrape in at] for at in in_progress] == [
        [], [1300], [1110, 1300], [1110, 1300], [1300], [1300], [], [2020],
    ]  # fmt: skip


def test_a_recorded_series_becomes_visible_during_its_evaluation():
    late = [ambiguity.recording_timing("a", [1000, 2000], [60, 25])]
    assert [ambiguity.in_progress(time_ms, late) for time_ms in (1059, 1060, 2024, 2025)] == [
        [(1060, 1000, "a", 1000)],
        [],
        [(2025, 2000, "a", 2000)],
        [],
    ]


def test_a_scrape_that_hung_may_still_be_under_way():
    (hung, following) = ambiguity.in_progress(
        2003, [ambiguity.scrape_timing("a", {1000: 1000, 2000: 191}, [1020, 211])]
    )
    assert (hung.key, hung.readable_by_ms, hung.readable_from_ms) == (("a", 1000), 2020, 2000)
    assert following.key == ("a", 2000)


def other_orders(*done, lag_ms=250):
    in_progress = sorted(ambiguity.InProgress(*fields, 1000) for fields in done)
    return {
        "".join(sorted(source for source, _ in keys))
        for keys in PossibleOrderings(1000, in_progress, lag_ms).other_orders
    }


def test_simultaneous_ends_become_visible_in_any_order():
    assert other_orders((1120, 1100, "a"), (1130, 1110, "b")) == {"b"}
    assert other_orders((1120, 1100, "a"), (1120, 1100, "b"), (1125, 1105, "c")) == {
        "a",
        "b",
        "c",
        "ac",
        "bc",
    }
    assert other_orders((1120, 1100, "a"), (1200, 1180, "b")) == set(), "b is not done before a"
    assert other_orders((1120, 1100, "a"), (1130, 1110, "b"), lag_ms=50) == set(), (
        "neither is done when the evaluation has ended"
    )


HOT, NOTHING = {(("i", "a"),): 1.0}, {}


def ambiguous(*seen, hold_ms=0, limit=0, labels=None):
    """The numbers of the ambiguous evaluations, which are a second apart."""
    rule = rule_builders.alert(hold_ms=hold_ms, labels=labels)
    times_ms = ambiguity.ambiguous_times(
        AlertStateMachine(rule, limit),
        [(number * 1000, vectors) for number, vectors in enumerate(seen)],
    )
    return sorted(time_ms // 1000 for time_ms in times_ms)


def test_an_evaluation_is_ambiguous_where_its_state_is_open():
    assert ambiguous([NOTHING], [NOTHING, HOT], [NOTHING], [HOT]) == [1]
    assert ambiguous([HOT], [HOT, {(("i", "a"),): 2.0}], [HOT]) == [], "the alert is the same"
    assert ambiguous([NOTHING], [NOTHING, HOT], [HOT], [HOT], [NOTHING], [HOT], hold_ms=1000) == [
        1,
        2,
    ], "active since one or two, and firing from three on either way"
    assert ambiguous([HOT], [None, NOTHING], [HOT], [NOTHING], [HOT]) == [2], (
        "failed, it would have kept its state"
    )


def test_two_elements_that_mean_one_alert_fail_the_evaluation():
    up, down = {(("__name__", "a"), ("i", "a")): 1.0}, {(("__name__", "b"), ("i", "a")): 1.0}
    assert ambiguous([up], [up, up | down], [up]) == [1], "failed, or written"
    assert ambiguous([NOTHING], [up | down, up], [up | down], [down]) == [1, 3], (
        "active since one or three, whichever element gives it"
    )
    assert ambiguous([up], [up, down], [up]) == [], "the alert is the same"


def test_alerts_counted_or_labelled_by_value_are_ambiguous_together():
    other = {(("i", "b"),): 1.0}
    assert ambiguous([HOT], [HOT, HOT | other], [HOT], limit=1) == [1], "forgotten, or not"
    assert ambiguous([HOT, {(("i", "a"),): 2.0}], [HOT], labels={"v": "{{ $value }}"}) == [0]


def test_steps_that_a_stall_joined_are_queried_separately():
    together = PossibleOrderings(
        1000,
        [ambiguity.InProgress(5030, 1010, "a", 900), ambiguity.InProgress(5030, 1100, "a", 950)],
        250,
    )
    assert (
        together.steps,
        together.possible_steps,
        together.query_times,
        together.is_in_order,
    ) == (
        [5030],
        1,
        [1000],
        False,
    )
    assert together.other_orders == [frozenset({("a", 900)}), frozenset({("a", 950)})]
