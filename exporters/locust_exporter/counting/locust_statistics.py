"""Locust's statistics: rounding into exact buckets, totals of an entry, what a worker clears."""

from __future__ import annotations

import itertools
import math
import operator
from bisect import bisect_left
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, ENDPOINT_BUCKET_OF, LATENCY_BOUNDS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BOUNDS_MILLISECONDS = tuple(bound * 1000 for bound in LATENCY_BOUNDS_SECONDS)


def bucket_key(milliseconds: float) -> float:
    """Return the key under which Locust counts a response time: the middle of its bucket.

    Locust's own keys have two digits, which moves 5.4 ms into the bucket that ends at 5 ms, and
    104 ms to 100 ms.
    """
    return _KEYS[bisect_left(_BOUNDS_MILLISECONDS, milliseconds)]


def _key(lower: float, upper: float) -> float:
    """Return the geometric middle of a bucket, with four digits where they lie in it."""
    middle = float(f"{math.sqrt(lower * upper):.4g}")
    return middle if lower < middle <= upper else upper


_KEYS = (
    _BOUNDS_MILLISECONDS[0],
    *itertools.starmap(_key, pairwise(_BOUNDS_MILLISECONDS)),
    2 * _BOUNDS_MILLISECONDS[-1],
)


class BucketIndex(dict[float, int]):
    """The bucket of each key in milliseconds, cached because a histogram has few distinct keys.

    The last index is the one of +Inf.
    """

    def __missing__(self, milliseconds: float) -> int:
        index = self[milliseconds] = bisect_left(_BOUNDS_MILLISECONDS, milliseconds)
        return index


_BUCKET_OF = BucketIndex()


class StatsEntry(Protocol):
    """The fields of Locust's entry of an endpoint that are read."""

    num_requests: int
    num_failures: int
    num_none_requests: int
    total_response_time: float
    total_content_length: int
    response_times: Mapping[float, int]


@dataclass(slots=True)
class RequestTotals:
    """Sums over requests."""

    requests: int = 0
    failures: int = 0
    untimed: int = 0
    seconds: float = 0.0
    body_bytes: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_SECONDS) + 1))
    """Requests by bucket of LATENCY_BOUNDS_SECONDS, not cumulative; the last bucket is +Inf."""

    endpoint_counts: list[int] = field(
        default_factory=lambda: [0] * (len(ENDPOINT_BOUNDS_SECONDS) + 1)
    )
    """The same by bucket of ENDPOINT_BOUNDS_SECONDS."""

    def add(self, other: RequestTotals) -> None:
        """Add the other's sums to these."""
        self.requests += other.requests
        self.failures += other.failures
        self.untimed += other.untimed
        self.seconds += other.seconds
        self.body_bytes += other.body_bytes
        for name in ("counts", "endpoint_counts"):
            pairs = zip(getattr(self, name), getattr(other, name), strict=True)
            setattr(self, name, [mine + theirs for mine, theirs in pairs])


ZERO_TOTALS = RequestTotals()


class EntryReader:
    """Reads what one of Locust's entries gained since the last reading, faster than all of it."""

    __slots__ = (
        "_body_bytes",
        "_bucket_of_key",
        "_count_of_key",
        "_failures",
        "_requests",
        "_seconds",
        "_untimed",
        "response_times",
    )

    def __init__(self, entry: StatsEntry) -> None:
        self.response_times = entry.response_times
        """The entry's dictionary, which grows until Locust resets the entry and makes another."""
        self._requests = self._failures = self._untimed = self._body_bytes = 0
        self._seconds = 0.0
        self._bucket_of_key: list[int] = []
        """Bucket of each key, in the order in which the keys came."""
        self._count_of_key: list[int] = []

    def add_gain(self, entry: StatsEntry, *totals: RequestTotals) -> bool:
        """Add to each of `totals` what the entry gained; return whether it gained anything."""
        if (entry.num_requests, entry.num_failures) == (self._requests, self._failures):
            return False
        seconds = entry.total_response_time / 1000  # Locust speaks milliseconds
        for total in totals:
            total.requests += entry.num_requests - self._requests
            total.failures += entry.num_failures - self._failures
            total.untimed += entry.num_none_requests - self._untimed
            total.body_bytes += entry.total_content_length - self._body_bytes
            # The difference first, so that no sum falls by its last digit: rate() would see a
            # reset.
            total.seconds += seconds - self._seconds
        self._requests, self._failures = entry.num_requests, entry.num_failures
        self._untimed = entry.num_none_requests
        self._body_bytes, self._seconds = entry.total_content_length, seconds
        self._add_counts(totals)
        return True

    def _add_counts(self, totals: Sequence[RequestTotals]) -> None:
        now = list(self.response_times.values())
        if len(now) > len(self._count_of_key):
            self._learn_new_keys()
        # Compared in C, because only few of many keys have gained.
        for at in itertools.compress(itertools.count(), map(operator.ne, now, self._count_of_key)):
            bucket, gained = self._bucket_of_key[at], now[at] - self._count_of_key[at]
            for total in totals:
                total.counts[bucket] += gained
                total.endpoint_counts[ENDPOINT_BUCKET_OF[bucket]] += gained
        self._count_of_key = now

    def _learn_new_keys(self) -> None:
        known = len(self._bucket_of_key)
        self._bucket_of_key += [
            _BUCKET_OF[key] for key in itertools.islice(self.response_times, known, None)
        ]
        self._count_of_key += [0] * (len(self._bucket_of_key) - known)


def totals_of(entry: StatsEntry) -> RequestTotals:
    """Return all that one of Locust's entries holds, in base units."""
    totals = RequestTotals()
    EntryReader(entry).add_gain(entry, totals)
    return totals


ErrorRecord = tuple[object, object, str, int]
"""Method, name, repr, occurrences."""


class StatsError(Protocol):
    """The fields of one of Locust's errors that are read."""

    method: object
    name: object
    error: object
    occurrences: int

    def parse_error(self, error: Any, /) -> str:
        """Return the error's repr without addresses."""


def error_record(error: StatsError) -> ErrorRecord:
    """Return what is kept of one of Locust's errors."""
    return error.method, error.name, error.parse_error(error.error), error.occurrences


@dataclass(frozen=True, slots=True)
class UnreportedRequests:
    """Requests that a worker cleared from its statistics before it had reported them."""

    rows: Sequence[tuple[object, object, RequestTotals]]
    """Name, method, totals."""
    errors: Sequence[ErrorRecord]

    @classmethod
    def from_statistics(cls, stats: Any) -> UnreportedRequests:
        """Return everything in a worker's statistics."""
        rows = [(name, method, totals_of(entry)) for (name, method), entry in stats.entries.items()]
        return cls(rows, [error_record(error) for error in stats.errors.values()])

    def to_message(self) -> dict[str, Any]:
        """Return plain values, as Locust's protocol carries them."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> UnreportedRequests:
        """Return the requests in a worker's message."""
        rows = [(name, method, RequestTotals(**totals)) for name, method, totals in message["rows"]]
        errors = [
            (method, name, text, occurrences)
            for method, name, text, occurrences in message["errors"]
        ]
        return cls(rows, errors)
