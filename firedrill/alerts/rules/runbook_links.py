"""Where an alert sends its reader: the heading of its name in the runbook, and the dashboard. `make docs` writes both. Pure."""

from __future__ import annotations

import re

RUNBOOK = "docs/runbook.md#{anchor}"
DASHBOARD = "http://127.0.0.1:3000/d/firedrill-golden-signals"

_NOTES = re.compile(
    r"- alert: (?P<name>\w+)\n"
    r"(?:(?! *- (?:alert|record|name): ).*\n)*?"  # as far as its annotations, and no further than the next rule
    r"(?P<indent> +)annotations:\n(?P<notes>(?:(?P=indent) +.*\n)+)"
)
_LINK = re.compile(r" +(?:runbook|dashboard)_url:.*\n")


def linked(text: str) -> str:
    """A rule file, written as the bundle's are, in which every alert ends its annotations with its links."""
    return _NOTES.sub(_with_links, text)


def of(alert: str) -> dict[str, str]:
    """The annotations of an alert's links."""
    return {"runbook_url": RUNBOOK.format(anchor=alert.lower()), "dashboard_url": DASHBOARD}


def _with_links(found: re.Match[str]) -> str:
    own = _LINK.sub("", found["notes"])
    links = "".join(
        f"{found['indent']}  {name}: {link}\n" for name, link in of(found["name"]).items()
    )
    return found[0].removesuffix(found["notes"]) + own + links
