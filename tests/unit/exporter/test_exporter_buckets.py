"""A response time that Locust rounds stays in its bucket."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st
from locust_exporter.counting.locust_statistics import BucketIndex, bucket_key

from firedrill.contract import LATENCY_BOUNDS_SECONDS

microseconds = st.integers(0, 100_000_000) | st.sampled_from(
    [round(bound * 1e6) for bound in LATENCY_BOUNDS_SECONDS]
)


@given(microseconds, st.sampled_from((-1, 0, 1)))
def test_rounding_moves_no_time_into_another_bucket(time, beside):
    milliseconds = max(time + beside, 0) / 1000
    bounds = [bound * 1000 for bound in LATENCY_BOUNDS_SECONDS]
    assert BucketIndex()[bucket_key(milliseconds)] == bisect_left(bounds, milliseconds)


@given(st.floats(0.1, 600_000))
def test_a_counted_time_is_within_three_percent(milliseconds):
    assert abs(bucket_key(milliseconds) / milliseconds - 1) <= 0.03
