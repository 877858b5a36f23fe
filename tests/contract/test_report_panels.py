"""The report shows the panels of the home page, by the queries that the dashboard asks."""

import json

from firedrill import places
from firedrill.report.panels import PANELS


def panels_of_the_home_page():
    page = json.loads((places.GRAFANA / "dashboards" / "golden-signals.json").read_text())
    return {panel["title"]: panel for panel in page["panels"] if panel["type"] != "stat"}


def test_the_report_has_every_panel_of_the_home_page_with_its_queries_and_unit():
    drawn = {panel.signal.title: panel for panel in PANELS}
    home = panels_of_the_home_page()
    assert set(drawn) == set(home)
    for title, panel in drawn.items():
        assert [query.expr for query in panel.signal.queries] == [target["expr"] for target in home[title]["targets"]]
        if panel.kind != "heatmap":
            assert panel.signal.unit == home[title]["fieldConfig"]["defaults"]["unit"]
        assert panel.signal.question == home[title]["description"]


def test_panels_are_drawn_as_the_home_page_draws_them():
    home = panels_of_the_home_page()
    for panel in PANELS:
        drawn = home[panel.signal.title]
        assert (panel.kind == "heatmap") == (drawn["type"] == "heatmap")
        custom = drawn["fieldConfig"]["defaults"].get("custom", {})
        assert (panel.scale == "full") == (panel.signal.unit == "percentunit" and custom.get("axisSoftMax") == 1)
