"""The series that rules may read: those that a run recorded, or that the bundle's rules record."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import places
from firedrill.alerts.lint.context import Intervals
from firedrill.alerts.rules import durations, reloading, yaml_document
from firedrill.alerts.scaling.stretch import MARGIN_SECONDS
from firedrill.prometheus.recorded_data import RecordedPrometheus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firedrill.alerts.rules.expression import Selector
    from firedrill.interrupt import Interrupt
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.run_folder import Run

MAX_VALUES_LISTED = 5
"""Values of a label that a message lists."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The series that exist, in a run or in a Prometheus."""

    series: tuple[Mapping[str, str], ...] = ()
    """Their label sets, `__name__` included; none if only their names are known."""
    other_names: frozenset[str] = frozenset()
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Kinds of metrics (`counter`, `gauge`), by name."""
    where: str = "the run"

    @property
    def names(self) -> frozenset[str]:
        """The names of the series."""
        return self.other_names | {labels["__name__"] for labels in self.series}

    def explain_missing(self, selector: Selector) -> str | None:
        """Return the label that makes a selector find nothing, with the values that it has.

        None if the selector finds something, or if no series has its name.
        """
        matching = [labels for labels in self.series if selector.name in {"", labels["__name__"]}]
        for matcher in selector.matchers if matching else ():
            before, matching = matching, [labels for labels in matching if matches(labels, matcher)]
            if not matching:
                label = matcher[0]
                return f"its {label} is {_listed({labels.get(label, '') for labels in before})}"
        return None


def matches(labels: Mapping[str, str], matcher: tuple[str, str, str]) -> bool:
    """Return whether a label set meets a matcher; True for patterns that Python does not know."""
    name, operator, wanted = matcher
    value = labels.get(name, "")
    if operator in {"=", "!="}:
        is_met = value == wanted
    else:
        try:
            is_met = re.fullmatch(wanted, value) is not None
        except re.error:
            return True
    return is_met is not operator.startswith("!")


def read_run(run: Run, interrupt: Interrupt) -> Inventory:
    """Return all series that a run recorded.

    Raises:
        BadInput: it recorded none.
    """
    recorded = run.recorded()
    with RecordedPrometheus(recorded.data, interrupt) as reopened:
        series = reopened.prom.label_sets(
            '{__name__!=""}', recorded.start - MARGIN_SECONDS, recorded.end + MARGIN_SECONDS
        )
    return Inventory(tuple(series))


def read_prometheus(prom: Prometheus) -> tuple[Inventory, Intervals]:
    """Return the names and kinds that a running Prometheus has, and its intervals.

    Raises:
        FiredrillError: it does not answer.
    """
    configured = yaml_document.load(prom.configuration(), "a Prometheus configuration")
    settings = configured.get("global") or {}
    scrape_ms = durations.parse_ms(str(settings.get("scrape_interval", "1m")))
    evaluation_ms = durations.parse_ms(str(settings.get("evaluation_interval", "1m")))
    inventory = Inventory(
        other_names=prom.names(), kinds=prom.metric_kinds(), where=f"the Prometheus at {prom.url}"
    )
    return inventory, Intervals(scrape_ms, evaluation_ms)


def recorded_names(folder: Path = places.RULES) -> frozenset[str]:
    """Return the names that a folder's rules record; a file that is half-written has none."""
    rules = [rule for file in folder.glob("*.yml") for rule in reloading.rules_in(file.read_text())]
    return frozenset(rule.name for rule in rules if not rule.is_alert)


def _listed(values: set[str]) -> str:
    names = [value or "not set" for value in sorted(values)]
    listed = ", ".join(names[:MAX_VALUES_LISTED])
    more = len(names) - MAX_VALUES_LISTED
    return f"{listed} and {more} more" if more > 0 else listed
