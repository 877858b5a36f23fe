"""Scrapers and the series that each has seen.

A series is shown as 0 to a scraper that sees it for the first time, because rate() would lose the
increment that a series begins with.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Scraper:
    """A client that scrapes again and again, with the series that have reached it."""

    def __init__(self) -> None:
        self.seen: set[object] = set()


class Scrape:
    """A scrape, whose series count as seen once the answer has arrived in time and as a whole."""

    def __init__(
        self, scraper: Scraper, timeout_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin a scrape for whose answer the scraper waits `timeout_seconds`."""
        self._scraper = scraper
        self._clock = clock
        self._deadline = clock() + timeout_seconds
        self._new: set[object] = set()

    def is_new(self, series: object) -> bool:
        """Return whether the scraper has never seen the series, which is then to be shown as 0."""
        if series in self._scraper.seen:
            return False
        self._new.add(series)
        return True

    @property
    def shows_all_values(self) -> bool:
        """Whether no series is shown as 0 in place of its value."""
        return not self._new

    def mark_delivered(self) -> bool:
        """Take the series as seen; return whether the scraper was still waiting."""
        if self._clock() >= self._deadline:
            return False
        self._scraper.seen |= self._new
        return True
