"""Paths of the bundle's files: in a checkout at its root, in the wheel in `firedrill/bundle`."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

PACKAGE = Path(str(resources.files("firedrill")))
IS_CHECKOUT = not (PACKAGE / "bundle").is_dir()

ROOT = PACKAGE.parent if IS_CHECKOUT else PACKAGE / "bundle"
COMPOSE = ROOT / "docker-compose.yml"
LOAD = PACKAGE.parent / ("load" if IS_CHECKOUT else "firedrill_load")
EXPORTER = PACKAGE.parent / ("exporters/locust_exporter" if IS_CHECKOUT else "locust_exporter")
PROFILES = LOAD / "profiles"
LOCUSTFILE = LOAD / "locustfile.py"
LOCUST_PLUGIN = LOAD / "firedrill_plugin.py"
"""Exporter and load shape, loaded beside a user's locustfile."""
SHAPE = LOAD / "shape.py"
EXPORTER_PLUGIN = EXPORTER / "plugin.py"
PROMETHEUS = ROOT / "prometheus"
RULES = PROMETHEUS / "rules"
GRAFANA = ROOT / "grafana"


def cache() -> Path:
    """Return the user's folder for what can be fetched again, by the XDG specification."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path("~/.cache").expanduser()
    return base / "firedrill"


TOOLS = Path(
    os.environ.get("FIREDRILL_TOOLS") or (ROOT / ".tools" if IS_CHECKOUT else cache() / "tools")
)
"""Programs that the set-up unpacked without installing them; FIREDRILL_TOOLS moves the folder."""
