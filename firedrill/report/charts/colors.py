"""Colours of series, and only of series: mid-tones that are seen on a white page and on a dark one. A leaf."""

from __future__ import annotations

GREEN, ORANGE, RED, BLUE = "#7EB26D", "#EF843C", "#E24D42", "#6ED0E0"
"""The dashboards' colours of status: well or 2xx, 4xx, 5xx or broken, 3xx."""

CLIENT, WAITING, SERVER = "#4C86E0", "#B563C9", "#1FA294"
STEP, LOAD = "#8A8F98", "#5F6670"
PENDING = "#E9A9A3"
EXPECTED = "#A9BEDD"
CYCLE = ("#4C86E0", "#1FA294", "#B563C9", "#D08A1D", "#C5588B", "#7A8B3A", "#7F7FD5", "#9C6B4F")
STATUS = {"2": GREEN, "3": BLUE, "4": ORANGE, "5": RED}


def of_series(name: str, at: int) -> str:
    """The colour of the series with this name, the `at`-th of its chart: the same side has the same colour on every chart."""
    if name == "SLO":
        return RED
    if "waiting included" in name:
        return WAITING
    if name.startswith("client"):
        return CLIENT
    if name.startswith("server"):
        return SERVER
    return CYCLE[at % len(CYCLE)]


def of_status(code: str) -> str:
    """The colour of an HTTP status' class."""
    return STATUS.get(code[:1], STEP)


HEAT = tuple(f"#E8590C{round(20 + 235 * (level / 31) ** 0.7):02x}" for level in range(32))
"""From nearly transparent to full, so that one scale fits both backgrounds."""
