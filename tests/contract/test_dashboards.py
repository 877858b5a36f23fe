"""The dashboards keep the rules that the linters of the field have, each exception with its reason."""

import json
import re

import pytest

from firedrill import places
from grafana.source.__main__ import DASHBOARDS, built

FILES = sorted((places.GRAFANA / "dashboards").glob("*.json"))
WITHOUT_JOB = {
    "api:slo_latency:seconds": "one objective for all jobs",
    "api:slo_errors:ratio": "one objective for all jobs",
}


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def page(request):
    return json.loads(request.param.read_text())


def targets(page):
    return [(panel, target) for panel in page["panels"] for target in panel["targets"]]


def test_the_committed_files_are_what_the_code_builds():
    assert {file.stem for file in FILES} == set(DASHBOARDS)
    for file in FILES:
        assert file.read_text() == built(file.stem), "run `make dashboards` and commit what it builds"


def test_it_cannot_be_edited_and_loads_in_grafana_12_and_13(page):
    assert page["editable"] is False
    assert page["schemaVersion"] == 42
    assert page["uid"].startswith("firedrill-")
    assert "__inputs" not in page


def test_its_variables_choose_datasource_job_and_instance(page):
    variables = {variable["name"]: variable for variable in page["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    for name in ("job", "instance"):
        variable = variables[name]
        assert variable["datasource"]["uid"] == "${datasource}"
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
        assert variable["refresh"] == 2, "looked up anew when the time range changes"
        assert re.fullmatch(r"label_values\(.*, ?\w+\)", variable["query"])


def test_every_panel_asks_a_question_and_has_a_unit(page):
    ids = [panel["id"] for panel in page["panels"]]
    assert ids == list(range(1, len(ids) + 1))
    for panel in page["panels"]:
        assert panel["title"]
        assert "?" in panel["description"] or panel["description"].startswith("The same"), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"]


def test_every_query_selects_the_chosen_jobs_and_instances(page):
    for panel, target in targets(page):
        expr = target["expr"]
        if expr not in WITHOUT_JOB:
            assert 'job=~"$job"' in expr, panel["title"]
            assert 'instance=~"$instance"' in expr, panel["title"]


def test_counters_are_rated_and_rates_follow_the_resolution(page):
    for panel, target in targets(page):
        assert "increase(" not in target["expr"], panel["title"]
        for window in re.findall(r"\[([^\]]+)\]", target["expr"]):
            assert window == "$__rate_interval", panel["title"]
        for counter in re.findall(r"\b\w+(?:_total|_count|_sum|_bucket)\{", target["expr"]):
            assert f"rate({counter}" in target["expr"], panel["title"]


def test_what_picks_series_is_asked_once(page):
    """Over a range, every series that was ever among the first would be shown as if it still were."""
    picking = [target for _, target in targets(page) if "topk" in target["expr"]]
    assert picking
    assert all(target["instant"] and not target["range"] for target in picking)


def test_lines_are_drawn_as_they_are(page):
    for panel in page["panels"]:
        if panel["type"] == "timeseries":
            drawn = panel["fieldConfig"]["defaults"]["custom"]
            assert (drawn["lineWidth"], drawn["showPoints"], drawn["lineInterpolation"]) == (2, "never", "linear")
            assert panel["options"]["tooltip"] == {"mode": "multi", "sort": "desc"}


def test_the_first_screen_of_the_home_page_holds_the_strip_and_two_rows():
    page = json.loads((places.GRAFANA / "dashboards" / "golden-signals.json").read_text())
    first = [panel for panel in page["panels"] if panel["gridPos"]["y"] + panel["gridPos"]["h"] <= 20]
    assert [panel["title"] for panel in first[8:]] == ["Traffic", "Latency", "Saturation", "Honest test?"]
    assert all(panel["type"] == "stat" for panel in first[:8])
    assert {panel["gridPos"]["y"] for panel in first} == {0, 4, 12}


def test_ratios_to_limits_stand_on_an_axis_from_0_to_100_percent():
    page = json.loads((places.GRAFANA / "dashboards" / "golden-signals.json").read_text())
    saturation = next(panel for panel in page["panels"] if panel["title"] == "Saturation")["fieldConfig"]["defaults"]
    assert (saturation["unit"], saturation["min"], saturation["max"]) == ("percentunit", 0, 1)
