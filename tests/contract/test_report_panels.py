"""The report has the panels and queries of the home dashboard."""

import json

from firedrill import places
from firedrill.report.panels import PANELS
from grafana.source.dashboard_layout import panels_in


def panels_of(dashboard):
    page = json.loads((places.GRAFANA / "dashboards" / f"{dashboard}.json").read_text())
    return {
        panel["title"]: panel
        for panel in panels_in(page)
        if panel["type"] not in {"stat", "table", "xychart"}
    }


def panels_of_the_home_page():
    return panels_of("golden-signals")


def test_optional_panels_come_from_the_client_dashboard():
    drawn, client = (
        {panel.content.title: panel for panel in PANELS if panel.optional},
        panels_of("client"),
    )
    assert set(drawn) == {"Arrivals", "Response time from schedule"}
    for title, panel in drawn.items():
        assert [query.expr for query in panel.content.queries] == [
            target["expr"] for target in client[title]["targets"]
        ]


def test_the_report_has_every_panel_of_the_home_page():
    drawn = {panel.content.title: panel for panel in PANELS if not panel.optional}
    home = panels_of_the_home_page()
    assert set(drawn) == set(home)
    for title, panel in drawn.items():
        assert [query.expr for query in panel.content.queries] == [
            target["expr"] for target in home[title]["targets"]
        ]
        if panel.kind != "heatmap":
            assert panel.content.unit == home[title]["fieldConfig"]["defaults"]["unit"]
        assert panel.content.description == home[title]["description"]


def test_panels_are_drawn_as_the_home_page_draws_them():
    home = panels_of_the_home_page()
    for panel in (panel for panel in PANELS if not panel.optional):
        drawn = home[panel.content.title]
        assert (panel.kind == "heatmap") == (drawn["type"] == "heatmap")
        custom = drawn["fieldConfig"]["defaults"].get("custom", {})
        assert (panel.scale == "full") == (
            panel.content.unit == "percentunit" and custom.get("axisSoftMax") == 1
        )
