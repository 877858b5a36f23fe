"""The links in an alert's annotations: its heading in the runbook, and the dashboard.

`make docs` writes both.
"""

from __future__ import annotations

import re

RUNBOOK = "docs/runbook.md#{anchor}"
DASHBOARD = "http://127.0.0.1:3000/d/firedrill-golden-signals"

_ALERT = re.compile(
    r"- alert: (?P<name>\w+)\n"
    r"(?:(?! *- (?:alert|record|name): ).*\n)*?"  # up to its annotations, within the same rule
    r"(?P<indent> +)annotations:\n(?P<annotations>(?:(?P=indent) +.*\n)+)"
)
_LINK = re.compile(r" +(?:runbook|dashboard)_url:.*\n")


def add_links(text: str) -> str:
    """Return a rule file of the bundle's format whose alerts end their annotations with links."""
    return _ALERT.sub(_with_links, text)


def links(alert: str) -> dict[str, str]:
    """Return the annotations that link an alert."""
    return {"runbook_url": RUNBOOK.format(anchor=alert.lower()), "dashboard_url": DASHBOARD}


def _with_links(match: re.Match[str]) -> str:
    annotations = _LINK.sub("", match["annotations"])
    added = "".join(
        f"{match['indent']}  {name}: {link}\n" for name, link in links(match["name"]).items()
    )
    return match[0].removesuffix(match["annotations"]) + annotations + added
