"""The history of runs: one small file a run, to be cached or committed.

A recorded run has megabytes of samples, and CI forgets it. Its entry has the figures of a trend.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from pydantic import TypeAdapter, ValidationError

from firedrill import atomic_file
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from firedrill.record.run_folder import Run

SCHEMA = 1
"""Version of an entry; it grows when a field changes its meaning."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The figures of a run that a trend shows. Seconds, requests a second, ratios."""

    id: str
    started: str
    profile: str
    served_by: str
    verdict: str
    commit: str | None = None
    rate: float | None = None
    offered_rate: float | None = None
    error_ratio: float | None = None
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    p99_seconds: float | None = None
    mean_seconds: float | None = None
    schema: int = SCHEMA

    @classmethod
    def of(cls, run: Run) -> Self:
        """Take the entry from a run; latencies are those with the waiting included.

        Raises BadInput where its run.json cannot be read.
        """
        document = run.read()
        client = document.figures.client if document.figures else None
        latency = client.latency_including_waiting_seconds if client else {}
        return cls(
            id=run.id,
            started=document.started,
            profile=document.profile.name,
            served_by=document.served_by,
            verdict=document.status,
            commit=document.commit,
            rate=client.rate if client else None,
            offered_rate=client.offered_rate if client else None,
            error_ratio=client.error_ratio if client else None,
            p50_seconds=latency.get("p50"),
            p95_seconds=latency.get("p95"),
            p99_seconds=latency.get("p99"),
            mean_seconds=latency.get("mean"),
        )


_ENTRY = TypeAdapter(Entry)


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """Write the file of each entry. Raises BadInput where the folder cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            text = json.dumps(asdict(entry), indent=1, allow_nan=False)
            atomic_file.write(folder / f"{entry.id}.json", f"{text}\n")
    except OSError as error:
        raise BadInput(
            f"--history {folder}: {error.strerror}; expected a folder to write to"
        ) from error


def of_runs(runs: Iterable[Run]) -> list[Entry]:
    """Return the entries of recorded runs; a run that cannot be read has none."""
    entries = []
    for run in runs:
        with suppress(BadInput):
            entries.append(Entry.of(run))
    return entries


def merged(*histories: Iterable[Entry]) -> list[Entry]:
    """Return the entries of several histories, each run once, oldest first."""
    by_id = {entry.id: entry for history in histories for entry in history}
    return sorted(by_id.values(), key=lambda entry: (entry.started, entry.id))


def read(folder: Path) -> tuple[list[Entry], list[str]]:
    """Return the entries of a folder, and the names of files that are none."""
    entries, refused = [], []
    for file in sorted(folder.glob("*.json")):
        try:
            entries.append(_ENTRY.validate_json(file.read_bytes()))
        except (OSError, ValidationError):
            refused.append(file.name)
    return entries, refused
