"""Settings to try, as a person spells them: `for=15s..2m`, `threshold=0.1..0.5/9`, `threshold.2=1,5`, `for=0,1m,5m`. Pure."""

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

STEPS = 5
"""Settings from A to B, both included, unless asked otherwise."""
MOST = 100
"""Settings of one kind."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Empty where nothing asks for it."""

    holds_ms: tuple[int, ...] = ()
    """Values of `for`."""
    thresholds: tuple[float, ...] = ()
    which: int | None = None
    """The threshold that is meant, of several in the order in which they are read, from 1; None for the only one."""


def parse(texts: Sequence[str]) -> Settings:
    """What all of the texts ask for.

    Raises:
        BadInput: a text is no setting, or they mean two thresholds.
    """
    holds: tuple[float, ...] = ()
    thresholds: dict[int | None, tuple[float, ...]] = {}
    for text in texts:
        kind, _, values = text.partition("=")
        if kind == "for":
            holds += _values(text, values, durations.milliseconds)
        elif found := re.fullmatch(r"threshold(?:\.([1-9]\d*))?", kind):
            which = int(found[1]) if found[1] else None
            thresholds[which] = thresholds.get(which, ()) + _values(text, values, _finite)
        else:
            raise BadInput(f"--sweep {text}: expected for=A..B, threshold=A..B or threshold.N=A..B")
    if len(thresholds) > 1:
        raise BadInput(
            f"--sweep {texts[-1]}: is another threshold; expected settings of one, the other as the rule has it"
        )
    which, values_of = next(iter(thresholds.items()), (None, ()))
    return Settings(tuple(dict.fromkeys(map(round, holds))), tuple(dict.fromkeys(values_of)), which)


def limit(group: Group, rule: Rule, which: int | None) -> Limit:
    """The limit of an alert that other thresholds are tried instead of.

    Raises:
        BadInput: it has none, or several of which none is chosen; names the place, what it has, and what was expected.
    """
    found, named = thresholds.of(rule.expr), "" if which is None else f".{which}"
    place = f"{rule.expr_place}: {rule.name}: --sweep threshold{named}"
    if not found:
        raise BadInput(
            f"{place}: compares nothing with a number; expected an alert such as `a > 0.5`"
        )
    if found[1:] and which is None:
        listed = ", ".join(
            f"threshold.{number} for `{one.text}`" for number, one in enumerate(found, start=1)
        )
        raise BadInput(f"{place}: has {len(found)}; expected one of {listed}")
    if which and which > len(found):
        raise BadInput(
            f"{place}: has {len(found)}; expected threshold"
            + (f".1 to threshold.{len(found)}" if found[1:] else " or threshold.1")
        )
    number = next(number for number, one in enumerate(group.rules) if one is rule)
    if thresholds.alone(rule.expr) is None and evaluation_order.read_early(group, number):
        raise BadInput(
            f"{place}: reads what its group records after it; expected one comparison with a plain number there"
        )
    return found[(which or 1) - 1]


def without_limit(alerts: Sequence[tuple[Group, Rule]], which: int | None) -> tuple[str, ...]:
    """A sentence for each of these alerts that keeps its condition.

    Raises:
        BadInput: all do.
    """
    said = tuple(sentence for group, rule in alerts if (sentence := _why_none(group, rule, which)))
    if alerts and len(said) == len(alerts):
        raise BadInput(said[0])
    return said


def _why_none(group: Group, rule: Rule, which: int | None) -> str | None:
    try:
        limit(group, rule, which)
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
        steps = int(number or STEPS)
    except (ValueError, BadInput) as error:
        raise BadInput(
            f"--sweep {text}: expected two values A..B, A..B/N or a list A,B,C"
        ) from error
    if last < first:
        raise BadInput(
            f"--sweep {text}: goes backwards; expected A..B from the smaller to the larger"
        )
    if not 2 <= steps <= MOST:
        raise BadInput(f"--sweep {text}: {steps} settings; expected 2 to {MOST}")
    return tuple(round(first + (last - first) * step / (steps - 1), 12) for step in range(steps))
