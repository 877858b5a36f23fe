"""The context of a rule in the checks: its group, intervals, recording rules, metric kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from firedrill import contract
from firedrill.alerts.scaling.intervals import SCRAPE_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.alerts.lint.known_series import Inventory
    from firedrill.alerts.rules.rule_file import Group, Rule

COUNTER_SUFFIXES = ("_total",)
GAUGE_SUFFIXES = (
    "_info", "_ratio", "_percent", "_percentage", "_celsius", "_timestamp", "_timestamp_seconds",
    "_limit", "_utilization", "_temperature",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often the rules' Prometheus scrapes and evaluates, in milliseconds."""

    scrape_ms: int = SCRAPE_MS
    evaluation_ms: int | None = None
    """None: as often as it scrapes."""

    def of_group(self, group: Group) -> int:
        """Return a group's evaluation interval."""
        return group.interval_ms or self.evaluation_ms or self.scrape_ms


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one rule, which its checks read."""

    group: Group
    index: int
    """Its place in the group."""
    intervals: Intervals
    recorded: Mapping[str, Sequence[Rule]]
    """Recording rules of all files by the name that they record."""
    inventory: Inventory | None = None
    """The series that exist; None if nobody said."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Kinds of metrics that a Prometheus knows, by name."""

    def kind(self, name: str) -> str | None:
        """Return `counter` or `gauge`, or None where nothing tells."""
        known = self.kinds.get(name) or bundle_kinds().get(name)
        if known:
            return known if known in {"counter", "gauge"} else None
        if name.endswith(COUNTER_SUFFIXES):
            return "counter"
        is_gauge = name == "up" or name.endswith(GAUGE_SUFFIXES)
        return "gauge" if is_gauge and name not in self.recorded else None


@cache
def bundle_kinds() -> dict[str, str]:
    """Return the kinds of the bundle's series; those of a histogram are counters."""
    families = (
        *contract.declared(contract.Server),
        *contract.PROCESS_METRICS,
        *contract.declared(contract.Client),
    )
    return {
        name: "counter" if family.kind == "histogram" else str(family.kind)
        for family in families
        for name in family.series_names()
    }
