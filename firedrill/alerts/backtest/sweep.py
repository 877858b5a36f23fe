"""Parser of `--sweep`: `for=15s..2m`, `threshold=0.1..0.5/9`, `threshold.2=1,5`, `for=0,1m,5m`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.alerts.replay import evaluation_order
from firedrill.alerts.rules import durations, thresholds
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.alerts.rules.thresholds import Limit

DEFAULT_SETTINGS = 5
"""Settings from A to B, both included, unless A..B/N says otherwise."""
MAX_SETTINGS = 100
"""Settings of one range."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings to try; empty if none are asked for."""

    holds_ms: tuple[int, ...] = ()
    """Values of `for`."""
    thresholds: tuple[float, ...] = ()
    threshold_number: int | None = None
    """Which threshold of an expression, in reading order from 1; None for the only one."""


def parse(texts: Sequence[str]) -> Settings:
    """Return the settings of all `--sweep` options together.

    Raises:
        BadInput: a text is no setting, or they are about two different thresholds.
    """
    holds: tuple[float, ...] = ()
    by_number: dict[int | None, tuple[float, ...]] = {}
    for text in texts:
        kind, _, values = text.partition("=")
        if kind == "for":
            holds += _values(text, values, durations.parse_ms)
        elif match := re.fullmatch(r"threshold(?:\.([1-9]\d*))?", kind):
            number = int(match[1]) if match[1] else None
            by_number[number] = by_number.get(number, ()) + _values(text, values, _finite)
        else:
            raise BadInput(f"--sweep {text}: expected for=A..B, threshold=A..B or threshold.N=A..B")
    if len(by_number) > 1:
        raise BadInput(
            f"--sweep {texts[-1]}: is another threshold; expected settings of one, the other as the"
            " rule has it"
        )
    number, values_of_number = next(iter(by_number.items()), (None, ()))
    return Settings(
        holds_ms=tuple(dict.fromkeys(map(round, holds))),
        thresholds=tuple(dict.fromkeys(values_of_number)),
        threshold_number=number,
    )


def find_limit(group: Group, rule: Rule, number: int | None) -> Limit:
    """Return the limit of an alert that thresholds are tried for.

    Raises:
        BadInput: it has none, or several and no number; names the place, and what it has.
    """
    limits, suffix = thresholds.find_limits(rule.expr), "" if number is None else f".{number}"
    place = f"{rule.expr_place}: {rule.name}: --sweep threshold{suffix}"
    if not limits:
        raise BadInput(
            f"{place}: compares nothing with a number; expected an alert such as `a > 0.5`"
        )
    if len(limits) > 1 and number is None:
        listed = ", ".join(
            f"threshold.{at} for `{limit.text}`" for at, limit in enumerate(limits, start=1)
        )
        raise BadInput(f"{place}: has {len(limits)}; expected one of {listed}")
    if number and number > len(limits):
        last = f".1 to threshold.{len(limits)}" if len(limits) > 1 else " or threshold.1"
        raise BadInput(f"{place}: has {len(limits)}; expected threshold{last}")
    index = next(index for index, other in enumerate(group.rules) if other is rule)
    is_early = evaluation_order.read_before_recorded(group, index)
    if is_early and thresholds.single_comparison(rule.expr) is None:
        raise BadInput(
            f"{place}: reads what its group records after it; expected one comparison with a plain"
            " number there"
        )
    return limits[(number or 1) - 1]


def explain_unswept(alerts: Sequence[tuple[Group, Rule]], number: int | None) -> tuple[str, ...]:
    """Return a sentence for each of these alerts that keeps its condition in a sweep.

    Raises:
        BadInput: all of them do.
    """
    reasons = tuple(
        reason for group, rule in alerts if (reason := _why_unswept(group, rule, number))
    )
    if alerts and len(reasons) == len(alerts):
        raise BadInput(reasons[0])
    return reasons


def _why_unswept(group: Group, rule: Rule, number: int | None) -> str | None:
    try:
        find_limit(group, rule, number)
    except BadInput as error:
        return str(error)
    return None


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _values(text: str, values: str, read: Callable[[str], float]) -> tuple[float, ...]:
    try:
        if ".." not in values:
            return tuple(read(value) for value in values.split(","))
        bounds, _, number = values.partition("/")
        first, last = map(read, bounds.split(".."))
        count = int(number or DEFAULT_SETTINGS)
    except (ValueError, BadInput) as error:
        raise BadInput(
            f"--sweep {text}: expected two values A..B, A..B/N or a list A,B,C"
        ) from error
    if last < first:
        raise BadInput(
            f"--sweep {text}: goes backwards; expected A..B from the smaller to the larger"
        )
    if not 2 <= count <= MAX_SETTINGS:
        raise BadInput(f"--sweep {text}: {count} settings; expected 2 to {MAX_SETTINGS}")
    return tuple(round(first + (last - first) * step / (count - 1), 12) for step in range(count))
