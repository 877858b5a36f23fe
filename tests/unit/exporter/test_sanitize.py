"""Values reported by a Locust client are cleaned before they are exported."""

from fractions import Fraction
from math import inf, nan

import pytest
from locust_exporter.counting import sanitize


@pytest.mark.parametrize("time", [0, 0.0, 0.4, 7, 1e15, True, Fraction(1, 2)])
def test_a_time_is_kept(time):
    assert sanitize.milliseconds(time) == time


@pytest.mark.parametrize(
    "nothing", [None, -1, -0.1, nan, inf, -inf, "12", b"12", 2**70, 1.1e15, [], object()]
)
def test_impossible_times_and_lengths_are_none(nothing):
    assert sanitize.milliseconds(nothing) is None
    assert sanitize.length(nothing) == 0


@pytest.mark.parametrize(
    ("given", "length"), [(0, 0), (7, 7), (10**15, 10**15), (1.9, 1), (True, 1)]
)
def test_a_length_is_whole_bytes(given, length):
    assert sanitize.length(given) == length
    assert type(sanitize.length(given)) is int


@pytest.mark.parametrize(
    ("given", "text"),
    [(None, None), ("/", "/"), ("ü", "ü"), (7, "7"), (("a",), "('a',)"), ("\udc80", r"\udc80")],
)
def test_a_name_becomes_encodable_text(given, text):
    assert sanitize.text(given) == text
    assert (sanitize.text(given) or "").encode() is not None


def test_logged_requests_have_valid_values():
    logged = []
    sanitize.sanitized_log_request(lambda *request: logged.append(request))(
        "stats", None, 7, nan, -1
    )
    sanitize.sanitized_log_error(lambda *request: logged.append(request))(
        "stats", "GET", 7, "error"
    )
    assert logged == [("stats", None, "7", None, 0), ("stats", "GET", "7", "error")]
