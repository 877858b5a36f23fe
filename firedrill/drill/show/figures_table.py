"""The table of figures at the terminal: a row for each figure, a column for each run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from firedrill import units
from firedrill.drill.show import column_widths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from firedrill.record.figures import Alert, Arrivals, Figures, Latency
    from firedrill.record.run_document import RunDocument

    Cell = Callable[[Figures], str]

QUANTILES = ("p50", "p95", "p99")
SHOWN_LIMITS = 3
"""Resources of which the largest use is shown."""
SMALLEST_SHOWN_RATIO = 0.01
WORTH_TELLING_SECONDS = 0.5
"""Shortest set-up or tear-down without requests that is shown."""
WIDEST_HEADING = 26
NARROWEST_COLUMN = 10


@dataclass(frozen=True)
class FiguresTable:
    """The figures of runs; rows that no run fills are left out.

    Runs that do not fit beside each other are shown in a table of their own below.
    """

    documents: Sequence[RunDocument]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [_column(document) for document in self.documents]
        filled = [row for row in ROWS if any(row in column for column in columns)]
        labels = [_label(name) for _, name in filled]
        label_width = max(map(len, [*labels, *SECTIONS]), default=0)
        for number, chunk in enumerate(_chunks(columns, options.max_width - label_width)):
            if number:
                yield Text()
            documents = [self.documents[index] for index in chunk]
            chosen = [columns[index] for index in chunk]
            headings = [min(WIDEST_HEADING, len(document.served_by)) for document in documents]
            widths = column_widths.distributed(
                [label_width, *map(_width, chosen)],
                [label_width, *headings],
                options.max_width,
            )
            yield _table(documents, chosen, filled, widths)


Column = dict[tuple[str, str], str]
"""The texts of one run, by section and name."""


def _column(document: RunDocument) -> Column:
    if document.figures is None:
        return {}
    texts = {row: CELLS[row](document.figures) for row in ROWS}
    return {row: text for row, text in texts.items() if text != units.NOTHING}


def _width(column: Column) -> int:
    lines = (line for text in column.values() for line in text.splitlines())
    return max(NARROWEST_COLUMN, *map(len, lines), 0)


def _chunks(columns: Sequence[Column], free: int) -> list[list[int]]:
    """Distribute the indexes of the runs over as many tables as the width needs."""
    chunks: list[list[int]] = []
    used = free
    for index, column in enumerate(columns):
        width = _width(column) + column_widths.GAP
        if used + width > free:
            chunks.append([])
            used = 0
        chunks[-1].append(index)
        used += width
    return chunks


def _table(
    documents: Sequence[RunDocument],
    columns: Sequence[Column],
    rows: Sequence[tuple[str, str]],
    widths: Sequence[int],
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", width=widths[0])
    for document, width in zip(documents, widths[1:], strict=True):
        table.add_column(document.served_by, justify="right", width=width, overflow="fold")
    last_section = None
    for section, name in rows:
        if section != last_section:
            table.add_row(Text(section, style="bold"))
            last_section = section
        cells = (Text(column.get((section, name), units.NOTHING)) for column in columns)
        table.add_row(_label(name), *cells)
    return table


def _label(name: str) -> str:
    return f"  {name}"


def fired_alerts(figures: Figures) -> list[Alert]:
    """Return the alerts that fired, by their first firing; of equal names, the first."""
    fired: dict[tuple[str, str], tuple[float, Alert]] = {}
    for alert in figures.alerts:
        after = alert.firing_after_seconds
        key = (alert.name, alert.severity)
        if after is not None and (key not in fired or after < fired[key][0]):
            fired[key] = (after, alert)
    return [alert for _, alert in sorted(fired.values(), key=lambda item: item[0])]


def fired_names(figures: Figures) -> list[str]:
    """Return the names of the alerts that fired, each once."""
    return list(dict.fromkeys(alert.name for alert in fired_alerts(figures)))


def _quantiles(latency: Latency) -> str:
    return units.together([latency.get(name) for name in QUANTILES])


def _tail(latency: Latency) -> str:
    return units.together([latency.get(name) for name in ("mean", "p99.9", "max")])


def _waiting_included(figures: Figures) -> str:
    client = figures.client
    latency = client.latency_including_waiting_seconds
    lower_bounds = [at for at, name in enumerate(QUANTILES) if name in client.at_least]
    return units.together([latency.get(name) for name in QUANTILES], lower_bounds)


def _arrivals(written: Callable[[Arrivals], str]) -> Cell:
    """Return a cell for open workloads; a closed workload has no arrivals."""
    return lambda figures: written(figures.arrivals) if figures.arrivals else units.NOTHING


def _first_saturated(figures: Figures) -> str:
    saturation = figures.saturation
    if saturation.ran_out_first:
        return f"{saturation.ran_out_first}, {units.seconds(saturation.ran_out_after_seconds)}"
    return "none" if saturation.nearest else units.NOTHING


def _largest_ratios(figures: Figures) -> str:
    ratios = sorted(figures.saturation.largest_ratio.items(), key=lambda item: -item[1])
    lines = (
        f"{name} {units.percent(ratio)}"
        for name, ratio in ratios[:SHOWN_LIMITS]
        if ratio >= SMALLEST_SHOWN_RATIO
    )
    return "\n".join(lines) or units.NOTHING


def _abandoned(figures: Figures) -> str:
    counts = [count for count in figures.honesty.abandoned.values() if count is not None]
    return units.count(sum(counts) if counts else None)


def _outside(figures: Figures, seconds: float | None, phase: str) -> str:
    """Return the length of a phase that is not judged, with the requests sent in it."""
    requests = round(figures.counts.outside_load.get(phase) or 0)
    sent = f", {units.counted(requests, 'request')}" if requests else ""
    if not requests and (seconds is None or seconds < WORTH_TELLING_SECONDS):
        return units.NOTHING
    return f"{units.seconds(seconds)}{sent}"


SECTIONS: Mapping[str, Mapping[str, Cell]] = {
    "p50 / p95 / p99": {
        "client": lambda figures: _quantiles(figures.client.latency_seconds),
        "from schedule": lambda figures: _quantiles(
            figures.client.latency_from_schedule_seconds or {}
        ),
        "waiting included": _waiting_included,
        "server": lambda figures: _quantiles(figures.server.latency_seconds),
        "handler alone": lambda figures: _quantiles(figures.server.handler_latency_seconds),
    },
    "mean / p99.9 / max": {
        "client": lambda figures: _tail(figures.client.latency_seconds),
        "waiting included": lambda figures: _tail(figures.client.latency_including_waiting_seconds),
        "server": lambda figures: _tail(figures.server.latency_seconds),
    },
    "Traffic": {
        "offered": lambda figures: units.rate(figures.client.offered_rate),
        "achieved": lambda figures: units.rate(figures.client.rate),
        "dropped arrivals": _arrivals(lambda arrivals: units.count(arrivals.unsent)),
        "backlog at end": _arrivals(lambda arrivals: units.count(arrivals.left)),
        "start delay, p99": _arrivals(
            lambda arrivals: units.seconds(arrivals.lateness_p99_seconds)
        ),
    },
    "Outside the load": {
        "set-up": lambda figures: _outside(figures, figures.setup_seconds, "setup"),
        "tear-down": lambda figures: _outside(figures, figures.teardown_seconds, "teardown"),
    },
    "Errors": {
        "client": lambda figures: units.percent(figures.client.error_ratio),
        "server": lambda figures: units.percent(figures.server.error_ratio),
    },
    "Saturation": {
        "first saturated": _first_saturated,
        "most used limits": _largest_ratios,
    },
    "Measurement quality": {
        "in flight, most": lambda figures: units.count(figures.honesty.in_flight_max),
        "oldest in flight": lambda figures: units.seconds(figures.honesty.oldest_max_seconds),
        "starved, most": lambda figures: units.count(figures.honesty.starved_max),
        "abandoned": _abandoned,
        "hung, as failed": lambda figures: units.count(figures.honesty.hung),
        "tasks crashed": lambda figures: units.count(figures.honesty.exceptions),
        "generator CPU": lambda figures: units.percent(figures.honesty.generator_cpu_max_ratio),
    },
    "Alerts": {"fired": lambda figures: units.count(len(fired_names(figures)))},
}

ROWS = [(section, name) for section, cells in SECTIONS.items() for name in cells]
CELLS = {(section, name): SECTIONS[section][name] for section, name in ROWS}
