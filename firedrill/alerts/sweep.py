"""Settings to try, as a person spells them: `for=15s..2m`, `threshold=0.1..0.5/9`, `for=0,1m,5m`. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firedrill.alerts import durations, expression
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firedrill.alerts.rulefile import Rule

STEPS = 5
"""Settings from A to B, both included, unless asked otherwise."""
MOST = 100
"""Settings of one kind."""


def parse(texts: Sequence[str]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(values of `for` in milliseconds, thresholds); each empty where nothing asks for it.

    Raises:
        BadInput: a text is neither.
    """
    holds: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    for text in texts:
        kind, _, values = text.partition("=")
        if kind == "for":
            holds += _values(text, values, durations.milliseconds)
        elif kind == "threshold":
            thresholds += _values(text, values, _finite)
        else:
            raise BadInput(f"--sweep {text}: expected for=A..B or threshold=A..B")
    return tuple(dict.fromkeys(map(round, holds))), tuple(dict.fromkeys(thresholds))


def without_number(rules: Sequence[Rule]) -> tuple[str, ...]:
    """A sentence for each of these alerts that has no threshold to try others instead of.

    Raises:
        BadInput: none has one.
    """
    lacking = [rule for rule in rules if expression.threshold(rule.expr) is None]
    said = tuple(f"{rule.expr_place}: {rule.name}: --sweep threshold: is not one comparison with a plain number" for rule in lacking)
    if rules and len(lacking) == len(rules):
        raise BadInput(f"{said[0]}; expected an alert such as `a > 0.5`")
    return said


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
        raise BadInput(f"--sweep {text}: expected two values A..B, A..B/N or a list A,B,C") from error
    if not 2 <= steps <= MOST:
        raise BadInput(f"--sweep {text}: {steps} settings; expected 2 to {MOST}")
    return tuple(round(first + (last - first) * step / (steps - 1), 12) for step in range(steps))
