"""Counts of every request since the process began, whatever Locust clears in between."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from firedrill.contract import REQUEST_LABELS, Client
from locust_exporter.buckets import BucketIndex
from locust_exporter.cardinality import Cap, clean, error_class
from locust_exporter.exposition import LES, family, header, labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Endpoint = tuple[str, str]
"""Label values: method, name."""

_FAMILIES = (Client.REQUEST_DURATION, Client.REQUESTS, Client.FAILURES, Client.UNTIMED, Client.BODY_BYTES)
_BUCKET_OF = BucketIndex()
_MOST_ERROR_CLASSES = 30


Error = tuple[object, object, str, int]
"""Method, name, repr, occurrences."""


class StatsEntry(Protocol):
    """What is read of Locust's entry of an endpoint."""

    num_requests: int
    num_failures: int
    num_none_requests: int
    total_response_time: float
    total_content_length: int
    start_time: float
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

    def add(self, other: Totals, times: int = 1) -> None:
        """Add the other's sums to these, or take them away again (`times` -1)."""
        self.requests += times * other.requests
        self.failures += times * other.failures
        self.untimed += times * other.untimed
        self.seconds += times * other.seconds
        self.body_bytes += times * other.body_bytes
        self.counts = [mine + times * theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]


def totals_of(entry: StatsEntry) -> Totals:
    """Locust's entry in base units."""
    counts = [0] * len(LES)
    for milliseconds, count in entry.response_times.items():
        counts[_BUCKET_OF[milliseconds]] += count
    seconds = entry.total_response_time / 1000  # Locust speaks milliseconds
    return Totals(entry.num_requests, entry.num_failures, entry.num_none_requests, seconds, entry.total_content_length, counts)


def errors_of(stats: Any) -> list[Error]:
    """Locust's errors."""
    return [(error.method, error.name, error.parse_error(error.error), error.occurrences) for error in stats.errors.values()]


@dataclass(frozen=True, slots=True)
class Unreported:
    """Requests that a worker cleared from its statistics before it reported them."""

    rows: Sequence[tuple[object, object, Totals]]
    """Name, method, sums."""
    errors: Sequence[Error]

    @classmethod
    def of(cls, stats: Any) -> Unreported:
        """Everything in a worker's statistics."""
        return cls([(name, method, totals_of(entry)) for (name, method), entry in stats.entries.items()], errors_of(stats))

    def to_message(self) -> dict[str, Any]:
        """Plain values, as Locust's protocol carries them."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Unreported:
        """What a worker sent."""
        rows = [(name, method, Totals(**totals)) for name, method, totals in message["rows"]]
        return cls(rows, [(method, name, text, occurrences) for method, name, text, occurrences in message["errors"]])


class _Row:
    """One endpoint on the page: what was banked, what Locust holds now, and the text of both."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._labels = labels(REQUEST_LABELS, endpoint)
        bucket = f"{Client.REQUEST_DURATION.name}_bucket{self._labels[:-1]},le="
        self._buckets = tuple(f'{bucket}"{le}"}} ' for le in LES)
        self._banked = Totals()
        self._current: dict[object, tuple[object, Totals]] = {}
        # Kept up to date, not summed up for each page: tens of thousands of entries may be folded into one row.
        self._current_total = Totals()
        self._text: tuple[str, ...] | None = None
        self.zero = self._render(Totals())

    def update(self, key: object, entry: StatsEntry) -> None:
        """Read an entry of Locust's, unless it has not changed."""
        fingerprint = (entry.num_requests, entry.num_failures, entry.start_time)
        known = self._current.get(key)
        if known is None or known[0] != fingerprint:
            totals = totals_of(entry)
            if known is not None:
                self._current_total.add(known[1], -1)
            self._current_total.add(totals)
            self._current[key] = (fingerprint, totals)
            self._text = None

    def add(self, totals: Totals) -> None:
        """Count what is in none of Locust's entries."""
        self._banked.add(totals)
        self._text = None

    def bank(self) -> None:
        """Keep what was read for good: Locust is about to forget it."""
        self._banked.add(self._current_total)
        self._current_total = Totals()
        self._current.clear()

    def text(self) -> tuple[str, ...]:
        """Lines of this endpoint, by family."""
        if self._text is None:
            total = Totals()
            total.add(self._banked)
            total.add(self._current_total)
            self._text = self._render(total)
        return self._text

    def _render(self, totals: Totals) -> tuple[str, ...]:
        cumulative = list(itertools.accumulate(totals.counts))
        buckets = "".join([f"{prefix}{count}\n" for prefix, count in zip(self._buckets, cumulative, strict=True)])
        name = Client.REQUEST_DURATION.name
        tail = f"{name}_sum{self._labels} {totals.seconds}\n{name}_count{self._labels} {cumulative[-1]}\n"
        counters = (totals.requests, totals.failures, totals.untimed, totals.body_bytes)
        lines = (f"{metric.name}{self._labels} {value}\n" for metric, value in zip(_FAMILIES[1:], counters, strict=True))
        return (buckets + tail, *lines)


