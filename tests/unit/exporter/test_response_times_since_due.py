"""Response times since the due time are exported for all processes together."""

import itertools

from locust_exporter.counting.arrival_counts import ArrivalCounts
from locust_exporter.counting.sanitize import Endpoints
from locust_exporter.endpoint.metric_families import ResponseTimesSinceDue
from locust_exporter.endpoint.scrape import Scrape, Scraper
from locust_exporter.time_slice import TimeSlice

from tests.scraped_metrics import parse

COUNT, SUM = ("locust_response_time_from_schedule_seconds" + end for end in ("_count", "_sum"))


def answered(*names, seconds=0.1, max_names=200):
    arrivals = ArrivalCounts(max_names)
    for name in names:
        arrivals.count_answer("GET", name, seconds)
    return arrivals


def metrics_of(family, *processes, scrape=None, time_slice=None):
    return parse(
        family.render(
            [process.response_times for process in processes], scrape, time_slice or TimeSlice()
        )
    )


def test_answers_of_all_processes_add_up():
    family = ResponseTimesSinceDue(Endpoints(10).fold)
    first, second = answered("/", "/", '100 % "off"\n'), answered("/", seconds=3.0)
    metrics = metrics_of(family, first, second)
    assert metrics.value(COUNT, name="/") == 3
    assert metrics.value(SUM, name="/") == 3.2
    assert metrics.value(COUNT, name='100 % "off"\n') == 1
    second.count_answer("GET", "/", 70.0)
    metrics = metrics_of(family, first, second)
    buckets = {
        le: metrics.value(COUNT.replace("_count", "_bucket"), name="/", le=le)
        for le in ("0.1", "2.5", "5.0", "60.0", "+Inf")
    }
    assert buckets == {"0.1": 2, "2.5": 2, "5.0": 3, "60.0": 3, "+Inf": 4}


def test_nothing_answered_is_no_family():
    assert (
        ResponseTimesSinceDue(Endpoints(10).fold).render(
            [ArrivalCounts().response_times], None, TimeSlice()
        )
        == ""
    )


def test_the_cap_of_names_holds_for_all_workers_together():
    workers = [
        answered(*(f"/{worker}/{number}" for number in range(3)), max_names=2)
        for worker in ("first", "second")
    ]
    metrics = metrics_of(ResponseTimesSinceDue(Endpoints(2).fold), *workers)
    assert [metrics.value(COUNT, name=name) for name in ("/first/0", "/first/1", "other")] == [
        1,
        1,
        4,
    ]


def test_a_request_called_other_is_not_folded():
    worker = answered("other", "/", "/folded", "/folded/too", max_names=2)
    metrics = metrics_of(
        ResponseTimesSinceDue(Endpoints(10).fold), ArrivalCounts.from_message(worker.to_message())
    )
    assert [metrics.value(COUNT, name=name) for name in ("other~d9298a10", "/", "other")] == [
        1,
        1,
        2,
    ]


def test_each_series_is_zero_until_a_scrape_succeeded():
    family, scraper, answers = ResponseTimesSinceDue(Endpoints(10).fold), Scraper(), answered("/")
    lost, zero, full = (Scrape(scraper, timeout_seconds=10) for _ in range(3))
    assert metrics_of(family, answers, scrape=lost).value(COUNT) == 0
    assert metrics_of(family, answers, scrape=zero).value(COUNT) == 0
    zero.mark_delivered()
    assert metrics_of(family, answers, scrape=full).value(COUNT) == 1
    assert full.shows_all_values


def test_answers_during_a_long_scrape_are_in_the_next():
    """Every look at the clock is a millisecond later."""
    family, answers, pauses = (
        ResponseTimesSinceDue(Endpoints(1000).fold),
        answered(*(f"/{number}" for number in range(200)), max_names=1000),
        [],
    )

    def others():
        pauses.append(1)
        answers.count_answer("GET", f"/new/{len(pauses)}", 0.1)

    clock = itertools.count(0.0, 0.001)
    assert (
        metrics_of(family, answers, time_slice=TimeSlice(others, lambda: next(clock))).total(COUNT)
        >= 200
    )
    assert len(pauses) > 20
    assert metrics_of(family, answers).total(COUNT) == 200 + len(pauses)
