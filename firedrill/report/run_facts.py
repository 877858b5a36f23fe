"""Facts of a run as its report shows them (start, length, figures); a damaged one is None."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.histogram import QUANTILES
from firedrill.record.limits import ERROR_FLOOR_RATIO, LATENCY_FLOOR_SECONDS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.record.figures import ClientSide
    from firedrill.record.run_document import RunDocument

KNOWN_PARTS = (
    "started",
    "profile",
    "versions",
    "faults",
    "window",
    "remarks",
    "notifications",
    "figures",
)
"""Parts of run.json that a report reads; older versions lack some."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The run.json of one run, and the fault matrix where it is the quiet run of one."""

    id: str
    document: RunDocument
    matrix: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, path: str) -> Any:
        """Return the value at a path such as `figures.client.rate`; None where there is none."""
        node: Any = self
        for name in re.split(r"\.(?!\d)", path):  # p99.9 is one name
            if isinstance(node, Facts):
                node = self.matrix if name == "matrix" else getattr(self.document, name, None)
            elif isinstance(node, Mapping):
                node = node.get(name)
            else:
                node = getattr(node, name, None)
        return node

    def number(self, path: str) -> float | None:
        """Return the number at a path; None where there is none."""
        value = self(path)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number else None

    def is_lower_bound(self, path: str) -> bool:
        """Return whether waiting requests have raised the percentile at a path."""
        client, _, name = path.partition(".latency_including_waiting_seconds.")
        return name in self.texts(f"{client}.at_least")

    def time(self, path: str) -> str:
        """Return the time at a path in words, `> 24 s` where it is a lower bound."""
        text = units.latency(self.number(path))
        return units.at_least(text) if self.is_lower_bound(path) else text

    def rows(self, path: str) -> list[Mapping[str, Any]]:
        """Return the records of a list."""
        records = self(path)
        if not isinstance(records, list | tuple):
            return []
        return [_mapping(record) for record in records if _is_record(record)]

    def texts(self, path: str) -> list[str]:
        """Return the strings of a list."""
        value = self(path)
        return (
            [name for name in value if isinstance(name, str)]
            if isinstance(value, list | tuple)
            else []
        )

    def mapping(self, path: str) -> Mapping[str, Any]:
        """Return the record at a path; empty where there is none."""
        value = self(path)
        return _mapping(value) if _is_record(value) else {}

    @property
    def content(self) -> dict[str, Any]:
        """The document, and the matrix where there is one, as JSON has them."""
        matrix = {"matrix": dict(self.matrix)} if self.matrix else {}
        return {**self.document.content(), **matrix}

    @property
    def status(self) -> str:
        """PASSED, FAILED, INVALID, INTERRUPTED; UNKNOWN where there is no verdict."""
        return self.document.status

    @property
    def reasons(self) -> list[str]:
        """The verdict's reasons, as sentences."""
        return [reason.text or reason.code for reason in self.document.reasons]

    @property
    def server(self) -> str:
        """The server or target in words."""
        return self.document.served_by

    @property
    def profile(self) -> str:
        """The profile's name."""
        return str(self("profile.name") or "an unknown profile")

    @property
    def seconds(self) -> float | None:
        """Duration of the load."""
        start, end = self.number("window.start"), self.number("window.end")
        return None if start is None or end is None else end - start

    @property
    def started(self) -> str:
        """Start of the run in UTC."""
        try:
            return f"{datetime.fromisoformat(str(self('started'))):%-d %B %Y, %H:%M:%S} UTC"
        except ValueError:
            return "at an unknown time"

    @property
    def damage_warning(self) -> str | None:
        """A sentence about records that had to be left out; None where there is none."""
        left_out = list(self.document.left_out)
        columns = self("matrix.columns")
        if isinstance(columns, list) and len(whole_columns(self.matrix)) < len(columns):
            left_out.append("matrix.columns")
        if not left_out:
            return None
        return f"run.json is damaged: records of {', '.join(left_out)} are left out."

    @property
    def start_parts(self) -> list[str]:
        """Day and time of the start in UTC."""
        try:
            start = datetime.fromisoformat(str(self("started")))
        except ValueError:
            return ["at an unknown time"]
        return [f"{start:%-d %B}", f"{start:%H:%M:%S}"]

    @property
    def version_warning(self) -> str | None:
        """A warning about a run.json of another version; None for the current one."""
        schema = self.number("version")
        missing = [name for name in KNOWN_PARTS if name not in self.document.model_fields_set]
        if schema is not None and schema > SCHEMA:
            return (
                "This run was recorded by a newer Firedrill; figures that this version does not"
                " know are not shown."
            )
        if schema != SCHEMA or missing:
            lacking = f" It did not record: {', '.join(missing)}." if missing else ""
            return (
                "This run was recorded by an older Firedrill; figures that it did not record are"
                f" shown as {units.NOTHING}.{lacking}"
            )
        return None


