"""The committed dashboards, and the queries that they are built from."""

import json
from typing import NamedTuple

from firedrill import places
from grafana.source import (
    alert_lab_panels,
    client_panels,
    golden_signals_panels,
    saturation_panels,
    server_panels,
)
from grafana.source.dashboard_layout import panels_in

FILES = sorted((places.GRAFANA / "dashboards").glob("*.json"))
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in FILES}
QUERIES = {
    query.expr: query
    for module in (
        golden_signals_panels,
        client_panels,
        server_panels,
        saturation_panels,
        alert_lab_panels,
    )
    for value in vars(module).values()
    for content in (value if isinstance(value, tuple) else (value,))
    if isinstance(content, golden_signals_panels.PanelContent)
    for query in content.queries
}
"""Every query, by its expression."""


class PanelQuery(NamedTuple):
    """A query that a panel of a dashboard asks."""

    dashboard: str
    panel: str
    query: golden_signals_panels.Query
    is_instant: bool
    """Whether the panel asks for one time only, and not for a range."""


PANEL_QUERIES = [
    PanelQuery(
        dashboard=name,
        panel=panel["title"],
        query=QUERIES[target["expr"]],
        is_instant=target["instant"],
    )
    for name, dashboard in DASHBOARDS.items()
    for panel in panels_in(dashboard)
    for target in panel["targets"]
]
"""The queries of all panels, in the order of the dashboards."""
