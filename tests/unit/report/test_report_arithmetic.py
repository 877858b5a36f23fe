"""A report computes its axes, comparisons and sentences."""

from dataclasses import replace

import numpy as np
import pytest

from firedrill.drill.play.request import Request
from firedrill.profile import Step
from firedrill.prometheus.client import Sample
from firedrill.prometheus.overlay import RecordedRun
from firedrill.record.run_document import RunDocument
from firedrill.report.charts import axes
from firedrill.report.charts.series_style import StyledSeries, largest, smallest, styled_lines
from firedrill.report.pages import comparison_page, run_page, sentences
from firedrill.report.panels import legend_text
from firedrill.report.recorded_series import (
    AlertSpan,
    Line,
    Recording,
    Span,
    _Reader,
)
from firedrill.report.run_facts import FIGURES, Facts
from firedrill.stack.plan import Server
from tests.unit.healthy_run import PROFILE
from tests.unit.report.healthy_facts import facts

NOTHING = Facts("run", RunDocument())


def recording(seconds=60, step=1.0, gaps=()):
    times = np.arange(seconds / step + 1, dtype=np.float32) * np.float32(step)
    return Recording(
        run_id="run", times=times, step_seconds=step, lines={}, gaps=gaps, alerts=(), endpoints=()
    )


def compared_runs(*rates):
    runs = [(facts(figures={"client": {"rate": rate}}), None) for rate in rates]
    return {
        name: cells for _, name, cells in comparison_page._rows(comparison_page.compared_runs(runs))
    }


@pytest.mark.parametrize(
    ("scale", "between", "ends"),
    [
        ("linear", (0.0, 100.0), (0.0, 106.0)),
        ("linear", (0.0, 0.0), (0.0, 1.0)),
        ("full", (0.1, 0.4), (0.0, 1.02)),
        ("full", (0.1, 1.5), (0.0, 1.5)),
        ("log", (0.05, 50.0), (0.01, 70.0)),
    ],
)
def test_an_axis_holds_its_values(scale, between, ends):
    assert axes.bounds(scale, *between) == pytest.approx(ends)


def test_a_logarithmic_axis_has_round_ticks():
    assert list(axes.round_ticks(0.01, 0.6)) == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
    assert list(axes.round_ticks(0.01, 60)) == pytest.approx([0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30])


def test_empty_series_have_a_smallest_and_a_largest_value():
    drawn = [StyledSeries(Line("a", np.array([np.nan, np.nan], dtype=np.float32)), "#000000", "s")]
    assert (smallest(drawn), largest(drawn)) == (1.0, 0.0)


def test_a_legend_takes_its_labels_from_the_series():
    assert (
        legend_text("{{resource}} of {{ job }}", {"resource": "workers", "job": "api"})
        == "workers of api"
    )
    assert legend_text("{{gone}}", {}) == ""


@pytest.mark.parametrize(
    ("before", "after", "ratio", "worse"),
    [
        (100.0, 100.2, "=", False),
        (100.0, 50.0, "−50 %", True),
        (100.0, 95.0, "−5 %", False),
        (100.0, 250.0, "×2.5", False),
        (1.0, 1500.0, "×1500", False),
        (None, 50.0, "", False),
        (50.0, None, "", False),
    ],
)
def test_a_figure_is_compared_with_the_first_run(before, after, ratio, worse):
    (_, cell) = compared_runs(before, after)["achieved"]
    assert (cell.ratio, cell.worse) == (ratio, worse)


@pytest.mark.parametrize(
    ("path", "values", "worse"),
    [
        ("client.latency_seconds.p99", (0.002, 0.006), False),
        ("client.latency_seconds.p99", (0.02, 0.03), True),
        ("client.error_ratio", (0.0, 0.0005), False),
        ("honesty.in_flight_max", (3.0, 6.0), False),
        ("honesty.in_flight_max", (30.0, 60.0), True),
        ("honesty.starved_max", (0.0, 1.0), True),
    ],
)
def test_differences_by_chance_are_not_worse(path, values, worse):
    figure = next(candidate for candidate in FIGURES if candidate.path == f"figures.{path}")
    assert comparison_page._cell(figure, *values, "").worse is worse


