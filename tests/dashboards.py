"""The committed dashboards, and the queries that they are built from."""

import json

from firedrill import places
from grafana.source import (
    alert_signals,
    client_signals,
    saturation_signals,
    server_signals,
    signals,
)

FILES = sorted((places.GRAFANA / "dashboards").glob("*.json"))
PAGES = {file.stem: json.loads(file.read_text()) for file in FILES}
ASKED = {
    query.expr: query
    for module in (signals, client_signals, server_signals, saturation_signals, alert_signals)
    for value in vars(module).values()
    for signal in (value if isinstance(value, tuple) else (value,))
    if isinstance(signal, signals.Signal)
    for query in signal.queries
}
"""Every query by its expression."""
SHOWN = [
    (name, panel["title"], ASKED[target["expr"]], target["instant"])
    for name, page in PAGES.items()
    for panel in page["panels"]
    for target in panel["targets"]
]
"""Dashboard, panel, query, and whether it is asked once, in the order of the page."""
