"""Build every dashboard into grafana/dashboards."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.source import (
    alert_lab_dashboard,
    client_dashboard,
    golden_signals_dashboard,
    saturation_dashboard,
    server_dashboard,
)

FOLDER = Path(__file__).parent.parent / "dashboards"
DASHBOARDS = {
    "golden-signals": golden_signals_dashboard.build,
    "client": client_dashboard.build,
    "server": server_dashboard.build,
    "saturation": saturation_dashboard.build,
    "alert-lab": alert_lab_dashboard.build,
}


def built(name: str) -> str:
    """Return a dashboard as the JSON that Grafana reads."""
    document = json.loads(json.dumps(DASHBOARDS[name]().build(), cls=JSONEncoder))
    # Grafana 13 hides links and annotations in a menu unless their placement is left open.
    for item in [*document["annotations"]["list"], *document["links"]]:
        item.pop("placement", None)
    return json.dumps({**document, "schemaVersion": 42}, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(built(name))
        print(FOLDER / f"{name}.json")


if __name__ == "__main__":
    main()
