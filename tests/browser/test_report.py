"""The report in a real browser: offline, at two sizes, in two colour schemes, printed, and with
hostile names in it.
"""

import csv
import itertools
import json
import re

import pytest

from firedrill.report.panels import PANELS
from tests import run_json
from tests.browser.conftest import DESKTOP, PHONE
from tests.waiting import poll_until

FIGURES = """() => {
    const column = (source, name) => source.data.get?.(name) ?? source.data[name];
    const isList = (value) => value?.length && typeof value !== "string";
    const finite = (values) => [...values]
        .flatMap((value) => isList(value) ? [...value] : [value])
        .filter(Number.isFinite).length;
    const drawn = ({name, glyph, data_source}) => {
        const {field} = glyph.y2 ?? glyph.image ?? glyph.y;
        return {name, finite: finite(column(data_source, field))};
    };
    return Bokeh.documents[0].roots().map((plot) =>
        plot.renderers.filter(({name}) => name !== "mark").map(drawn));
}"""
"""The renderers of each figure, except its marks, with the number of values that each draws."""

TICKS = """() => [...Bokeh.documents[0]._all_models.values()]
    .find(({type}) => type === "AdaptiveTicker").desired_num_ticks"""
PAINTED = """() => [...Bokeh.documents[0]._all_models.values()]
    .find(({type}) => type === "LinearAxis").major_label_text_color
    === getComputedStyle(document.documentElement).getPropertyValue("--muted").trim()"""

CONTRAST = """() => {
    const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const linear = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => [r, g, b].map((c) => linear(c / 255))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = channels(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const ratio = (ink, ground) => {
        const [high, low] = [luminance(ink), luminance(ground)].sort((a, b) => b - a);
        return (high + 0.05) / (low + 0.05);
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const text = texts.currentNode.textContent.trim();
        const isCode = /SCRIPT|STYLE/.test(element.tagName);
        if (!text || !element.checkVisibility() || isCode) continue;
        const ink = channels(getComputedStyle(element).color);
        found.push([text.slice(0, 40), ratio(ink, behind(element))]);
    }
    const probe = document.body.appendChild(document.createElement("i"));
    for (const model of globalThis.Bokeh?.documents[0]?._all_models.values() ?? []) {
        const written = model.tags?.includes("ink") ? model.text_color?.value : null;
        const color = /Axis$/.test(model.type) ? model.major_label_text_color : written;
        if (!color) continue;
        probe.style.color = color;
        const ink = channels(getComputedStyle(probe).color);
        found.push([model.type, ratio(ink, behind(document.body))]);
    }
    probe.remove();
    return found;
}"""


@pytest.fixture(scope="module")
def file(recorded):
    return recorded.folder / "report.html"


@pytest.fixture(scope="module")
def page(opened, file):
    """Open the report on a desktop, for several tests to look at."""
    with opened(file) as page:
        yield page


@pytest.fixture(scope="module")
def comparison(opened, page_of):
    """Open a comparison of the run with itself."""
    with opened(page_of(runs=2)) as page:
        yield page


def test_report_opens_offline_without_errors_or_requests(page, file):
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("data:", "blob:"))] == [
        file.as_uri()
    ]
    assert file.stat().st_size < 3_000_000


def test_every_chart_draws_values(page):
    figures = page.run(FIGURES)
    empty = page.page.locator(".chart .empty").count()
    always = [panel for panel in PANELS if not panel.optional]
    assert len(figures) + empty == 1 + len(always), (
        "the timeline, and each panel of the home page; the loop is closed"
    )
    for renderers in figures:
        assert (
            max(
                mark["finite"]
                for mark in renderers
                if mark["name"] not in {"ground", "load", "faults", "notes"}
            )
            > 0
        ), renderers
    assert sum(len(renderers) for renderers in figures) > 25


