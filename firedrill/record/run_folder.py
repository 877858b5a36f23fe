"""A run on disk: the folder `runs/<id>/` with run.json, logs and Prometheus's data."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isinf
from typing import TYPE_CHECKING, Self

from firedrill import atomic_file
from firedrill.errors import BadInput, Missing
from firedrill.processes import reservations
from firedrill.prometheus.overlay import RecordedRun
from firedrill.record.run_document import RunDocument

if TYPE_CHECKING:
    from pathlib import Path

LAST = "last"
"""The name of the newest run."""

NEEDED_BYTES = 20_000_000
"""Disk space for the samples and logs of a short run while it is recorded, with a reserve."""


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of one run."""

    folder: Path

    @classmethod
    def create(cls, out: Path, title: str) -> Self:
        """Make a new folder below `out`, named after the time and the title; no run has its name.

        Raises:
            BadInput: the folder cannot be made there.
            Missing: the disk has no room for a run.
        """
        words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]
        stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{words}"
        for name in (stem, *(f"{stem}-{number}" for number in range(2, 1000))):
            # Its id is not that of a run in another folder either.
            if not reservations.keep(f"run-{name}"):
                continue
            try:
                (out / name).mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise BadInput(
                    f"--out {out}: {error.strerror}; expected a folder to write to"
                ) from error
            run = cls(out / name)
            run.check_disk_space()
            return run
        raise BadInput(f"--out {out}: a thousand runs are called {stem}; choose another folder")

    def check_disk_space(self) -> None:
        """Remove the folder and raise Missing where the disk has no room for a run."""
        free = shutil.disk_usage(self.folder).free
        if free < NEEDED_BYTES:
            self.remove()
            raise Missing(
                f"--out {self.folder.parent}: {free / 1e6:.1f} MB are free there; "
                f"expected room for a run, {NEEDED_BYTES / 1e6:.0f} MB"
            )

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def snapshot(self) -> Path:
        """Folder of Prometheus's data. Copy it before use: a Prometheus writes into its data."""
        return self.folder / "tsdb"

    @property
    def json_file(self) -> Path:
        """The file run.json."""
        return self.folder / "run.json"

    def write(self, document: RunDocument) -> None:
        """Write run.json, whole or not at all. Raises Missing where the disk has no room for it."""
        text = json.dumps(document.content(), indent=2, allow_nan=False)
        try:
            atomic_file.write(self.json_file, text + "\n")
        except OSError as error:
            raise Missing(f"{self.json_file}: {error.strerror}; expected room for it") from error

    def read(self) -> RunDocument:
        """Read run.json.

        Raises:
            BadInput: the folder has none, or it is no JSON object.
        """
        try:
            # JSON has no word for NaN, and 1e999 is too large for a number: both are no figure.
            content = json.loads(
                self.json_file.read_text(),
                parse_constant=lambda _: None,
                parse_float=_finite,
                parse_int=_finite,
            )
        except OSError as error:
            raise BadInput(
                f"{self.json_file}: {error.strerror}; expected a run's folder with run.json in it"
            ) from error
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{self.json_file}: no JSON ({error})") from error
        if not isinstance(content, dict):
            kind = type(content).__name__
            raise BadInput(f"{self.json_file}: a {kind}; expected a JSON object")
        return RunDocument.parse(content)

    def recorded(self) -> RecordedRun:
        """Return the run's data, for a Prometheus to open.

        Raises:
            BadInput: nothing was recorded.
        """
        window = self.read().window
        if window is None or not self.snapshot.is_dir():
            raise BadInput(f"{self.folder}: nothing was recorded in this run")
        if not window.start <= window.end:
            raise BadInput(
                f"{self.json_file}: window is {window.start} to {window.end}; "
                "expected the Unix times of its start and end"
            )
        return RecordedRun(self.id, self.snapshot, window.start, window.end)

    def size_bytes(self) -> int:
        """Return the size of the folder's files."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)


def _finite(text: str) -> float | None:
    """Return the number in a text, an int where it is whole; None where a float cannot hold it."""
    if isinf(float(text)):
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def runs_in(out: Path) -> list[Run]:
    """Return the runs below a folder, oldest first; folders without run.json are no runs."""
    return [Run(file.parent) for file in sorted(out.glob("*/run.json"))]


def find(out: Path, name: str) -> Run:
    """Return the run with this id (or an unambiguous beginning of one), or at this path.

    `last` is the newest run.

    Raises:
        BadInput: no run matches, or several do.
    """
    if not name:
        raise BadInput("an empty name; expected a run's id, the beginning of one, or its folder")
    at_path = Run(out.__class__(name))
    if at_path.json_file.is_file():
        return at_path
    recorded = runs_in(out)
    if name == LAST and recorded:
        return recorded[-1]
    matching = [run for run in recorded if run.id.startswith(name)]
    exact = [run for run in matching if run.id == name]
    if not matching:
        for folder in (at_path.folder, out / name):
            if folder.is_dir():
                raise BadInput(f"{folder}: has no run.json; expected the folder of a recorded run")
    if len(exact or matching) != 1:
        if not recorded:
            raise BadInput(f"{name}: no runs in {out}; record one with `firedrill run smoke`")
        known = ", ".join(run.id for run in (matching or recorded)[-3:])
        raise BadInput(
            f"{name}: {len(matching) or 'no'} runs in {out} begin with that; the latest: {known}"
        )
    return (exact or matching)[0]