class Scraper:
    """What one scraper has seen. A series that it sees for the first time is shown as 0: rate() would lose a first increment."""

    def __init__(self) -> None:
        self._seen: set[object] = set()
        self.complete = True
        """Whether everything on its last page was shown as it is."""

    def begin(self) -> None:
        """A new page."""
        self.complete = True

    def first_sight(self, key: object) -> bool:
        """Whether the series was never shown before; it is from now on."""
        if key in self._seen:
            return False
        self._seen.add(key)
        self.complete = False
        return True


class Ledger:
    """Requests by endpoint and failures by class of error, monotone for the life of the process."""

    def __init__(self, max_names: int) -> None:
        self.names = Cap(max_names)
        self._error_classes = Cap(_MOST_ERROR_CLASSES)
        self._rows: dict[Endpoint, _Row] = {}
        self._row_of: dict[tuple[object, object], _Row] = {}
        self._banked_errors: Counter[tuple[str, str, str]] = Counter()

    def bank_entries(self, entries: Mapping[tuple[object, object], StatsEntry]) -> None:
        """Keep the counts of Locust's entries, which are about to be cleared."""
        self._read(entries)
        for row in self._rows.values():
            row.bank()

    def bank_errors(self, errors: Iterable[Error]) -> None:
        """Keep the counts of Locust's errors, which are about to be cleared."""
        self._banked_errors += self._by_class(errors)

    def add(self, unreported: Unreported) -> None:
        """Count what a worker cleared before it had reported it."""
        for name, method, totals in unreported.rows:
            self._row((name, method)).add(totals)
        self.bank_errors(unreported.errors)

    def page(
        self,
        entries: Mapping[tuple[object, object], StatsEntry],
        errors: Iterable[Error],
        scraper: Scraper | None = None,
    ) -> str:
        """The families of requests: what was banked and what Locust holds now. Entries are by (name, method), as Locust has them."""
        self._read(entries)
        texts = [row.zero if scraper and scraper.first_sight(row.endpoint) else row.text() for row in self._rows.values()]
        parts = (
            [header(metric) + "".join(column) for metric, column in zip(_FAMILIES, zip(*texts, strict=True), strict=True)] if texts else []
        )
        counts = self._banked_errors + self._by_class(errors)
        shown = {key: 0 if scraper and scraper.first_sight(key) else count for key, count in counts.items()}
        return "".join(parts) + family(Client.ERRORS, shown)

    def _read(self, entries: Mapping[tuple[object, object], StatsEntry]) -> None:
        for key, entry in entries.items():
            self._row(key).update(key, entry)

    def _row(self, key: tuple[object, object]) -> _Row:
        row = self._row_of.get(key)
        if row is None:
            name, method = key
            endpoint = self._endpoint(method, name)
            if endpoint not in self._rows:
                self._rows[endpoint] = _Row(endpoint)
            row = self._row_of[key] = self._rows[endpoint]
        return row

    def _endpoint(self, method: object, name: object) -> Endpoint:
        return clean(method), self.names.fold(clean(name))

    def _by_class(self, errors: Iterable[Error]) -> Counter[tuple[str, str, str]]:
        counts: Counter[tuple[str, str, str]] = Counter()
        for method, name, text, occurrences in errors:
            counts[(*self._endpoint(method, name), self._error_classes.fold(error_class(text)))] += occurrences
        return counts