def test_all_charts_share_one_time_axis(page):
    ranges = page.run(
        "() => new Set(Bokeh.documents[0].roots().map((plot) => plot.x_range.id)).size"
    )
    whole = page.run("() => Bokeh.documents[0].roots()[0].x_range.end")
    page.run("() => { Bokeh.documents[0].roots()[0].x_range.end = 5 }")
    ends = page.run("() => Bokeh.documents[0].roots().map((plot) => plot.x_range.end)")
    page.run(f"() => {{ Bokeh.documents[0].roots()[0].x_range.end = {whole} }}")
    assert ranges == 1
    assert set(ends) == {5}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_verdict_and_reasons_are_above_the_fold(opened, file, size):
    with opened(file, size) as page:
        assert page.page.locator(".badge").inner_text() == "INVALID"
        assert (
            "the load generator was not scraped for" in page.page.locator(".reasons").inner_text()
        )
        boxes = [page.page.locator(name).bounding_box() for name in (".badge", ".reasons")]
        assert all(box["y"] + box["height"] < size[1] for box in boxes), boxes
        assert page.run("() => document.documentElement.scrollWidth <= innerWidth"), (
            "nothing sticks out to the side"
        )
        assert page.run(TICKS) == (3 if size == PHONE else 7), (
            "so that times do not run into each other"
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(comparison, page, scheme):
    """WCAG AA asks for 4.5 to 1, also after the reader's colour scheme changes on an open page."""
    for opened in (page, comparison):
        opened.page.emulate_media(color_scheme=scheme)
        opened.page.wait_for_function(PAINTED)
        ratios = opened.run(CONTRAST)
        dark = (
            opened.run("() => getComputedStyle(document.body).backgroundColor")
            != "rgb(255, 255, 255)"
        )
        opened.page.emulate_media(color_scheme="light")
        assert dark == (scheme == "dark")
        assert len(ratios) > 150
        assert [pair for pair in ratios if pair[1] < 4.5] == []


def test_charts_have_names_and_scroll_regions_take_focus(page):
    charts, regions = page.page.locator(".chart [role=img]"), page.page.locator(".scroll")
    names = [element.get_attribute("aria-label") for element in charts.all()]
    assert len(names) > 8
    assert "Traffic: a chart; the largest values are listed below it" in names
    assert all(
        element.get_attribute("tabindex") == "0" and element.get_attribute("aria-label")
        for element in regions.all()
    )
    assert all(element.get_attribute("aria-label") for element in page.page.locator("meter").all())


def test_hostile_names_are_shown_and_not_executed(opened, page_of, recorded):
    hostile = "</script><img src=x onerror='window.hacked = 3'>{{ 7 * 7 }}@x"
    document = run_json.content(recorded)
    document["verdict"]["reasons"].append({"code": "hostile", "text": hostile})
    document["profile"]["name"] = hostile
    document["figures"]["alerts"] = [
        {
            "name": hostile,
            "severity": hostile,
            "labels": {},
            "firing_after_seconds": 1.0,
            "firing_seconds": 1,
        }
    ]
    document["notifications"] = [
        {
            "after_seconds": 2.0,
            "receiver": hostile,
            "status": "firing",
            "alertname": hostile,
            "severity": "",
            "labels": {},
            "summary": hostile,
        }
    ]
    with opened(page_of(**document)) as page:
        _hover_over_every_chart(page)
        assert page.run("() => window.hacked") is None
        assert page.complaints == []
        text = page.text()
    assert "window.hacked = 1" in text, "the endpoint's name is shown as it is"
    assert "{{ 7 * 7 }}" in text
    assert "GET /long-long-" in text


def _hover_over_every_chart(page):
    for chart in page.page.locator(".chart:has(.bk-Plot)").all():
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        for part in (0.35, 0.6):
            page.page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] * 0.6)


def test_a_long_name_leaves_the_page_readable(page):
    cell = page.page.locator("td.text", has_text="GET /long-").first
    assert cell.bounding_box()["width"] < 500
    assert len(cell.inner_text()) <= 120
    assert cell.get_attribute("title").startswith("GET /" + "long-" * 38), (
        "the exporter clips at 200 characters"
    )


def test_a_gap_is_reported_and_left_blank(page):
    text = page.text()
    figures = page.run(FIGURES)
    assert "Nothing was recorded from " in text
    traffic = next(mark for mark in figures[1] if mark["name"] == "series-0")
    ground = next(mark for mark in figures[1] if mark["name"] == "ground")
    assert traffic["finite"] <= ground["finite"] - 6


def test_pointing_at_a_chart_shows_its_values(page):
    chart = page.page.locator(".chart", has_text="Traffic").locator(".bk-Plot")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    shown = page.page.locator(".bk-tooltip-content", has_text="after").first
    places = itertools.cycle((0.3, 0.31))

    def point():
        page.page.mouse.move(box["x"] + box["width"] * next(places), box["y"] + box["height"] * 0.5)
        return shown.is_visible()

    poll_until(point, "the values under the pointer", every_seconds=0.2)
    assert re.fullmatch(
        r"after \d:\d\d\nclient (–|[\d.]+/s)\nserver (–|[\d.]+/s)", shown.inner_text()
    )


