"""The series that a run recorded, and what a selector finds among them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.alerts.scaling.stretch import MARGIN_SECONDS
from firedrill.prometheus.recorded_data import Reopened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.alerts.rules.expression import Selector
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run

MOST_NAMED = 5
"""Values of a label that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Label sets, `__name__` among them."""

    series: tuple[Mapping[str, str], ...]

    @property
    def names(self) -> frozenset[str]:
        """What the series are called."""
        return frozenset(one["__name__"] for one in self.series)

    def missing(self, selector: Selector) -> str | None:
        """Why a selector whose name is among ours finds nothing; None if it finds something, or has another name."""
        left = [one for one in self.series if selector.name in {"", one["__name__"]}]
        for matcher in selector.matchers if left else ():
            before, left = left, [one for one in left if fits(one, matcher)]
            if not left:
                return f"its {matcher[0]} is {_listed({one.get(matcher[0], '') for one in before})}"
        return None


def fits(labels: Mapping[str, str], matcher: tuple[str, str, str]) -> bool:
    """Whether a series has what a matcher asks for; yes where Python does not know the pattern."""
    name, operator, wanted = matcher
    value = labels.get(name, "")
    try:
        is_met = (
            value == wanted if operator in {"=", "!="} else re.fullmatch(wanted, value) is not None
        )
    except re.error:
        return True
    return is_met is not operator.startswith("!")


def of_run(run: Run, interrupt: Interrupt) -> Inventory:
    """Everything that a run recorded.

    Raises:
        BadInput: that is nothing.
    """
    recorded = run.recorded()
    with Reopened(recorded.data, interrupt) as reopened:
        found = reopened.prom.label_sets(
            '{__name__!=""}', recorded.start - MARGIN_SECONDS, recorded.end + MARGIN_SECONDS
        )
    return Inventory(tuple(found))


def _listed(values: set[str]) -> str:
    spelled = [value or "not set" for value in sorted(values)]
    return ", ".join(spelled[:MOST_NAMED]) + (
        f" and {len(spelled) - MOST_NAMED} more" if spelled[MOST_NAMED:] else ""
    )
