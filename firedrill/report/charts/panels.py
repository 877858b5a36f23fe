"""The panels of the report: those of the dashboards' home page, and two of an open loop.

Their questions and queries are read from the dashboards' own definitions.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

from firedrill import places
from firedrill.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from firedrill.report.charts.axes import Scale
    from grafana.source.golden_signals_panels import PanelContent

DEFINITIONS = places.GRAFANA / "source" / "golden_signals_panels.py"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what it shows, and how it is drawn."""

    name: str
    """The signal's name in the dashboards' definitions."""
    kind: Literal["lines", "areas", "heatmap"] = "lines"
    scale: Scale = "linear"
    optional: bool = False
    """Left out where there is nothing to draw, instead of saying so."""

    @property
    def content(self) -> PanelContent:
        """Its question, unit and queries."""
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
)


def default_variables() -> Mapping[str, str]:
    """What a dashboard's variables stand for as long as nobody chooses."""
    return cast("Mapping[str, str]", _panel_definitions().ALL_SELECTED)


@cache
def _panel_definitions() -> ModuleType:
    """The dashboards' definitions, by their file: `grafana` is a folder of the bundle, and no package of ours.

    Raises:
        Missing: the file is not there; the wheel alone has none.
    """
    spec = importlib.util.spec_from_file_location(
        "firedrill.report._panel_definitions", DEFINITIONS
    )
    if spec is None or spec.loader is None or not DEFINITIONS.is_file():
        raise Missing(
            f"{DEFINITIONS}: no such file; expected the bundle's folder with the dashboards' definitions"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look up their module there.
    spec.loader.exec_module(module)
    return module
