"""Stalls of the machine are found by scrapes and evaluations that were late."""

from firedrill.alerts.replay import evaluation_durations, stalls
from firedrill.alerts.replay.evaluation_durations import Reading


def test_scrapes_during_a_stall_are_stored_after_it():
    """The start of a stall is unknown: it is taken from the last sign of life before it."""
    result = stalls.find_stalls(
        [(2000, 5000), (2500, 5010), (9000, 9100)], [500, 1900, 5000, 5010, 8990, 9100]
    )
    assert result.spans == [(1900, 5010), (8990, 9100)]
    assert [result.stored_by(time_ms) for time_ms in (1800, 1881, 3000, 5009, 5011, 8985)] == [
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


def test_an_evaluation_that_ended_amid_a_scrape_is_bounded_by_it():
    """Prometheus exports the start and the duration of the last evaluation.

    It does not read both at the same time.
    """
    times = [0, 1000, 2000, 3000, 4000]
    took = {
        500: (1, 0.004),
        1500: (1001, 0.005),
        2500: (2001, 0.005),
        3500: (3001, 0.006),
        4500: (4001, 0.007),
    }
    readings = [Reading(scraped, scraped + 30, *figures) for scraped, figures in took.items()]
    estimates = evaluation_durations.estimate(times, readings, lambda time_ms: time_ms + 20)
    assert {
        time_ms: (estimate.ended_ms, estimate.likely_ms) for time_ms, estimate in estimates.items()
    } == {
        0: (5, 5),
        1000: (1006, 1006),
        2000: (
            2530,
            2006,
        ),  # So long took the one before: this one had not ended when that was read.
        3000: (3007, 3007),
        4000: (4008, 4008),
    }
    stalled = evaluation_durations.estimate(times, readings, lambda time_ms: time_ms + 600)
    assert [estimate.is_certain for estimate in stalled.values()] == [False] * 5, (
        "nor is what follows, where each may have waited for so long"
    )
    under_way = evaluation_durations.estimate(
        [0, 1000], [Reading(990, 1040, 1, 0.004)], lambda time_ms: time_ms + 20
    )
    assert under_way[0].ended_ms == 1040, "how long it took may be told of the next one"
    assert evaluation_durations.estimate([], [], int) == {}
