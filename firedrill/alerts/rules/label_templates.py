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
_STRING = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`')
_ASSIGNED = re.compile(r"(\$\w+)\s*:?=(?!=)")
_YES_OR_NO = frozenset({"gt", "ge", "lt", "le", "eq", "ne", "not", "match"})
_OWN_LABEL = re.compile(r"\$labels\.(\w+)")
_DOT_LABEL = re.compile(r"(?<![\w$)])\.Labels\.(\w+)")
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
    """Return whether a label of the rule depends on the value, and so may differ each time."""
    return any(_VALUE.search(text) is not None for text in rule.labels.values())


def labels_used(text: str) -> list[str]:
    """Return the labels of the alert that a template mentions, each once."""
    used: list[str] = []
    blocks: list[str] = []
    for match in _ACTION.finditer(text):
        action = match[3]
        keyword = action.split(maxsplit=1)[0] if action else ""
        used += _OWN_LABEL.findall(action)
        if not {"range", "with", "define"} & set(blocks):  # There the dot is something else.
            used += _DOT_LABEL.findall(action)
        if keyword in {"if", "range", "with", "block", "define"}:
            blocks.append(keyword)
        elif keyword == "end" and blocks:
            blocks.pop()
    return list(dict.fromkeys(used))


def prints_value(text: str) -> bool:
    """Return whether a template's result holds the value, and not only what a condition chose.

    Variables that get the value, and the dot within `with $value`, hold it, too.
    """
    holders: set[str] = set()
    dots = [False]
    for match in _ACTION.finditer(text):
        action = _STRING.sub("", match[3])
        keyword = action.split(maxsplit=1)[0] if action.strip() else ""
        holds = _holds_value(action, holders, is_dot_value=dots[-1])
        if keyword == "end":
            dots = dots[:-1] or [False]
        elif keyword in {"if", "range", "with", "block", "define"}:
            dots.append(holds if keyword == "with" else dots[-1])
        elif assigned := _ASSIGNED.match(action):
            holders |= {assigned[1]} if holds else set()
        elif keyword not in {"else", "template"} and not action.startswith("/*") and holds:
            return True
    return False


def _holds_value(action: str, holders: set[str], *, is_dot_value: bool) -> bool:
    """Return whether an action's result holds the value; that of a comparison is true or false."""
    head = re.match(r"(?:\$\w+\s*:?=\s*|(?:if|with|else if|range)\s+)?\(?(\w+)", action)
    if head and head[1] in _YES_OR_NO:
        return False
    has_dot = is_dot_value and re.search(r"(?<![\w)])\.(?!\w)", action) is not None
    named = any(re.search(rf"{re.escape(name)}\b", action) for name in holders)
    return has_dot or named or _VALUE.search(action) is not None


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
