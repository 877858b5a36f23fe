"""What one of Locust's entries holds, in base units, and what it has gained since it was read last."""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from locust_exporter.counting.buckets import BucketIndex
from locust_exporter.endpoint.exposition import LES

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUCKET_OF = BucketIndex()


class StatsEntry(Protocol):
    """What is read of Locust's entry of an endpoint."""

    num_requests: int
    num_failures: int
    num_none_requests: int
    total_response_time: float
    total_content_length: int
    response_times: Mapping[float, int]


@dataclass(slots=True)
class Totals:
    """Sums over requests."""

    requests: int = 0
    failures: int = 0
    untimed: int = 0
    seconds: float = 0.0
    body_bytes: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * len(LES))
    """Requests by bucket, not cumulative; the last one is +Inf's."""

    def add(self, other: Totals) -> None:
        """Add the other's sums to these."""
        self.requests += other.requests
        self.failures += other.failures
        self.untimed += other.untimed
        self.seconds += other.seconds
        self.body_bytes += other.body_bytes
        self.counts = [
            mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        ]


NOTHING = Totals()


class Reading:
    """How far one of Locust's entries was read: what it gained since is found faster than all is read again."""

    __slots__ = (
        "_body_bytes",
        "_bucket_of_key",
        "_count_of_key",
        "_failures",
        "_requests",
        "_seconds",
        "_untimed",
        "times",
    )

    def __init__(self, entry: StatsEntry) -> None:
        self.times = entry.response_times
        """Grows as long as the entry is not reset, and then is another one."""
        self._requests = self._failures = self._untimed = self._body_bytes = 0
        self._seconds = 0.0
        self._bucket_of_key: list[int] = []
        """In the order in which the keys came."""
        self._count_of_key: list[int] = []

    def move_on(self, entry: StatsEntry, total: Totals) -> bool:
        """Add to `total` what the entry gained; returns whether it gained anything."""
        if (entry.num_requests, entry.num_failures) == (self._requests, self._failures):
            return False
        seconds = entry.total_response_time / 1000  # Locust speaks milliseconds
        total.requests += entry.num_requests - self._requests
        total.failures += entry.num_failures - self._failures
        total.untimed += entry.num_none_requests - self._untimed
        total.body_bytes += entry.total_content_length - self._body_bytes
        # The difference first: so no sum falls by its last digit, which rate() would take for a reset.
        total.seconds += seconds - self._seconds
        self._requests, self._failures, self._untimed = (
            entry.num_requests,
            entry.num_failures,
            entry.num_none_requests,
        )
        self._body_bytes, self._seconds = entry.total_content_length, seconds
        self._count(total.counts)
        return True

    def _count(self, counts: list[int]) -> None:
        now = list(self.times.values())
        if len(now) > len(self._count_of_key):
            self._learn_new_keys()
        # In C, for of many keys few have gained.
        for at in itertools.compress(itertools.count(), map(operator.ne, now, self._count_of_key)):
            counts[self._bucket_of_key[at]] += now[at] - self._count_of_key[at]
        self._count_of_key = now

    def _learn_new_keys(self) -> None:
        known = len(self._bucket_of_key)
        self._bucket_of_key += [
            _BUCKET_OF[key] for key in itertools.islice(self.times, known, None)
        ]
        self._count_of_key += [0] * (len(self._bucket_of_key) - known)


def totals_of(entry: StatsEntry) -> Totals:
    """Locust's entry in base units."""
    totals = Totals()
    Reading(entry).move_on(entry, totals)
    return totals
