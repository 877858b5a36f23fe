"""Who scrapes, and what each of them has seen: rate() would lose a first increment, so a series is shown as 0 first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Scraper:
    """One that asks again and again, with the series that have reached it."""

    def __init__(self) -> None:
        self.seen: set[object] = set()


class Scrape:
    """One page for a scraper. What it shows counts as seen once it has arrived, for a page may be too late or not be fetched whole."""

    def __init__(
        self, scraper: Scraper, patience_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience_seconds`: so long the scraper waits for the page."""
        self._scraper = scraper
        self._clock = clock
        self._deadline = clock() + patience_seconds
        self._first: set[object] = set()

    def first_sight(self, key: object) -> bool:
        """Whether the scraper has never seen the series, which is to be shown as 0 then."""
        if key in self._scraper.seen:
            return False
        self._first.add(key)
        return True

    @property
    def complete(self) -> bool:
        """Whether everything on the page is shown as it is."""
        return not self._first

    def sent(self) -> bool:
        """The page was written as a whole; returns whether the scraper was still there."""
        if self._clock() >= self._deadline:
            return False
        self._scraper.seen |= self._first
        return True
