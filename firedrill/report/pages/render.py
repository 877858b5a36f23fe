"""Render charts and tables to one HTML file that contains its styles, scripts and data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.document import Document
from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from firedrill import __version__, units
from firedrill.report.pages import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.report.charts.chart_types import Chart
    from firedrill.report.recorded_series import Recording

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_NAME = 120
"""Characters of a name that a table shows; the tooltip and the data have the whole name."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: headings, rows, and the columns that are texts (figures are aligned right)."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: tuple[int, ...] = (0,)


def render(template: str, charts: Sequence[Chart], **context: Any) -> str:
    """Render a page; the template escapes every text."""
    script, divs = _embedded([chart.figure for chart in charts if chart.figure])
    return (
        _environment()
        .get_template(template)
        .render(
            charts=[(chart, next(divs) if chart.figure else "") for chart in charts],
            chart_script=script,
            library=_library() if script else "",
            version=__version__,
            units=units,
            words=sentences,
            **context,
        )
    )


def _embedded(figures: Sequence[Any]) -> tuple[str, Iterator[str]]:
    """Return the script that draws the plots, and the HTML element of each."""
    if not figures:
        return "", iter(())
    document = Document()
    with document.models.freeze():  # Without it, all models are traversed again for each plot.
        for figure in figures:
            document.add_root(figure)
    script, divs = components(figures)
    return script, iter(divs)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unquoted"] = lambda text: re.sub(r"`([^`]*)`", r"“\1”", text)
    environment.filters["clip"] = lambda text: (
        text if len(str(text)) <= LONGEST_NAME else f"{str(text)[: LONGEST_NAME - 1]}…"
    )
    return environment


def _library() -> str:
    return str(Resources(mode="inline", components=["bokeh"]).render())


def data_of(recordings: Sequence[Recording], documents: Sequence[Mapping[str, Any]]) -> str:
    """Return the downloads (run.json and series of each run) as JSON for a script element."""
    content = {
        "runs": documents,
        "series": [
            {"run": recording.run_id, "columns": _columns(recording)} for recording in recordings
        ],
        "endpoints": [
            {
                "run": recording.run_id,
                "method": endpoint.method,
                "name": endpoint.name,
                "requests": endpoint.requests,
            }
            for recording in recordings
            for endpoint in recording.endpoints
        ],
    }
    # Escaped, so that no text can end the script element.
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _columns(recording: Recording) -> dict[str, list[float | None]]:
    columns = {
        f"{panel}: {line.name}": line.values
        for panel, lines in recording.lines.items()
        for line in lines
    }
    return {
        "seconds": _plain(recording.times),
        **{name: _plain(values) for name, values in columns.items()},
    }


def _plain(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.5g}") for value in values]