def test_data_are_downloaded_as_csv_and_json(page, recorded, tmp_path):
    for form in ("csv", "json"):
        with page.page.expect_download() as download:
            page.page.click(f"a[data-as={form}]")
        download.value.save_as(tmp_path / form)
    rows = list(csv.reader((tmp_path / "csv").open()))
    assert rows[0][:2] == ["run", "seconds"]
    assert "TRAFFIC: client" in rows[0]
    assert {len(row) for row in rows} == {len(rows[0])}
    content = json.loads((tmp_path / "json").read_text())
    assert content["runs"] == [run_json.content(recorded)]
    assert {endpoint["name"] for endpoint in content["endpoints"]} >= {"/", '=cmd|"/C calc"!A1'}


def test_the_tables_count_every_request_of_every_endpoint(page, recorded):
    content = json.loads(page.page.locator("#data").text_content())
    counts = run_json.content(recorded)["figures"]["counts"]
    assert (
        sum(endpoint["requests"] for endpoint in content["endpoints"]) == counts["client_requests"]
    )
    failing = next(
        endpoint
        for endpoint in content["runs"][0]["figures"]["endpoints"]
        if endpoint["name"].startswith("/long-")
    )
    assert failing["latency_seconds"]["p50"] > 0


def test_expected_alerts_that_never_fired_are_on_the_timeline(page):
    notes = page.run(
        "() => Bokeh.documents[0].roots()[0].renderers.filter(({name}) => name === 'notes')"
        ".map(({data_source}) => data_source.data)"
        ".flatMap((data) => [...(data.get ? data.get('text') : data.text)])"
    )
    assert notes == ["expected: did not fire", "must not fire: did not fire"]


def test_a_comparison_lays_runs_over_each_other(comparison):
    assert comparison.complaints == []
    assert comparison.page.locator(".card .badge").count() == 2
    figures = comparison.run(FIGURES)
    table = comparison.page.locator(".differences").inner_text()
    assert all(
        sum(mark["name"].startswith("series-") for mark in renderers) == 2 for renderers in figures
    )
    assert "=" in table, "the same run twice differs in nothing"


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"data": False}, "Nothing was recorded in this run"),
        (
            {
                "window": None,
                "figures": None,
                "data": False,
                "verdict": {"status": "INVALID", "reasons": []},
            },
            "Nothing was recorded in this run",
        ),
        ({"window": {"start": 1000.0, "end": 1019.0}}, "Nothing was recorded from 0:00 to 0:19"),
        (
            {"drop": ("schema", "faults", "remarks", "notifications", "versions")},
            "recorded by an older Firedrill",
        ),
        (
            {"drop": ("figures", "profile", "server", "started"), "data": False},
            "recorded by an older Firedrill",
        ),
        ({"schema": 99, "data": False}, "recorded by a newer Firedrill"),
        (
            {
                "verdict": {
                    "status": "INTERRUPTED",
                    "reasons": [{"code": "interrupted", "text": "the run was interrupted"}],
                }
            },
            "The run was cut short",
        ),
    ],
    ids=["no data", "no window", "all a gap", "older", "much older", "newer", "cut short"],
)
def test_an_incomplete_run_is_marked_and_stays_readable(opened, page_of, case, says):
    with opened(page_of(**case)) as page:
        assert says in page.page.locator(".warnings").inner_text()
        assert page.complaints == []
        assert page.page.locator(".badge").bounding_box()["y"] < 100


def test_printed_charts_fit_the_page_in_light_colours(opened, file):
    look = """() => ({
        zooms: [...document.querySelectorAll(".bk-Plot")].map(({style}) => Number(style.zoom)),
        ink: [...Bokeh.documents[0]._all_models.values()]
            .find((model) => /Axis$/.test(model.type)).major_label_text_color,
    })"""
    with opened(file, scheme="dark") as page:
        before = page.run(look)
        page.run("() => { dispatchEvent(new Event('beforeprint')) }")
        printed = page.run(look)
        page.run("() => { dispatchEvent(new Event('afterprint')) }")
        assert page.run(look) == before
        assert page.complaints == []
    assert set(before["zooms"]) == {0}
    assert 0.4 < min(printed["zooms"]) < 0.6, "the timeline is as wide as the window"
    assert max(printed["zooms"]) <= 1
    assert printed["ink"] == "#4a4f57"
