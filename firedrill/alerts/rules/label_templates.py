"""Labels of an alert as Prometheus expands them, as far as labels use Go's templates: `{{ $labels.NAME }}` and `{{ $value }}`."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.alerts.rules.rule_file import Rule

_ACTION = re.compile(r"(\s*)\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}(\s*)", re.DOTALL)
_LABEL = re.compile(r"(?:\$labels|\.Labels)\.(\w+)")
VALUE = re.compile(r"\$value\b|(?<!\$labels)(?<!\.Labels)\.Value\b")
"""What makes a label different at every evaluation."""


def expand(text: str, labels: Mapping[str, str], value: float) -> str:
    """`text` for one element of an alert's expression; a label that is not there reads as nothing.

    Raises:
        BadInput: the template uses more than labels and the value.
    """
    return (
        _ACTION.sub(lambda found: _expanded(found, labels, value), text) if "{{" in text else text
    )


def need_known(rule: Rule) -> None:
    """Raises BadInput unless every label of the rule can be expanded."""
    for text in rule.labels.values():
        expand(text, {}, 0)


def _expanded(found: re.Match[str], labels: Mapping[str, str], value: float) -> str:
    before, trims_left, action, trims_right, after = found.groups()
    name = _LABEL.fullmatch(action)
    if name:
        result = labels.get(name[1], "")
    elif VALUE.fullmatch(action):
        result = go_float(value)
    else:
        raise BadInput(
            f"the label template {{{{ {action} }}}} is not replayed; expected $labels.NAME or $value"
        )
    return ("" if trims_left else before) + result + ("" if trims_right else after)


def go_float(value: float) -> str:
    """A number as Go prints it by default: the shortest digits that tell it apart, an exponent below 1e-4 and from 1e6."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    digits, exponent = f"{Decimal(repr(value)):e}".split("e")
    if value and not -4 <= int(exponent) < 6:
        return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}e{int(exponent):+03d}"
    return f"{Decimal(repr(value)):f}".removesuffix(".0")
