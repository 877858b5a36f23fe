"""Quantiles and shares of cumulative histograms."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill import histogram
from firedrill.contract import LATENCY_BOUNDS_SECONDS

BOUNDS = (*LATENCY_BOUNDS_SECONDS, math.inf)


def buckets_of(seconds):
    return {bound: float(sum(value <= bound for value in seconds)) for bound in BOUNDS}


def test_an_empty_histogram_has_no_quantile():
    assert histogram.quantile(0.99, {}) is None
    assert histogram.quantile(0.99, dict.fromkeys(BOUNDS, 0.0)) is None


def test_an_empty_histogram_has_no_slow_share():
    assert histogram.share_above(0.25, {}) is None
    assert histogram.share_above(0.25, dict.fromkeys(BOUNDS, 0.0)) is None


@given(
    st.lists(st.floats(1e-4, 600), min_size=1, max_size=200),
    st.sampled_from(list(histogram.QUANTILES.values())),
)
def test_a_quantile_is_within_three_percent(seconds, q):
    true = sorted(seconds)[math.ceil(q * len(seconds) - 1e-9) - 1]
    assert abs(histogram.quantile(q, buckets_of(seconds)) / true - 1) <= 0.03


@given(st.lists(st.floats(1e-4, 600), min_size=1, max_size=50))
def test_statistics_agree_with_each_other(seconds):
    found = histogram.statistics(buckets_of(seconds))
    assert found.pop("p99.9") is None, "too few requests"
    assert all(value <= found["max"] * 1.0000001 for value in found.values())
    assert abs(found["max"] / max(seconds) - 1) <= 0.03
    assert abs(found["mean"] / (sum(seconds) / len(seconds)) - 1) <= 0.03


def test_the_last_permille_needs_a_thousand_requests():
    assert histogram.statistics(buckets_of([0.1] * 999 + [2.0]))["p99.9"] is not None
    assert histogram.statistics(buckets_of([0.1] * 999))["p99.9"] is None


def test_a_standard_error_tells_how_far_chance_goes():
    """The mean of 10,000 normal times with a deviation of 0.1 s has one of 1 ms."""
    draw = random.Random(1)
    times = [draw.gauss(0.5, 0.1) for _ in range(10_000)]
    errors = histogram.standard_errors(buckets_of(times))
    assert errors["mean"] == pytest.approx(0.001, rel=0.1)
    assert histogram.standard_errors(buckets_of([0.3] * 100))["p99"] == 0
    assert histogram.standard_errors({}) == {}


def test_a_count_between_two_bounds_is_interpolated():
    assert histogram.count_within(0.15, {0.1: 4.0, 0.2: 8.0, math.inf: 8.0}) == pytest.approx(6.0)
    assert histogram.count_within(0.1, {0.1: 4.0, 0.2: 8.0, math.inf: 8.0}) == 4.0
    assert histogram.count_within(5.0, {0.1: 4.0, math.inf: 8.0}) == 4.0


def test_a_quantile_is_linear_inside_a_wide_bucket():
    assert histogram.quantile(0.5, {0.1: 0.0, 0.2: 10.0, math.inf: 10.0}) == 0.15000000000000002


def test_an_observation_above_every_bound_counts_as_the_last_bound():
    assert histogram.quantile(0.99, {0.1: 0.0, 60.0: 0.0, math.inf: 5.0}) == 60.0


@given(
    st.lists(st.floats(0.001, 59), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(seconds, q):
    true = sorted(seconds)[math.ceil(q * len(seconds) - 1e-9) - 1]
    estimate = histogram.quantile(q, buckets_of(seconds))
    upper = next(bound for bound in BOUNDS if true <= bound)
    lower = max((bound for bound in BOUNDS if bound < upper), default=0.0)
    assert lower <= estimate <= upper


@given(st.lists(st.floats(0.001, 100), min_size=1), st.sampled_from(LATENCY_BOUNDS_SECONDS))
def test_the_share_above_a_bound_is_exact(seconds, bound):
    slower = sum(value > bound for value in seconds)
    assert round(histogram.share_above(bound, buckets_of(seconds)) * len(seconds)) == slower


@given(st.lists(st.floats(0.001, 100)), st.lists(st.floats(0.001, 100)))
def test_merged_histograms_count_every_observation(some, others):
    assert histogram.merged(buckets_of(some), buckets_of(others)) == buckets_of(some + others)
