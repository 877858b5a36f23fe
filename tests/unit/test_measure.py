"""Counting from raw samples: exact, whatever the counter did meanwhile."""

import pytest

from firedrill.drill.figures import Window
from firedrill.drill.measure import increase, judged
from firedrill.prom import Series


@pytest.mark.parametrize(
    ("points", "gained"),
    [
        ([(8, 5.0), (9, 5.0), (11, 9.0), (12, 12.0)], 7.0),
        ([(11, 4.0), (12, 6.0)], 6.0),
        ([(9, 5.0), (11, 8.0), (12, 2.0), (13, 3.0)], 6.0),
        ([(9, 5.0)], 0.0),
    ],
    ids=["since the last sample before", "from zero where it is new", "anew where the process started anew", "nothing since"],
)
def test_what_a_counter_gained_since_a_time(points, gained):
    assert increase(Series({}, tuple(points)), since=10) == gained


def test_the_warm_up_is_not_judged_unless_there_is_nothing_else():
    assert judged(Window(100, 160), warmup_seconds=30) == Window(130, 160)
    assert judged(Window(100, 115), warmup_seconds=30) == Window(100, 115)
