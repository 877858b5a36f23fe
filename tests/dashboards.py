"""The committed dashboards, and the queries that they are built from."""

import json

from firedrill import places
from grafana.source import (
    alert_lab_panels,
    client_panels,
    golden_signals_panels,
    saturation_panels,
    server_panels,
)

FILES = sorted((places.GRAFANA / "dashboards").glob("*.json"))
PAGES = {file.stem: json.loads(file.read_text()) for file in FILES}
ASKED = {
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
"""Every query by its expression."""
SHOWN = [
    (name, panel["title"], ASKED[target["expr"]], target["instant"])
    for name, page in PAGES.items()
    for panel in page["panels"]
    for target in panel["targets"]
]
"""Dashboard, panel, query, and whether it is asked once, in the order of the page."""