def time_with_waiting(client: ClientSide, percentile: str) -> str:
    """Return a percentile with the waiting in words, `> 24 s` where it is a lower bound."""
    text = units.latency(client.latency_including_waiting_seconds.get(percentile))
    return units.at_least(text) if percentile in client.at_least else text


def whole_columns(matrix: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the columns of a fault matrix that are columns at all."""
    columns = matrix.get("columns")
    return [
        column
        for column in (columns if isinstance(columns, list) else ())
        if isinstance(column, Mapping)
        and isinstance(column.get("fault"), str)
        and isinstance(column.get("cells"), list)
    ]


def _is_record(value: Any) -> bool:
    return isinstance(value, Mapping) or is_dataclass(value)


def _mapping(record: Any) -> Mapping[str, Any]:
    return record if isinstance(record, Mapping) else asdict(record)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a run: its path in run.json, its format, and which direction is worse."""

    section: str
    name: str
    path: str
    formatted: Callable[[float | None], str]
    more_is_worse: bool | None = True
    """None where neither direction is worse."""
    noise: float = 0.0
    """Largest difference that is not significant."""

    def value(self, facts: Facts) -> float | None:
        """Return the value of a run."""
        return facts.number(self.path)

    def text(self, facts: Facts) -> str:
        """Return the value of a run as text."""
        text = self.formatted(self.value(facts))
        return units.at_least(text) if facts.is_lower_bound(self.path) else text


def _latency(section: str, path: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(section, name, f"figures.{path}.{name}", units.latency, noise=LATENCY_FLOOR_SECONDS)
        for name in (*QUANTILES, "mean", "max")
    )


FEW_REQUESTS, STALL_SECONDS = 10, 0.2
"""Number of requests by which healthy runs differ, and time for which a busy machine may stall."""

FIGURES = (
    *_latency("Client, waiting included", "client.latency_including_waiting_seconds"),
    *_latency("Client, answered only", "client.latency_seconds"),
    *_latency("Server", "server.latency_seconds"),
    *_latency("Handler only", "server.handler_latency_seconds"),
    Figure("Traffic", "offered", "figures.client.offered_rate", units.rate, more_is_worse=None),
    Figure("Traffic", "achieved", "figures.client.rate", units.rate, more_is_worse=False),
    Figure("Traffic", "dropped arrivals", "figures.arrivals.unsent", units.count),
    Figure("Traffic", "backlog at end", "figures.arrivals.left", units.count),
    Figure(
        "Traffic",
        "start delay, p99",
        "figures.arrivals.lateness_p99_seconds",
        units.seconds,
        noise=LATENCY_FLOOR_SECONDS,
    ),
    Figure(
        "Errors", "client", "figures.client.error_ratio", units.percent, noise=ERROR_FLOOR_RATIO
    ),
    Figure(
        "Errors", "server", "figures.server.error_ratio", units.percent, noise=ERROR_FLOOR_RATIO
    ),
    Figure(
        "Measurement quality",
        "most in flight",
        "figures.honesty.in_flight_max",
        units.count,
        noise=FEW_REQUESTS,
    ),
    Figure(
        "Measurement quality",
        "oldest in flight",
        "figures.honesty.oldest_max_seconds",
        units.seconds,
        noise=STALL_SECONDS,
    ),
    Figure("Measurement quality", "most starved", "figures.honesty.starved_max", units.count),
    Figure(
        "Measurement quality",
        "abandoned requests",
        "figures.honesty.abandoned.in_flight",
        units.count,
        noise=FEW_REQUESTS,
    ),
    Figure(
        "Measurement quality",
        "hung requests counted as failed",
        "figures.honesty.hung",
        units.count,
    ),
    Figure("Measurement quality", "task exceptions", "figures.honesty.exceptions", units.count),
    Figure(
        "Measurement quality",
        "generator CPU",
        "figures.honesty.generator_cpu_max_ratio",
        units.percent,
        noise=0.1,
    ),
)
"""Figures of the comparison of runs."""
