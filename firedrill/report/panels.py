"""Panels of the report: those of the home dashboard, and two for an open workload.

Their titles, descriptions and queries are read from the definitions of the dashboards.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

from firedrill import places
from firedrill.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from grafana.source.golden_signals_panels import PanelContent

DEFINITIONS = places.GRAFANA / "source" / "golden_signals_panels.py"

Scale = Literal["linear", "log", "full"]
"""Scale of an axis: `full` is always 0 to 100 %, `log` shows 50 ms and 50 s on one axis."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of the report: its content, and how it is drawn."""

    name: str
    """Name of its content in the definitions of the dashboards."""
    kind: Literal["lines", "areas", "heatmap"] = "lines"
    scale: Scale = "linear"
    optional: bool = False
    """Whether it is left out where there is nothing to draw."""

    @property
    def content(self) -> PanelContent:
        """Title, description, unit and queries."""
        return cast("PanelContent", getattr(_panel_definitions(), self.name))


TRAFFIC = Panel("TRAFFIC")
LATENCY = Panel("LATENCY", scale="log")
SATURATION = Panel("SATURATION", scale="full")
MEASUREMENT_QUALITY = Panel("MEASUREMENT_QUALITY")
ERRORS = Panel("ERRORS")
ERROR_CLASSES = Panel("ERROR_CLASSES")
STATUS_CODES = Panel("STATUS_CODES", kind="areas")
CLIENT_HEATMAP = Panel("CLIENT_HEATMAP", kind="heatmap")
SERVER_HEATMAP = Panel("SERVER_HEATMAP", kind="heatmap")
QUEUE = Panel("QUEUE", scale="log")
GENERATOR = Panel("GENERATOR", scale="full")
GOODPUT = Panel("GOODPUT")

ARRIVALS = Panel("ARRIVALS", optional=True)
FROM_SCHEDULE = Panel("FROM_SCHEDULE", scale="log", optional=True)

PANELS = (
    TRAFFIC,
    LATENCY,
    ARRIVALS,
    FROM_SCHEDULE,
    SATURATION,
    MEASUREMENT_QUALITY,
    CLIENT_HEATMAP,
    SERVER_HEATMAP,
    ERRORS,
    STATUS_CODES,
    ERROR_CLASSES,
    QUEUE,
    GENERATOR,
    GOODPUT,
)


def default_variables() -> Mapping[str, str]:
    """Return the default values of the dashboards' variables."""
    return cast("Mapping[str, str]", _panel_definitions().ALL_SELECTED)


def legend_text(legend: str, labels: Mapping[str, str]) -> str:
    """Return a legend with the values of the labels that it names."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda match: labels.get(match[1], ""), legend)


@cache
def _panel_definitions() -> ModuleType:
    """Import the definitions of the dashboards by path: `grafana` is a folder and no package.

    Raises:
        Missing: the file is not there.
    """
    spec = importlib.util.spec_from_file_location(
        "firedrill.report._panel_definitions", DEFINITIONS
    )
    if spec is None or spec.loader is None or not DEFINITIONS.is_file():
        raise Missing(f"{DEFINITIONS}: no such file; expected Firedrill with its dashboards")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look up their module here.
    spec.loader.exec_module(module)
    return module
