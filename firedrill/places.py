"""Paths of the bundle's files in a checkout."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "docker-compose.yml"
PROFILES = ROOT / "load" / "profiles"
LOCUSTFILE = ROOT / "load" / "locustfile.py"
LOCUST_PLUGIN = ROOT / "load" / "firedrill_plugin.py"
"""Exporter and load shape, loaded beside a user's locustfile."""
SHAPE = ROOT / "load" / "shape.py"
EXPORTER_PLUGIN = ROOT / "exporters" / "locust_exporter" / "plugin.py"
PROMETHEUS = ROOT / "prometheus"
RULES = PROMETHEUS / "rules"
GRAFANA = ROOT / "grafana"
TOOLS = Path(os.environ.get("FIREDRILL_TOOLS", ROOT / ".tools"))
"""Programs that the set-up unpacked without installing them; FIREDRILL_TOOLS moves the folder."""
