"""A run on disk: `runs/<id>/` with run.json, the log of every process, and Prometheus's data for the window."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isinf, nan
from typing import TYPE_CHECKING, Any, Self

from firedrill import whole_file
from firedrill.errors import BadInput, Missing
from firedrill.prometheus.overlay import Recorded

if TYPE_CHECKING:
    from pathlib import Path

ROOM_BYTES = 20_000_000
"""What the samples and logs of a short run take while it is recorded, and some more."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder."""

    folder: Path

    @classmethod
    def create(cls, out: Path, title: str) -> Self:
        """A new folder below `out`, named after the time and the title.

        Raises:
            BadInput: it cannot be made there.
            Missing: there is no room for a run.
        """
        words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]
        stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{words}"
        for name in (stem, *(f"{stem}-{number}" for number in range(2, 1000))):
            try:
                (out / name).mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise BadInput(
                    f"--out {out}: {error.strerror}; expected a folder to write to"
                ) from error
            return cls(out / name).with_room()
        raise BadInput(f"--out {out}: a thousand runs are called {stem}")

    def with_room(self) -> Self:
        """Itself; where the disk is all but full the folder is removed again, and Missing raised."""
        free = shutil.disk_usage(self.folder).free
        if free < ROOM_BYTES:
            self.remove()
            raise Missing(
                f"--out {self.folder.parent}: {free / 1e6:.1f} MB are free there; expected room for a run, {ROOM_BYTES / 1e6:.0f} MB"
            )
        return self

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def snapshot(self) -> Path:
        """Prometheus's data for the window, to be copied before use: a Prometheus writes into what it opens."""
        return self.folder / "tsdb"

    @property
    def document(self) -> Path:
        """The file run.json."""
        return self.folder / "run.json"

    def write(self, content: dict[str, Any]) -> None:
        """Write run.json, whole or not at all. Raises Missing where there is no room for it."""
        try:
            whole_file.write(self.document, json.dumps(content, indent=2, allow_nan=False) + "\n")
        except OSError as error:
            raise Missing(f"{self.document}: {error.strerror}; expected room for it") from error

    def read(self) -> dict[str, Any]:
        """What run.json says.

        Raises:
            BadInput: there is none, or it is no JSON object.
        """
        try:
            # What is no number to JSON (`NaN`), or too large for one (`1e999`), is no figure.
            content = json.loads(
                self.document.read_text(),
                parse_constant=lambda _: None,
                parse_float=_figure,
                parse_int=_figure,
            )
        except OSError as error:
            raise BadInput(
                f"{self.document}: {error.strerror}; expected a run's folder with run.json in it"
            ) from error
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{self.document}: no JSON ({error})") from error
        if not isinstance(content, dict):
            raise BadInput(f"{self.document}: a {type(content).__name__}; expected a JSON object")
        return content

    def recorded(self) -> Recorded:
        """Its data for a Prometheus.

        Raises:
            BadInput: nothing was recorded.
        """
        window = self.read().get("window")
        times = [window.get(name) for name in ("start", "end")] if isinstance(window, dict) else []
        if not times or not self.snapshot.is_dir():
            raise BadInput(f"{self.folder}: nothing was recorded in this run")
        start, end = (time if isinstance(time, int | float) else nan for time in times)
        if not start <= end:
            raise BadInput(
                f"{self.document}: window is {window}; expected the Unix times of its start and end"
            )
        return Recorded(self.id, self.snapshot, start, end)

    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder)


def _figure(text: str) -> float | None:
    number = float(text)
    return None if isinf(number) else int(text) if text.lstrip("-").isdecimal() else number


def runs_in(out: Path) -> list[Run]:
    """The runs below a folder, oldest first; folders that hold no run.json are none of ours."""
    return [Run(document.parent) for document in sorted(out.glob("*/run.json"))]


def find(out: Path, name: str) -> Run:
    """The run with this id (or a beginning that fits one only), or at this path.

    Raises:
        BadInput: no run fits, or several do.
    """
    if not name:
        raise BadInput("an empty name; expected a run's id, the beginning of one, or its folder")
    at_path = Run(out.__class__(name))
    if at_path.document.is_file():
        return at_path
    fitting = [run for run in runs_in(out) if run.id.startswith(name)]
    exact = [run for run in fitting if run.id == name]
    if not fitting:
        for folder in (at_path.folder, out / name):
            if folder.is_dir():
                raise BadInput(f"{folder}: has no run.json; expected the folder of a recorded run")
    if len(exact or fitting) != 1:
        known = ", ".join(run.id for run in (fitting or runs_in(out))[-3:]) or "none"
        raise BadInput(
            f"{name}: {len(fitting) or 'no'} runs in {out} are called that; the latest: {known}"
        )
    return (exact or fitting)[0]
