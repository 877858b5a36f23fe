"""The text format: what prometheus_client's parser reads is what was rendered."""

from hypothesis import given
from hypothesis import strategies as st

from firedrill.contract import counter, gauge, histogram
from firedrill.telemetry.exposition import render
from tests.scraping import parse

HITS = counter("hits_total", "Hits.", "path")
DEPTH = gauge("depth", "Depth.")
WAITS = histogram("wait_seconds", "Waits.", ("path",), bounds=(0.25, 1.0, 10.0))


def page(samples):
    return parse(render((HITS, DEPTH, WAITS), samples).decode())


def test_buckets_add_up_and_their_bounds_are_spelled_as_the_contract_does():
    seen = page({"wait_seconds": [(("/",), [1.0, 2.0, 0.0, 4.0, 99.5])]})
    buckets = {labels["le"]: value for name, labels, value in seen.samples if name == "wait_seconds_bucket"}
    assert buckets == {"0.25": 1.0, "1.0": 3.0, "10.0": 3.0, "+Inf": 7.0}
    assert seen.value("wait_seconds_count", path="/") == 7.0
    assert seen.value("wait_seconds_sum", path="/") == 99.5


def test_a_family_without_a_sample_is_absent():
    assert render((HITS, DEPTH), {"depth": [((), [0.0])]}) == b"# HELP depth Depth.\n# TYPE depth gauge\ndepth 0.0\n"


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=20))
def test_any_label_survives(path):
    assert page({"hits_total": [((path,), [3.0])]}).value("hits_total", path=path) == 3.0


@given(st.floats(min_value=0, max_value=1e18))
def test_no_digit_of_a_value_is_lost(value):
    assert page({"depth": [((), [value])]}).value("depth") == value
