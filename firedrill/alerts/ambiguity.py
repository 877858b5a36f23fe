"""At which evaluations a replay cannot know what Prometheus saw, told from scrape data alone.

A sample carries the time at which its scrape began and can be read when the scrape has ended. An evaluation in between saw the sample
before; a replay sees this one. The same holds for series that another group records.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMIT_MS = 20
"""What storing a page takes beyond its scrape, with the two milliseconds by which a scrape may begin late."""


@dataclass(frozen=True, slots=True)
class Late:
    """Times at which something was begun, in order, and how long each took until it could be read. Milliseconds."""

    begun: Sequence[int]
    took: Sequence[int]

    def covers(self, time_ms: int) -> bool:
        """Whether something was under way."""
        at = bisect_right(self.begun, time_ms) - 1
        return at >= 0 and time_ms < self.begun[at] + self.took[at]


def ambiguous(times: Iterable[int], sources: Iterable[Late]) -> frozenset[int]:
    """Those of the evaluations that one of the sources overlaps."""
    listed = tuple(sources)
    return frozenset(time_ms for time_ms in times if any(source.covers(time_ms) for source in listed))
