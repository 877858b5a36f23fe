"""Restarts of what is scraped are found, counted and told."""

from dataclasses import replace

import pytest

from firedrill.contract import Client, Server
from firedrill.drill.judge import notes
from firedrill.drill.measure import restarts
from firedrill.drill.measure.measurement import Measurement
from firedrill.drill.measure.run_queries import increase
from firedrill.profile import load_profile
from firedrill.prometheus.client import Sample, Series
from firedrill.record.figures import Restarts, Window
from firedrill.report.pages import sentences
from firedrill.report.run_facts import Facts
from tests.unit.healthy_run import HEALTHY, run_document

START_TIME = Client.PROCESS_START.name
ONE = {"job": "api", "instance": "a:1"}
OTHER = {"job": "api", "instance": "a:2"}
LOST = "what a process counted after its last scrape is lost, so its counts are too low"


class Recorded:
    """Answers queries for raw samples by the selector's name, and those for fallen counters."""

    def __init__(self, series, fallen=()):
        self._series = series
        self._fallen = fallen

    def raw(self, selector, start, end):
        return [
            Series(labels, tuple(point for point in points if start < point[0] <= end))
            for name, labels, points in self._series
            if name == selector.partition("{")[0]
        ]

    def instant(self, query, time):
        fallen = self._fallen if query.startswith("resets(") else ()
        return [
            Sample({**labels, "counter": name}, time, float(count))
            for labels, name, count in fallen
        ]

    def range(self, _query, _start, _end):
        return []

    def number(self, _query, _time):
        return None


def started(labels, *values):
    """The start time of a process, scraped once a second."""
    return START_TIME, labels, [(101.0 + at, value) for at, value in enumerate(values)]


def measured(series, fallen=()):
    prom, window = Recorded(series, fallen), Window(100.0, 110.0)
    return restarts.measure(prom, window, restarts.start_times(prom, window))


def remarks(found):
    document = run_document(figures=replace(HEALTHY, restarts=found))
    return {remark.code: remark.text for remark in notes.remarks(document)}


def test_a_process_that_does_not_restart_is_not_mentioned():
    # The second one's exporter computes the start time anew in each scrape.
    assert measured([started(ONE, 50, 50, 50), started(OTHER, 50, 51, 50, 50.4)]) == ()


def test_each_new_start_time_is_a_restart():
    (found,) = measured([started(ONE, 50, 50, 102, 102, 104)])
    assert found == Restarts("api", instances=1, restarted=1, restarts=2)
    assert remarks([found]) == {"process_restarted": f"the API's process restarted 2 times; {LOST}"}


def test_the_restarted_ones_of_several_processes_are_counted():
    other_job = {"job": "db", "instance": "b:1"}
    found = measured([started(ONE, 50, 50), started(OTHER, 50, 102), started(other_job, 9, 103)])
    assert [
        remark.text
        for remark in notes.remarks(run_document(figures=replace(HEALTHY, restarts=found)))
    ] == [
        f"1 of 2 processes of the API restarted, once in all; {LOST}",
        f"job db's process restarted once; {LOST}",
    ]


def test_a_counter_that_falls_without_a_start_time_is_named():
    (found,) = measured([], [(ONE, "a_total", 1), (ONE, "b_total", 3)])
    assert (found.restarts, found.counter_resets, found.counter) == (0, 3, "b_total")
    text = f"b_total of the API fell 3 times, so the counts began anew; {LOST}"
    assert remarks([found]) == {"counter_reset": text}


def test_a_restart_too_quick_for_start_times_shows_in_counters():
    (found,) = measured([started(ONE, 50, 102, 102.9)], [(ONE, "a_total", 2)])
    assert (found.restarts, found.counter_resets) == (2, 0)


def test_processes_that_answer_in_turn_did_not_restart():
    (found,) = measured([started(ONE, 50, 90, 50, 90)], [(ONE, "a_total", 2)])
    assert (found.restarts, found.counter_resets, found.mixed) == (0, 0, 1)
    assert set(remarks([found])) == {"processes_mixed"}


@pytest.mark.parametrize(
    ("known", "gain"),
    [((), 2 + 1), ((102.5,), 2 + 3), ((103.0,), 2 + 3), ((101.0,), 2 + 1)],
)
def test_a_count_begins_anew_where_its_process_restarted(known, gain):
    """Its new process had counted 3 by its first scrape, more than the 2 of the one before."""
    series = Series(ONE, ((100.0, 0.0), (101.0, 1.0), (102.0, 2.0), (103.0, 3.0)))
    assert increase(series, 100.0, known) == gain


def test_a_generator_that_restarted_before_the_judged_load_is_told():
    """Its new process begins a load, and so a window, of its own."""
    series = [started({"job": "locust", "instance": "x:1"}, 50, 103, 103)]
    for since, restarted in ((100.0, ["locust"]), (0.0, [])):
        figures = Measurement(
            prom=Recorded(series),
            profile=load_profile("simple"),
            run_id="run",
            window=Window(110.0, 120.0),
            knows_think_time=True,
            load_since=since,
        ).figures(())
        assert [job.job for job in figures.restarts] == restarted


def counts(*restarted, last_scrape=(111.0, 1.0)):
    """The counts of a run with a restarted process in each of these jobs."""
    series = [started({"job": job, "instance": "x:1"}, 50, 103) for job in restarted]
    series += [
        ("up", ONE, [(105.0, 1.0), last_scrape]),
        ("up", {"job": "locust"}, [(105.0, 1.0), (111.0, 0.0)]),
    ]
    finished = (Server.RUN_REQUESTS.name, ONE, [(100.0 + at, at) for at in range(5)])
    figures = Measurement(
        prom=Recorded([*series, finished]),
        profile=load_profile("simple"),
        run_id="run",
        window=Window(100.0, 110.0),
        knows_think_time=True,
    ).figures(())
    return figures.counts


def test_both_sides_are_comparable_unless_one_of_them_restarted():
    assert counts().comparable
    assert counts("db", "prometheus").comparable
    assert not counts("api").comparable
    assert not counts("locust").comparable


@pytest.mark.parametrize("last_scrape", [(111.0, 0.0), (109.0, 1.0)])
def test_an_api_that_was_not_scraped_after_the_load_is_not_comparable(last_scrape):
    assert not counts(last_scrape=last_scrape).comparable


@pytest.mark.parametrize("comparable", [True, False])
def test_the_report_does_not_compare_what_cannot_be_compared(comparable):
    changed = replace(HEALTHY.counts, comparable=comparable)
    document = run_document(figures=replace(HEALTHY, counts=changed))
    texts = [
        finding.meaning
        for finding in sentences.measurement_quality(Facts("run", document))
        if finding.name == "Requests counted"
    ]
    assert len(texts) == 1
    assert ("cannot be compared" in texts[0]) is not comparable
