"""Figures have readable units."""

import pytest

from firedrill import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0694, "69 ms"),
        (0.9999, "1000 ms"),
        (1.36, "1.4 s"),
        (24.2, "24 s"),
        (0.0004, "0 ms"),
    ],
)
def test_seconds_have_a_fitting_unit(value, text):
    assert units.seconds(value) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.057, 0.0964, 0.125), "57 / 96.4 / 125 ms"),
        ((0.591, 0.92, 49.7), "591 / 920 ms / 49.7 s"),
        ((0.0072, None, 0.2), "7.2 / – / 200 ms"),
        ((None, None), "–"),
    ],
)
def test_each_time_has_its_unit_and_three_digits(values, text):
    assert units.together(values) == text


def test_a_lower_bound_of_a_time_is_marked():
    assert units.together((0.591, 0.92, 49.7), lower_bounds=[1, 2]) == "591 / >920 ms / >49.7 s"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (0.003, "0.3 %"),
        (0.00004, "0.004 %"),
        (0.5, "50 %"),
        (1.02, "102 %"),
    ],
)
def test_a_small_share_is_never_shown_as_zero(ratio, text):
    assert units.percent(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (4_560, "4.6 kB"), (456_000, "456 kB"), (3e12, "3000 GB")],
)
def test_sizes_have_a_fitting_unit(value, text):
    assert units.size(value) == text
