"""The dashboards follow the rules of Grafana's dashboard linters."""

import json
import re

import pytest

from firedrill import places
from firedrill.alerts.rules import expression
from grafana.source import alert_lab_panels, golden_signals_panels
from grafana.source.__main__ import DASHBOARDS, built
from grafana.source.dashboard_layout import TAG, TITLES, panels_in, uid
from grafana.source.panel_style import GREY
from tests import dashboards

FILES = dashboards.FILES
WITHOUT_JOB = {
    golden_signals_panels.SLO_LATENCY: "one objective for all jobs",
    golden_signals_panels.SLO_ERRORS: "one objective for all jobs",
}
AS_THE_RULES = {
    query.expr
    for content in (
        alert_lab_panels.STATES,
        alert_lab_panels.ACTIVE_STATES,
        alert_lab_panels.ACTIVE,
        alert_lab_panels.ERROR_BURN,
        alert_lab_panels.LATENCY_BURN,
    )
    for query in content.queries
} | {query.expr for content in alert_lab_panels.AGAINST_LIMITS for query in content.queries}
"""An alert reads all jobs and instances, whatever is chosen, over windows of its own."""
LOGARITHMIC = "nothing is filled: an area over decades measures nothing"


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def page(request):
    return json.loads(request.param.read_text())


UNITS = {"s", "reqps", "cps", "percentunit", "bytes", "short", "suffix: cores", "none"}
"""Units that panels may use: Grafana's own, and cores. `none` is for panels that show a word, or
columns of several units.
"""


def targets(page):
    return [(panel, target) for panel in panels_in(page) for target in panel["targets"]]


def test_the_committed_files_are_what_the_code_builds():
    assert {file.stem for file in FILES} == set(DASHBOARDS)
    for file in FILES:
        assert file.read_text() == built(file.stem), (
            "run `make dashboards` and commit what it builds"
        )


def test_a_dashboard_is_read_only_and_has_schema_42(page):
    assert page["editable"] is False
    assert page["schemaVersion"] == 42
    assert page["uid"] in {uid(name) for name in DASHBOARDS}
    assert "__inputs" not in page


def test_every_dashboard_shows_the_time_scale(page):
    """Every dashboard shows alerts, and the time scale divides their windows and their `for`."""
    (panel,) = (panel for panel in panels_in(page) if panel["title"] == "Time scale")
    assert "firedrill_time_scale" in panel["targets"][0]["expr"]


