"""Colors of a verdict at the terminal."""

from __future__ import annotations

from rich.text import Text

STATUS_STYLES = {
    "PASSED": "bold green",
    "FAILED": "bold red",
    "INVALID": "bold magenta",
    "INTERRUPTED": "bold yellow",
}


def headline(status: str, title: str) -> Text:
    """Return the line that a summary begins with."""
    style = STATUS_STYLES.get(status, "bold")
    return Text.assemble((f" {status} ", f"{style} reverse"), "  ", (title, "bold"))