def test_runs_of_different_loads_are_not_comparable():
    same, other = (
        facts(),
        facts(profile=replace(PROFILE, think_time_seconds=(9.0, 9.0))),
    )
    warning = "did not play the same load"
    assert warning not in comparison_page.render_comparison(
        comparison_page.compared_runs([(same, None), (same, None)])
    )
    assert warning in comparison_page.render_comparison(
        comparison_page.compared_runs([(same, None), (other, None)])
    )


def test_any_error_is_worse_than_none():
    runs = [(facts(figures={"client": {"error_ratio": ratio}}), None) for ratio in (0.0, 0.02, 0.0)]
    cells = {
        name: cells
        for section, name, cells in comparison_page._rows(comparison_page.compared_runs(runs))
        if section == "Errors"
    }["client"]
    assert [cell.worse for cell in cells] == [False, True, False]


def test_an_empty_document_has_no_figures():
    assert (NOTHING.status, NOTHING.profile, NOTHING.server, NOTHING.started) == (
        "UNKNOWN",
        "an unknown profile",
        "an unknown server",
        "at an unknown time",
    )
    assert {cell.value for cell in sentences.headline_figures(NOTHING)} == {"–"}
    assert [statement.figure for statement in sentences.measurement_quality(NOTHING)] == ["–"] * 9
    assert sentences.saturation_sentence(NOTHING).startswith("No limit of the server is known")
    assert NOTHING.version_warning


def test_a_run_of_an_instant_has_an_axis_of_time():
    assert recording(seconds=0).seconds == 1.0


def test_a_scrape_gap_is_a_warning():
    warnings = sentences.warnings(facts(), recording(3600, step=3.0, gaps=(Span(10, 70),)))
    assert any("from 0:10 to 1:10" in warning for warning in warnings)
    assert not any("a point every" in warning for warning in warnings)


def test_the_resolution_of_charts_is_stated_beside_them():
    assert sentences.resolution(recording(3600, step=3.0)).startswith(
        "The charts have a point every 3 s"
    )
    assert sentences.resolution(recording(60)) == sentences.resolution(None) == ""


def test_times_are_rounded_and_long_ones_in_minutes():
    assert (sentences.clock(18.7), sentences.clock(59.6)) == ("0:19", "1:00")
    assert (sentences.duration(85.4), sentences.duration(3600.2)) == ("85 s", "60:00 min")


def test_unknown_values_are_words():
    cells = {
        cell.name: cell.note
        for cell in sentences.headline_figures(facts(figures={"client": {"rate": 14.0}}))
    }
    assert cells["achieved"] == "offered: not known"
    counted = next(
        finding
        for finding in sentences.measurement_quality(
            facts(figures={"counts": {"client_requests": 3.0}})
        )
        if finding.name == "Requests counted"
    )
    assert counted.meaning.endswith(" The server does not count them.")


def test_an_objective_has_a_level_and_no_maximum():
    (drawn,) = styled_lines([Line("SLO", np.array([np.nan, 1, 1, 1], dtype=np.float32))], "s")
    assert drawn.legend_value == "1.0 s"


SEEN = AlertSpan("A", "firing", Span(10, 40))


@pytest.mark.parametrize(
    ("alert", "fired"),
    [
        ({"firings": [[10.0, 18.0], [20.0, 40.0]]}, [Span(10, 18), Span(20, 40)]),
        ({"firings": [[10.0, 18.0], ["damaged"], [20.0, None]]}, [Span(10, 18)]),
        ({}, [SEEN.span]),
    ],
    ids=[
        "twice, as the scorecard says",
        "what is damaged is left out",
        "an older run.json does not tell",
    ],
)
def test_timeline_and_scorecard_agree_when_an_alert_fires(alert, fired):
    whole = {
        "name": "A",
        "severity": "warning",
        "labels": {},
        "pending_after_seconds": 5.0,
        "firing_after_seconds": 10.0,
        "firing_seconds": 28.0,
    }
    pending = AlertSpan("A", "pending", Span(5, 10))
    seen = replace(recording(), alerts=(pending, SEEN))
    spans = run_page._alert_spans(facts(figures={"alerts": [{**whole, **alert}]}), seen)
    assert pending in spans
    assert [span.span for span in spans if span.state == "firing"] == fired


class OneRequest:
    """Answers every query with one request."""

    def instant(self, _query, _time):
        return [Sample({"method": "GET", "name": "/", "le": "0.1"}, 115.0, 1.0)]


