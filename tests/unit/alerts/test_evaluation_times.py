"""A replay finds the evaluation times of a group, and splits them into queries."""

from firedrill.alerts.replay import evaluation_times


def test_a_grid_lies_on_whole_intervals():
    assert evaluation_times.regular_times(1_001, 46_000, 15_000) == [15_000, 30_000, 45_000]


def test_missed_evaluations_do_not_split_a_query_but_phases_do():
    assert list(evaluation_times.query_spans([7, 1007, 4007, 5007, 5507, 6507], 1000)) == [
        (7, 5007),
        (5507, 6507),
    ]


def test_no_query_asks_for_more_points_than_prometheus_returns():
    times = list(range(0, 25_000_000, 1000))
    parts = list(evaluation_times.query_spans(times, 1000))
    assert [(last - first) // 1000 + 1 for first, last in parts] == [11_000, 11_000, 3_000]
    assert list(evaluation_times.query_spans([], 1000)) == []


def test_recorded_evaluations_have_an_interval_despite_gaps():
    assert evaluation_times.has_interval([0, 1000, 2000, 7000, 8000], 1000)
    assert not evaluation_times.has_interval([0, 1000, 2000], 1250)
    assert not evaluation_times.has_interval([5], 1000)


def test_a_group_without_a_marker_keeps_the_phase_of_its_samples():
    assert evaluation_times.common_phase([1300, 2300, 7300], 1000) == 300
    assert evaluation_times.common_phase([1300, 2400], 1000) is None
    assert evaluation_times.common_phase([], 1000) is None
    assert evaluation_times.regular_times(1000, 3500, 1000, 300) == [1300, 2300, 3300]