def test_its_variables_choose_datasource_job_instance_and_run(page):
    variables = {variable["name"]: variable for variable in page["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["datasource"]["current"]["value"] == "firedrill-prometheus"
    for name in ("job", "instance", "run"):
        variable = variables[name]
        assert variable["datasource"]["uid"] == "${datasource}"
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (
            True,
            True,
            golden_signals_panels.ALL_SELECTED[f"${name}"],
        )
        assert variable["refresh"] == 2, "looked up anew when the time range changes"
        assert re.fullmatch(r"label_values\(.*, ?\w+\)", variable["query"])


def test_every_panel_asks_a_question_and_has_a_unit(page):
    ids = [panel["id"] for panel in panels_in(page)]
    assert len(ids) == len(set(ids))
    assert len({panel["title"] for panel in panels_in(page)}) == len(ids)
    for panel in panels_in(page):
        assert panel["title"]
        assert "?" in panel["description"] or panel["description"].startswith("The same"), panel[
            "title"
        ]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"]


def test_every_query_selects_the_chosen_jobs_instances_and_runs(page):
    for panel, target in targets(page):
        expr = target["expr"]
        assert 'unless on (run) locust_test_info{run_id!~"$run"}' in expr, panel["title"]
        if expr not in {*WITHOUT_JOB, *AS_THE_RULES}:
            assert 'job=~"$job"' in expr, panel["title"]
            assert 'instance=~"$instance"' in expr, panel["title"]


def test_counters_are_rated_and_rates_follow_the_resolution(page):
    for panel, target in targets(page):
        # A tile or a table sums up the whole time shown, once; whatever has a time axis follows
        # its resolution.
        function, allowed = (
            ("increase", "$__range")
            if panel["type"] in {"table", "stat"}
            else ("rate", "$__rate_interval")
        )
        assert panel["type"] != "table" or (target["instant"] and not target["range"])
        for window in re.findall(r"\[([^\]]+)\]", target["expr"]):
            assert window == allowed or target["expr"] in AS_THE_RULES, panel["title"]
        if target.get("exemplar"):
            continue  # It gives exemplars, and no counts.
        for counter in re.findall(r"\b\w+(?:_total|_count|_sum|_bucket)\{", target["expr"]):
            either = "rate|increase" if target["expr"] in AS_THE_RULES else function
            assert re.search(rf"(?:{either})\({re.escape(counter)}", target["expr"]), panel["title"]


def test_exemplars_are_asked_for_without_their_buckets(page):
    """Grafana also asks for the series, and buckets are many."""
    for panel, target in targets(page):
        if target.get("exemplar"):
            assert panel["type"] == "heatmap"
            assert re.fullmatch(r"\w+_bucket\{[^}]*\} < 0 unless .*", target["expr"])


def test_sums_keep_each_run_apart(page):
    """Otherwise two overlaid runs would look like one."""
    for panel, target in targets(page):
        if panel["type"] != "heatmap":
            expr = target["expr"]
            assert re.findall(r"\b(?:sum|max|min|bottomk|topk) by\b", expr) == [
                f"{word} by"
                for word in re.findall(r"\b(sum|max|min|bottomk|topk) by \(run\b", expr)
            ], expr
            assert not re.search(r"\b(?:sum|max|min) \(", expr), expr
            assert target["legendFormat"].endswith("{{run}}"), panel["title"]


def test_queries_that_pick_series_are_instant(page):
    """Over a range, every series that was ever among the first would be shown."""
    picking = [target for _, target in targets(page) if re.search(r"(top|bottom)k", target["expr"])]
    assert all(target["instant"] and not target["range"] for target in picking)


def test_tiles_ask_once_for_the_end_of_the_time_shown(page):
    """The last value of a range stays long after its source has ended."""
    for panel, target in targets(page):
        if panel["type"] == "stat":
            assert target["instant"], panel["title"]


def test_tiles_that_nobody_measured_are_grey_and_say_why(page):
    for panel in panels_in(page):
        if panel["type"] == "stat":
            unknown = panel["fieldConfig"]["defaults"]["mappings"][-1]
            assert unknown["options"]["match"] == "null+nan"
            assert unknown["options"]["result"]["color"] == GREY
            assert (
                unknown["options"]["result"]["text"] == panel["fieldConfig"]["defaults"]["noValue"]
            ), panel["title"]


def test_tiles_show_the_worst_of_a_run_that_has_ended(page):
    """A tile of the last second calls a run healthy that had failed before."""
    of_a_moment = {"Time scale", "Last scrape", "Firing / pending now"}
    for panel in panels_in(page):
        if panel["type"] == "stat" and panel["title"] not in of_a_moment:
            whole = [target for target in panel["targets"] if "[$__range]" in target["expr"]]
            assert whole, panel["title"]


def test_label_columns_of_tables_are_text(page):
    """A run called 051606 is no number."""
    for panel in panels_in(page):
        if panel["type"] == "table":
            units = {
                override["matcher"]["options"]: override["properties"][0]["value"]
                for override in panel["fieldConfig"]["overrides"]
            }
            assert units["run"] == "string", panel["title"]


def test_a_page_is_at_most_1800_pixels_high(page):
    """Grafana draws 38 px for a unit of the grid, and collapsed sections take one each."""
    end = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in page["panels"])
    assert end * 38 <= 1800


def test_a_first_screen_asks_at_most_forty_queries(page):
    first = [panel for panel in page["panels"] if panel["type"] != "row"]
    on_screen = [panel for panel in first if panel["gridPos"]["y"] * 38 < 800]
    assert sum(len(panel["targets"]) for panel in on_screen) <= 40


def test_lines_connect_the_values_without_smoothing(page):
    for panel in panels_in(page):
        if panel["type"] == "timeseries":
            drawn = panel["fieldConfig"]["defaults"]["custom"]
            assert (drawn["lineWidth"], drawn["showPoints"], drawn["lineInterpolation"]) == (
                2,
                "never",
                "linear",
            )
            assert drawn["fillOpacity"] in (
                (0,) if drawn.get("scaleDistribution", {}).get("type") == "log" else (10, 30)
            ), LOGARITHMIC
            assert "stacking" not in drawn, "a stack of two runs shows what neither had"
            assert panel["options"]["tooltip"] == {"mode": "multi", "sort": "desc"}


def test_a_dashboard_links_to_all_others_with_time_and_variables(page):
    assert page["tags"] == [TAG]
    assert [(link["title"], link["url"]) for link in page["links"]] == [
        (title, f"/d/{uid(name)}") for name, title in TITLES.items()
    ]
    assert all(link["keepTime"] and link["includeVars"] for link in page["links"])
    for panel in panels_in(page):
        for link in panel.get("links", ()):
            assert re.fullmatch(
                r"/d/([\w-]+)\?\$\{__url_time_range\}&\$\{__all_variables\}", link["url"]
            )[1] in {uid(name) for name in DASHBOARDS}


def test_steps_faults_and_alerts_are_annotations_outside_menus(page):
    marks = {mark["name"]: mark for mark in page["annotations"]["list"]}
    assert {"Load steps", "Faults", "Alerts"} <= set(marks)
    assert all(mark["enable"] and mark["step"] == "1s" for mark in marks.values() if "expr" in mark)
    assert not [entry for entry in [*marks.values(), *page["links"]] if "placement" in entry]


def test_panels_fill_the_grid_and_do_not_overlap(page):
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in page["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23


def test_a_panel_that_can_be_empty_says_why(page):
    """Nobody understands the answer `No data`."""
    for panel in panels_in(page):
        queries = [dashboards.QUERIES[target["expr"]] for target in panel["targets"]]
        if all(query.empty_when_healthy or query.requires for query in queries) or panel[
            "type"
        ] in {"stat", "table"}:
            assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_status_codes_have_their_colours():
    pages = [json.loads(file.read_text()) for file in FILES]
    stacked = [
        panel
        for page in pages
        for panel in panels_in(page)
        if panel["title"].startswith("Responses by status")
    ]
    assert len(stacked) == 2
    for panel in stacked:
        colors = {
            override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
            for override in panel["fieldConfig"]["overrides"]
        }
        wanted = {"2..": "#7EB26D", "3..": "#6ED0E0", "4..": "#EF843C", "5..": "#E24D42"}
        assert {
            code: color
            for pattern, color in colors.items()
            for code in wanted
            if f"({code})" in pattern
        } == wanted


def test_the_first_screen_holds_the_strip_and_two_rows():
    page = json.loads((places.GRAFANA / "dashboards" / "golden-signals.json").read_text())
    first = [
        panel for panel in page["panels"] if panel["gridPos"]["y"] + panel["gridPos"]["h"] <= 16
    ]
    assert [panel["title"] for panel in first[9:]] == [
        "Traffic",
        "Latency",
        "Saturation",
        "Measurement quality",
    ]
    assert all(panel["type"] == "stat" for panel in first[:9])
    assert {panel["gridPos"]["y"] for panel in first} == {0, 3, 6, 11}


def test_ratios_to_limits_have_an_axis_up_to_100_percent():
    titles = {
        "Saturation",
        "Headroom over time",
        "Pressure",
        "CPU of the load generator",
    }
    for page in (json.loads(file.read_text()) for file in FILES):
        for panel in panels_in(page):
            if panel["title"] in titles and panel["type"] != "stat":
                drawn = panel["fieldConfig"]["defaults"]
                ends = drawn["min"], drawn["custom"]["axisSoftMax"]
                assert (drawn["unit"], *ends) == ("percentunit", 0, 1), panel["title"]
                assert "max" not in drawn, "Grafana keeps to the softer of two"


def test_the_alert_lab_shows_every_alert_with_its_durations():
    lab = json.loads((places.GRAFANA / "dashboards" / "alert-lab.json").read_text())
    (timeline,) = [panel for panel in panels_in(lab) if panel["title"] == "All alerts"]
    shown = [target["legendFormat"].split(",")[0] for target in timeline["targets"]]
    assert shown == [
        *(alert.rule.name for alert in alert_lab_panels.alerts()),
        "{{alertname}} {{severity}} {{run}}",
    ]
    compared = {
        alert.title
        for alert in alert_lab_panels.alerts()
        if expression.comparisons(alert.rule.expr)
    }
    assert compared == {panel["title"].partition(":")[0] for panel in panels_in(lab)} & {
        alert.title for alert in alert_lab_panels.alerts()
    }
    read = {
        name
        for panel, target in targets(lab)
        for name in re.findall(r"\$\{(\w+)\}ms", target["expr"])
    }
    hidden = {
        variable["name"]: variable
        for variable in lab["templating"]["list"]
        if "query_result" in str(variable["query"])
    }
    assert read <= set(hidden)
    assert all(
        variable["query"].startswith("query_result(") and variable["refresh"] == 2
        for variable in hidden.values()
    )
