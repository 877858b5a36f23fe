"""A rule file between two versions, so that an edited alert begins anew.

On a reload Prometheus keeps what is pending and firing by name and labels, whatever the new expression is: an edited alert would go on with
what the old one began. A reload in between, without it, makes it forget. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.alerts import document
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = ("for", "keep_firing_for", "labels")


def between(before: str, after: str) -> tuple[str, tuple[str, ...]]:
    """The later text without those alerts that the earlier one has in another form, and their names; both texts are rule files."""
    known = {rule["alert"]: _meanings(before, rule["alert"]) for rule in _alerts(before)}
    if not _alerts(after):
        return after, ()  # To Prometheus a file of comments is a rule file, too.
    rules = document.parse(after, "a Prometheus rule file")
    edited = [rule for rule in _alerts_of(rules) if rule["alert"] in known and _meaning(rule) not in known[rule["alert"]]]
    names = {str(rule["alert"]) for rule in edited}
    for group in rules["groups"]:
        # All of that name: state is kept by name, and several rules may share it.
        group["rules"] = [rule for rule in group.get("rules") or () if rule.get("alert") not in names]
    return document.printed(rules), tuple(sorted(names))


def _alerts(text: str) -> list[Any]:
    try:
        return list(_alerts_of(document.parse(text, "a Prometheus rule file")))
    except BadInput:
        return []


def _alerts_of(rules: Any) -> Iterator[Any]:
    for group in rules.get("groups") or ():
        yield from (rule for rule in group.get("rules") or () if "alert" in rule)


def _meanings(text: str, name: str) -> list[Any]:
    return [_meaning(rule) for rule in _alerts(text) if rule["alert"] == name]


def _meaning(rule: Any) -> Any:
    return str(rule.get("expr")).split(), *(rule.get(setting) for setting in SETTINGS)
