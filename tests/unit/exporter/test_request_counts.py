"""Counts never fall, whatever Locust clears and whenever a report arrives."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust_exporter.counting.locust_statistics import UnreportedRequests, bucket_key
from locust_exporter.endpoint.request_counts import RequestCounts
from locust_exporter.endpoint.scrape import Scrape, Scraper
from locust_exporter.profile_info import ProfileInfo, announce
from locust_exporter.time_slice import TimeSlice

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, Client, format_bound
from tests.scraped_metrics import parse


@dataclass
class Entry:
    """An endpoint as Locust counts it; importing Locust would patch the interpreter."""

    num_requests: int = 0
    num_failures: int = 0
    num_none_requests: int = 0
    total_response_time: float = 0.0
    total_content_length: int = 0
    response_times: Counter[float] = field(default_factory=Counter)


class Statistics:
    """An endpoint whose requests all time out, and its errors."""

    def __init__(self):
        self.entries = {}
        self.errors = {}

    def log(self, times=1, name="/"):
        entry = self.entries.setdefault((name, "GET"), Entry())
        entry.num_requests += times
        entry.num_failures += times
        entry.response_times[12.0] += times
        error = SimpleNamespace(
            method="GET",
            name=name,
            error="TimeoutError('late')",
            occurrences=entry.num_failures,
            parse_error=str,
        )
        self.errors[name] = error

    def clear(self):
        self.entries.clear()
        self.errors.clear()


@pytest.fixture
def stats():
    return Statistics()


def counted(counts, stats, scrape=None):
    metrics = parse(counts.render(stats.entries, stats.errors, scrape))
    return metrics.total("locust_requests_total"), metrics.total(
        "locust_request_errors_total", error="timeout"
    )


def test_counts_kept_before_a_clear_are_counted_once(stats):
    counts = RequestCounts(10)
    for seen in (3, 6, 9):
        stats.log(3)
        assert counted(counts, stats) == (seen, seen)
        counts.keep_entries(stats.entries)
        counts.keep_errors(stats.errors)
        stats.clear()
        assert counted(counts, stats) == (seen, seen)


def test_unreported_counts_of_a_worker_join_their_endpoint(stats):
    counts, worker = RequestCounts(10), Statistics()
    stats.log(2)
    worker.log(3)
    assert counted(counts, stats) == (2, 2)
    counts.add(
        UnreportedRequests.from_message(UnreportedRequests.from_statistics(worker).to_message())
    )
    assert counted(counts, stats) == (5, 5)
    stats.log()
    assert counted(counts, stats) == (6, 6)


def test_each_scraper_sees_a_series_begin_at_zero(stats):
    counts = RequestCounts(10)
    stats.log()
    for scraper in (Scraper(), Scraper()):
        for _ in range(2):
            scrape = Scrape(scraper, timeout_seconds=10)
            assert counted(counts, stats, scrape) == (0, 0)
            assert not scrape.shows_all_values
        assert scrape.mark_delivered()
        again = Scrape(scraper, timeout_seconds=10)
        assert counted(counts, stats, again) == (1, 1)
        assert again.shows_all_values


def test_totals_leave_out_what_the_profile_excludes(stats):
    announce(ProfileInfo(is_excluded=lambda _method, name: name == "/login"))
    try:
        counts = RequestCounts(max_names=9)
        stats.log(5)
        stats.log(2, name="/login")
        metrics = parse(counts.render(stats.entries, stats.errors))
    finally:
        announce(ProfileInfo())
    assert metrics.total("locust_requests_total") == 7
    assert metrics.value("locust_all_requests_total") == 5
    assert metrics.value("locust_all_request_failures_total") == 5
    assert metrics.value("locust_all_request_duration_seconds_count") == 5


def test_names_beyond_the_cap_are_excluded_by_their_own_name(stats):
    announce(ProfileInfo(is_excluded=lambda _method, name: name.startswith("/tx")))
    try:
        counts = RequestCounts(max_names=1)
        for name in ("/first", "/tx/1", "/second", "/tx/2"):
            stats.log(2, name=name)
        metrics = parse(counts.render(stats.entries, stats.errors))
    finally:
        announce(ProfileInfo())
    assert metrics.value("locust_requests_total", method="GET", name="other") == 6
    assert metrics.value("locust_all_requests_total") == 4


def test_latency_by_endpoint_leaves_out_the_warm_up(stats):
    counts = RequestCounts(max_names=9)
    stats.log(5)
    counts.render(stats.entries, stats.errors)
    counts.begin_judging()
    assert counts.render_latency(TimeSlice()) == ""
    stats.entries["/", "GET"].response_times[bucket_key(300)] += 3
    stats.entries["/", "GET"].num_requests += 3
    stats.entries["/", "GET"].total_response_time += 900
    counts.render(stats.entries, stats.errors)
    latency = parse(counts.render_latency(TimeSlice()))
    labels = {"method": "GET", "name": "/"}
    for statistic in ("p50", "p99", "mean", "max"):
        value = latency.value(Client.ENDPOINT_LATENCY.name, statistic=statistic, **labels)
        assert value == pytest.approx(0.3, rel=0.03)
    whole = parse(counts.render_latency(TimeSlice(), with_warmup=True))
    assert whole.value(Client.ENDPOINT_LATENCY.name, statistic="p50", **labels) < 0.013


def test_names_with_equal_text_are_one_series(stats):
    stats.log(1, 12)
    stats.log(2, "12")
    metrics = parse(RequestCounts(10).render(stats.entries, {}))
    assert metrics.value("locust_requests_total", name="12") == 3


def test_a_request_called_other_is_not_folded(stats):
    for name in ("/", "other", "/folded"):
        stats.log(1, name)
    counts = RequestCounts(2)
    metrics = parse(counts.render(stats.entries, {}))
    names = {
        labels["name"] for name, labels, _ in metrics.samples if name == "locust_requests_total"
    }
    assert names == {"/", "other~d9298a10", "other"}
    assert counts.endpoints.names.folded == 1


def test_methods_by_the_thousand_are_folded_and_none_is_lost():
    entries = {("/", f"call {number}"): Entry(num_requests=1) for number in range(1000)}
    metrics = parse(RequestCounts(10).render(entries, {}))
    assert len(metrics.values("locust_requests_total")) == 31
    assert metrics.value("locust_requests_total", method="call 29") == 1
    assert metrics.value("locust_requests_total", method="other") == 970


NAMES = ("/", "100 % off", "%s%d", 'a "quote"', "back\\slash\n", "{le}", "ü")


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 90_000), st.booleans()), max_size=80),
    st.sampled_from((2, 5, 1000)),
)
def test_scraped_counts_match_the_log_despite_clearing(requests, every):
    """Locust forgets what was kept, and goes on with new entries."""
    counts, stats = RequestCounts(10), Statistics()
    for number, (name, milliseconds, cleared) in enumerate(requests):
        entry = stats.entries.setdefault((name, "GET"), Entry())
        entry.num_requests += 1
        entry.total_response_time += milliseconds
        entry.total_content_length += 7
        entry.response_times[bucket_key(milliseconds)] += 1
        if number % every == 0:
            counts.render(stats.entries, {})
        if cleared and number % every == 1:
            counts.keep_entries(stats.entries)
            stats.clear()
    metrics = parse(counts.render(stats.entries, {}))
    for name in {name for name, _, _ in requests}:
        times = [milliseconds for own, milliseconds, _ in requests if own == name]
        assert metrics.value("locust_request_duration_seconds_sum", name=name) == pytest.approx(
            sum(times) / 1000
        )
        assert metrics.value("locust_requests_total", name=name) == len(times)
        assert metrics.value("locust_response_body_bytes_total", name=name) == 7 * len(times)
        for le in ENDPOINT_BOUNDS_SECONDS:
            bucket = metrics.value(
                "locust_request_duration_seconds_bucket", name=name, le=format_bound(le)
            )
            assert bucket == sum(milliseconds <= le * 1000 for milliseconds in times), le


def test_a_sum_never_falls_however_little_it_gains(stats):
    counts, seen = RequestCounts(10), []
    entry = stats.entries["/", "GET"] = Entry()
    for number in range(300):
        entry.num_requests += 1
        entry.total_response_time += 0.1 if number % 3 else 1e-12
        entry.response_times[0.1] += 1
        seen.append(
            parse(counts.render(stats.entries, {})).value("locust_request_duration_seconds_sum")
        )
        if number % 50 == 49:
            counts.keep_entries(stats.entries)
            entry = stats.entries["/", "GET"] = Entry()
    assert seen == sorted(seen)


def test_a_clear_during_a_long_scrape_is_counted_once(stats):
    """Every look at the clock is a millisecond later."""
    names, counts = [f"/{number}" for number in range(400)], RequestCounts(1000)
    pauses = []

    def others():
        pauses.append(len(pauses))
        if len(pauses) == 2:
            counts.keep_entries(stats.entries)
            counts.keep_errors(stats.errors)
            stats.entries, stats.errors = {}, {}
            stats.log(1, "/399")

    for _ in range(2):
        for name in names:
            stats.log(3, name)
        clock = itertools.count(0.0, 0.001)
        counts.render(
            stats.entries, stats.errors, None, TimeSlice(others, lambda clock=clock: next(clock))
        )
    assert len(pauses) > 10
    assert counted(counts, stats) == (2 * 3 * 400 + 1,) * 2


def test_only_new_errors_are_parsed(stats):
    read = []

    def parse_error(error):
        read.append(error)
        return error

    for number in range(5000):
        text = f"ValueError({number})"
        stats.errors[number] = SimpleNamespace(
            method="GET", name="/", error=text, occurrences=1, parse_error=parse_error
        )
    counts = RequestCounts(10)
    counts.render({}, stats.errors)
    stats.errors[7].occurrences += 2
    assert parse(counts.render({}, stats.errors)).values("locust_request_errors_total") == [5002]
    assert len(read) == 5000
