"""Colours of series: mid-tones that are visible on white and on dark pages."""

from __future__ import annotations

GREEN, ORANGE, RED, BLUE = "#7EB26D", "#EF843C", "#E24D42", "#6ED0E0"
"""Status colours of the dashboards: 2xx or good, 4xx, 5xx or bad, 3xx."""

CLIENT, WAITING, SERVER = "#4C86E0", "#B563C9", "#1FA294"
STEP, LOAD = "#8A8F98", "#5F6670"
PENDING = "#E9A9A3"
EXPECTED = "#A9BEDD"
CYCLE = ("#4C86E0", "#1FA294", "#B563C9", "#D08A1D", "#C5588B", "#7A8B3A", "#7F7FD5", "#9C6B4F")
STATUS = {"2": GREEN, "3": BLUE, "4": ORANGE, "5": RED}


def series_color(name: str, at: int) -> str:
    """Return the colour of a series by its name, or by its position `at` in the chart.

    Client and server have the same colours on every chart.
    """
    if name == "SLO":
        return RED
    if name == "offered":
        return STEP
    if "waiting included" in name:
        return WAITING
    if name.startswith("client"):
        return CLIENT
    if name.startswith("server"):
        return SERVER
    return CYCLE[at % len(CYCLE)]


def status_color(code: str) -> str:
    """Return the colour of a class of HTTP status codes."""
    return STATUS.get(code[:1], STEP)


HEAT = tuple(f"#E8590C{round(20 + 235 * (level / 31) ** 0.7):02x}" for level in range(32))
"""Scale of a heatmap, from nearly transparent to opaque, for light and dark pages."""
