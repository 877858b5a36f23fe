"""The file in which the search sets the load's rate (read by load/open_loop/live_rates.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

LEAD_SECONDS = 0.5
"""How long before its time a rate is written; a process looks 0.1 s ahead."""

LEAD_OF_WORKERS_SECONDS = 2.5
"""The same where a master allocates arrivals to workers 1.5 s ahead, every 0.5 s."""


class RateFile:
    """The rates of one load so far. Times are seconds since the load began."""

    def __init__(self, file: Path, workers: int) -> None:
        """Begin with a rate of 0; several workers learn of a rate later than a single process."""
        self._file = file
        self._lines = ["0 0"]
        self.lead_seconds = LEAD_SECONDS if workers == 1 else LEAD_OF_WORKERS_SECONDS

    def set(self, rate: float, now_seconds: float) -> float:
        """Set the arrivals a second; return the time from which on the rate holds."""
        start = round(now_seconds + self.lead_seconds, 3)
        self._lines.append(f"{start} {rate}")
        atomic_file.write(self._file, "\n".join(self._lines) + "\n")
        return start
