"""Rates that a program sets while the load runs, instead of the steps of a profile.

The program adds a line `START RATE` to a file: from START seconds after the begin of the load on,
RATE arrivals a second. It adds each line before its time comes, so that all processes that read
the file agree on every arrival.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from firedrill.contract import RATES_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping


class LiveRates:
    """Reads the file anew when it has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._steps: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
        self._read_at = -1
        self.version = 0
        """Grows with every change of the file."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self | None:
        """Return the rates of the file that the environment names; None without one."""
        name = environ.get(RATES_VARIABLE)
        return cls(Path(name)) if name else None

    def steps(self) -> tuple[tuple[float, float], ...]:
        """Return start and rate of each step, from 0; a file that cannot be read changes none."""
        self.refresh()
        return self._steps

    def refresh(self) -> int:
        """Read the file if it has changed; return the version."""
        try:
            changed = os.stat(self._file).st_mtime_ns  # noqa: PTH116 -- 20 times a second
            if changed != self._read_at:
                lines = self._file.read_text().splitlines()
                self._steps = tuple(_step(line) for line in lines) or self._steps
                self._read_at = changed
                self.version += 1
        except (OSError, ValueError):
            pass
        return self.version

    def is_resting(self, seconds: float) -> bool:
        """Return whether the rate is 0 at a time."""
        return not [rate for start, rate in self.steps() if start <= seconds][-1]


def _step(line: str) -> tuple[float, float]:
    start, rate = map(float, line.split())
    return start, rate
