"""Go templates in an alert's labels, as far as they are replayed: `$labels.NAME` and `$value`."""

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
_VALUE = re.compile(r"\$value\b|(?<!\$labels)(?<!\.Labels)\.Value\b")


def expand(text: str, labels: Mapping[str, str], value: float) -> str:
    """Expand a template for one element of an alert's expression; a missing label is empty.

    Raises:
        BadInput: the template uses more than labels and the value.
    """
    if "{{" not in text:
        return text
    return _ACTION.sub(lambda match: _expand_action(match, labels, value), text)


def uses_value(rule: Rule) -> bool:
    """Return whether a label of the rule holds the value, and so differs at every evaluation."""
    return any(has_value(text) for text in rule.labels.values())


def has_value(text: str) -> bool:
    """Return whether a template mentions the value."""
    return _VALUE.search(text) is not None


def check_supported(rule: Rule) -> None:
    """Raise BadInput unless every label of the rule can be expanded."""
    for text in rule.labels.values():
        expand(text, {}, 0)


def _expand_action(match: re.Match[str], labels: Mapping[str, str], value: float) -> str:
    before, trims_left, action, trims_right, after = match.groups()
    label = _LABEL.fullmatch(action)
    if label:
        result = labels.get(label[1], "")
    elif _VALUE.fullmatch(action):
        result = format_float(value)
    else:
        raise BadInput(
            f"the label template {{{{ {action} }}}} is not replayed;"
            " expected $labels.NAME or $value"
        )
    return ("" if trims_left else before) + result + ("" if trims_right else after)


def format_float(value: float) -> str:
    """Write a number as Go does: the shortest exact digits, an exponent below 1e-4 and from 1e6."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    digits, exponent = f"{Decimal(repr(value)):e}".split("e")
    if value and not -4 <= int(exponent) < 6:
        return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}e{int(exponent):+03d}"
    return f"{Decimal(repr(value)):f}".removesuffix(".0")
