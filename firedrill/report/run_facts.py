"""What run.json says, read so that a figure which an older Firedrill did not have is None and no error. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.record.limits import ERROR_FLOOR_RATIO, LATENCY_FLOOR_SECONDS, SCHEMA
from firedrill.record.run_description import server_name

if TYPE_CHECKING:
    from collections.abc import Callable

    Types = tuple[type, ...]

KNOWN = (
    "started",
    "profile",
    "versions",
    "faults",
    "window",
    "remarks",
    "notifications",
    "figures",
)
"""Parts of run.json that a report reads; some are younger than others."""

NUMBER: Types = (int, float)
MAYBE: Types = (int, float, type(None))
RECORDS: Mapping[str, Mapping[str, Types]] = {
    "figures.steps": {
        "index": (int,),
        "start_seconds": NUMBER,
        "end_seconds": NUMBER,
        "users": NUMBER,
    },
    "figures.alerts": {
        "name": (str,),
        "labels": (dict,),
        "pending_after_seconds": MAYBE,
        "firing_after_seconds": MAYBE,
        "firing_seconds": NUMBER,
    },
    "faults": {"fault": (str,), "size": NUMBER, "start": NUMBER, "end": NUMBER},
    "notifications": {"after_seconds": NUMBER},
    "matrix.columns": {"fault": (str,), "cells": (list,)},
}
"""What the records of a list must have to be records at all; others are left out, and `damage` says so."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One run's document."""

    id: str
    document: Mapping[str, Any]

    def __call__(self, path: str) -> Any:
        """The value at a path such as `figures.client.rate`; None where there is none."""
        found: Any = self.document
        for word in path.split("."):
            found = found.get(word) if isinstance(found, Mapping) else None
        return found

    def number(self, path: str) -> float | None:
        """The number at a path."""
        found = self(path)
        return (
            float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
        )

    def is_lower_bound(self, path: str) -> bool:
        """Whether the percentile at a path was raised by requests that were still waiting."""
        client, _, name = path.partition(".latency_including_waiting_seconds.")
        at_least = self(f"{client}.at_least")
        return isinstance(at_least, list | tuple) and name in at_least

    def time(self, path: str) -> str:
        """The time at a path in words, `> 24 s` where it is a lower bound."""
        text = units.seconds(self.number(path))
        return units.at_least(text) if self.is_lower_bound(path) else text

    def rows(self, path: str) -> list[Mapping[str, Any]]:
        """The records of a list, those that are none left out."""
        found, needed = self(path), RECORDS.get(path, {})
        whole = (
            [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
        )
        return [
            row
            for row in whole
            if all(isinstance(row.get(name), types) for name, types in needed.items())
        ]

    def texts(self, path: str) -> list[str]:
        """A list of names."""
        found = self(path)
        return (
            [name for name in found if isinstance(name, str)]
            if isinstance(found, list | tuple)
            else []
        )

    def mapping(self, path: str) -> Mapping[str, Any]:
        """A record; empty where there is none."""
        found = self(path)
        return found if isinstance(found, Mapping) else {}

    @property
    def status(self) -> str:
        """PASSED, FAILED, INVALID, INTERRUPTED; UNKNOWN where there is no verdict."""
        return str(self("verdict.status") or "UNKNOWN")

    @property
    def reasons(self) -> list[str]:
        """Why."""
        return [
            str(reason.get("text", reason.get("code", "")))
            for reason in self.rows("verdict.reasons")
        ]

    @property
    def server(self) -> str:
        """What was loaded, as people say it."""
        return server_name(self.document)

    @property
    def profile(self) -> str:
        """The profile's name."""
        return str(self("profile.name") or "an unknown profile")

    @property
    def seconds(self) -> float | None:
        """How long the load lasted."""
        start, end = self.number("window.start"), self.number("window.end")
        return None if start is None or end is None else end - start

    @property
    def started(self) -> str:
        """When, in UTC."""
        try:
            return f"{datetime.fromisoformat(str(self('started'))):%-d %B %Y, %H:%M:%S} UTC"
        except ValueError:
            return "at an unknown time"

    @property
    def damage(self) -> str | None:
        """A sentence about records that had to be left out; None where there is none."""
        broken = [
            path
            for path in RECORDS
            if isinstance(self(path), list) and len(self.rows(path)) < len(self(path))
        ]
        return (
            f"run.json is damaged: records of {', '.join(broken)} are left out." if broken else None
        )

    @property
    def began(self) -> list[str]:
        """Day and time of its begin, in UTC."""
        try:
            moment = datetime.fromisoformat(str(self("started")))
        except ValueError:
            return ["at an unknown time"]
        return [f"{moment:%-d %B}", f"{moment:%H:%M:%S}"]

    @property
    def age(self) -> str | None:
        """A sentence about a run.json of another version; None where it is of this one."""
        schema, missing = (
            self.number("schema"),
            [name for name in KNOWN if name not in self.document],
        )
        if schema is not None and schema > SCHEMA:
            return "This run was recorded by a newer Firedrill; what this version does not know is not shown."
        if schema != SCHEMA or missing:
            lacking = f" It recorded no {', '.join(missing)}." if missing else ""
            return f"This run was recorded by an older Firedrill; figures that it did not have are shown as {units.NOTHING}.{lacking}"
        return None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run: where it stands in run.json, how it is written, and which way is worse."""

    section: str
    name: str
    path: str
    written: Callable[[float | None], str]
    more_is_worse: bool | None = True
    """None: neither."""
    noise: float = 0.0
    """A smaller difference is none."""

    def of(self, facts: Facts) -> float | None:
        """Its value."""
        return facts.number(self.path)

    def text(self, facts: Facts) -> str:
        """Its value in words."""
        text = self.written(self.of(facts))
        return units.at_least(text) if facts.is_lower_bound(self.path) else text


def _latency(section: str, path: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(section, name, f"figures.{path}.{name}", units.seconds, noise=LATENCY_FLOOR_SECONDS)
        for name in ("p50", "p95", "p99")
    )


A_FEW, STALL_SECONDS = 10, 0.2
"""Requests that a healthy run has more or less, and how long a machine stalls without a reason in the API."""

FIGURES = (
    *_latency("Client, waiting included", "client.latency_including_waiting_seconds"),
    *_latency("Client, answered only", "client.latency_seconds"),
    *_latency("Server", "server.latency_seconds"),
    *_latency("Handler alone", "server.handler_latency_seconds"),
    Figure("Traffic", "offered", "figures.client.offered_rate", units.rate, more_is_worse=None),
    Figure("Traffic", "achieved", "figures.client.rate", units.rate, more_is_worse=False),
    Figure("Traffic", "never sent", "figures.arrivals.unsent", units.count),
    Figure("Traffic", "left at the end", "figures.arrivals.left", units.count),
    Figure(
        "Traffic",
        "begun late, p99",
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
    Figure("Honesty", "most in flight", "figures.honesty.in_flight_max", units.count, noise=A_FEW),
    Figure(
        "Honesty",
        "oldest in flight",
        "figures.honesty.oldest_max_seconds",
        units.seconds,
        noise=STALL_SECONDS,
    ),
    Figure("Honesty", "most starved", "figures.honesty.starved_max", units.count),
    Figure("Honesty", "abandoned", "figures.honesty.abandoned.in_flight", units.count, noise=A_FEW),
    Figure("Honesty", "of them failed", "figures.honesty.hung", units.count),
    Figure("Honesty", "tasks crashed", "figures.honesty.exceptions", units.count),
    Figure(
        "Honesty",
        "generator CPU",
        "figures.honesty.generator_cpu_max_ratio",
        units.percent,
        noise=0.1,
    ),
)
"""The figures that runs are compared by."""
