"""prometheus_client's parsers read back what the text format and OpenMetrics render."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)

from firedrill.contract import counter, gauge, histogram
from firedrill.exposition import Exemplar, render, render_openmetrics
from firedrill.telemetry.metrics_process import FAMILIES
from firedrill.telemetry.shared_cells import width
from tests.scraped_metrics import parse

HITS = counter("hits_total", "Hits.", "path")
DEPTH = gauge("depth", "Depth.")
WAITS = histogram("wait_seconds", "Waits.", ("path",), bounds=(0.25, 1.0, 10.0))


def metrics(samples):
    return parse(render((HITS, DEPTH, WAITS), samples).decode())


def test_buckets_add_up_and_have_the_bounds_of_the_contract():
    seen = metrics({"wait_seconds": [(("/",), [1.0, 2.0, 0.0, 4.0, 99.5])]})
    buckets = {
        labels["le"]: value for name, labels, value in seen.samples if name == "wait_seconds_bucket"
    }
    assert buckets == {"0.25": 1.0, "1.0": 3.0, "10.0": 3.0, "+Inf": 7.0}
    assert seen.value("wait_seconds_count", path="/") == 7.0
    assert seen.value("wait_seconds_sum", path="/") == 99.5


def test_a_family_without_a_sample_is_absent():
    assert (
        render((HITS, DEPTH), {"depth": [((), [0.0])]})
        == b"# HELP depth Depth.\n# TYPE depth gauge\ndepth 0.0\n"
    )


@given(
    st.text(
        st.characters(
            exclude_categories=("Cs",), exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
        ),
        max_size=20,
    )
)
def test_any_label_survives(path):
    assert metrics({"hits_total": [((path,), [3.0])]}).value("hits_total", path=path) == 3.0


@given(st.floats(min_value=0, max_value=1e18))
def test_no_digit_of_a_value_is_lost(value):
    assert metrics({"depth": [((), [value])]}).value("depth") == value


def test_openmetrics_and_text_format_agree_on_every_family():
    samples = {
        metric.name: [
            (
                tuple(f'{name} {number} "of"\\\n' for name in metric.labels),
                [2.0 + number] * width(metric),
            )
        ]
        for number, metric in enumerate(FAMILIES)
    }
    text = render_openmetrics(FAMILIES, samples, {}).decode()
    theirs = [
        (sample.name, sample.labels, sample.value)
        for family in openmetrics_families(text)
        for sample in family.samples
    ]
    assert theirs == list(parse(render(FAMILIES, samples).decode()).samples)
    assert {name for name, _, _ in theirs} == {
        name for metric in FAMILIES for name in metric.series_names()
    }


def test_an_exemplar_stands_at_its_bucket():
    marks = {("wait_seconds", ("/",)): [None, Exemplar("ab" * 16, 0.5, 1700000000.25), None, None]}
    text = render_openmetrics(
        (WAITS,), {"wait_seconds": [(("/",), [1.0, 2.0, 0.0, 4.0, 99.5])]}, marks
    ).decode()
    assert (
        'wait_seconds_bucket{path="/",le="1.0"} 3.0'
        f' # {{trace_id="{"ab" * 16}"}} 0.5 1700000000.250\n' in text
    )
    assert text.count(" # ") == 1