def test_a_load_of_no_length_has_no_rate():
    (endpoint,) = _Reader(
        OneRequest(), RecordedRun(id="run", data=None, start=100.0, end=100.0)
    )._endpoints()
    assert (endpoint.requests, endpoint.rate) == (1, None)


def arrivals(**counts):
    return {"offered": 20.0, "started": 7.0, "lateness_p99_seconds": None, **counts}


def test_dropped_arrivals_may_have_lost_their_worker():
    (dropped,) = [
        finding
        for finding in sentences.measurement_quality(
            facts(figures={"arrivals": arrivals(unsent=3)})
        )
        if finding.name == "Dropped arrivals"
    ]
    assert "no user was free in time, or their worker was lost" in dropped.meaning


def test_the_report_names_the_load_generator(tmp_path):
    file = tmp_path / "mine.py"
    file.write_bytes(b"users\n")
    made = Request(
        profile=PROFILE,
        source="launch",
        out=tmp_path,
        server=Server(),
        locustfile=file,
        workers=2,
        docker=True,
    ).generator()
    shown = dict(run_page._environment(facts(generator=made)))
    assert (shown["locustfile"], shown["workers"], shown["in containers"]) == (
        "mine.py",
        "2",
        "yes",
    )
    assert (
        shown["locustfile's sha256"]
        == "b564f6e197166aedb0ae56e953f87798fda346e9322da5588b21c1b8e7b3a4b4"
    )
    bundled = Request(profile=PROFILE, source="launch", out=tmp_path, server=Server()).generator()
    assert dict(run_page._environment(facts(generator=bundled)))["locustfile"] == "the bundled one"
    assert dict(run_page._environment(facts()))["locustfile"] == "–"


def test_a_step_is_its_users_or_its_arrivals():
    of_users, of_arrivals = (
        facts(),
        facts(profile=replace(PROFILE, steps=(Step(0, 9, 9, 50.0), Step(5, 9, 9)))),
    )
    assert sentences.step_load(of_users, {"index": 0, "users": 200}) == "200 users"
    assert sentences.step_load(of_users, {"index": 7, "users": 1}) == "1 user"
    assert sentences.step_load(of_arrivals, {"index": 0, "users": 300}) == "50 arrivals/s"


def test_only_an_open_loop_shows_dropped_arrivals():
    assert "Dropped arrivals" not in {
        finding.name for finding in sentences.measurement_quality(facts())
    }
    dropping = facts(figures={"arrivals": arrivals(unsent=3)})
    assert next(
        finding
        for finding in sentences.measurement_quality(dropping)
        if finding.name == "Dropped arrivals"
    ).bad
    waiting = {
        finding.name: finding
        for finding in sentences.measurement_quality(
            facts(figures={"arrivals": arrivals(unsent=0, left=12)})
        )
    }
    assert (
        waiting["Dropped arrivals"].bad,
        waiting["Backlog at end"].figure,
        waiting["Backlog at end"].bad,
    ) == (False, "12", True)


def test_a_percentile_with_waiting_requests_is_a_lower_bound():
    path = "figures.client.latency_including_waiting_seconds"
    hung = facts(
        figures={
            "client": {
                "latency_including_waiting_seconds": {"p50": 0.1, "p99": 24.2},
                "at_least": ["p99"],
            }
        }
    )
    assert (hung.time(f"{path}.p50"), hung.time(f"{path}.p99")) == ("100 ms", "> 24.2 s")
    assert sentences.headline_figures(hung)[0].value == "> 24.2 s"
    assert [figure.text(hung) for figure in FIGURES if figure.path == f"{path}.p99"] == ["> 24.2 s"]
    assert (
        facts(
            figures={"client": {"latency_including_waiting_seconds": {"p99": 24.2}, "at_least": 3}}
        ).time(f"{path}.p99")
        == "24.2 s"
    )


def test_the_first_saturated_resource_is_named_with_its_time():
    assert sentences.first_saturated(facts()) == ("none", "nearest: workers, 40 %", False)
    spent = facts(
        figures={"saturation": {"ran_out_first": "connections", "ran_out_after_seconds": 15.2}}
    )
    assert sentences.first_saturated(spent) == ("connections", "15 s into the load", True)
    assert sentences.saturation_sentence(spent).startswith(
        "Connections saturated first, 15 s into the load"
    )
