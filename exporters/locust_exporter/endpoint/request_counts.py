"""Counts of every request, and of failures by class of error, since the process began."""

from __future__ import annotations

import math
import operator
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from firedrill import histogram as histogram_arithmetic
from firedrill.contract import LATENCY_BOUNDS_SECONDS, Client
from firedrill.exposition import (
    family,
    header,
    histogram,
    histogram_template,
    histogram_values,
    sample,
    sample_template,
)
from locust_exporter.counting.locust_statistics import (
    ZERO_TOTALS,
    EntryReader,
    RequestTotals,
    error_record,
)
from locust_exporter.counting.sanitize import MAX_ERROR_CLASSES, Cap, Endpoints, error_class
from locust_exporter.profile_info import announced
from locust_exporter.time_slice import TimeSlice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locust_exporter.counting.locust_statistics import (
        StatsEntry,
        StatsError,
        UnreportedRequests,
    )
    from locust_exporter.counting.sanitize import Endpoint
    from locust_exporter.endpoint.scrape import Scrape

_COUNTERS = (Client.REQUESTS, Client.FAILURES, Client.UNTIMED, Client.BODY_BYTES)
_FAMILIES = (Client.REQUEST_DURATION, *_COUNTERS)
_CHUNK = 50
"""Endpoints or errors that are read before other greenlets may run: a millisecond at most."""

Key = TypeVar("Key")
Value = TypeVar("Value")


Failure = tuple[str, str, str]
"""Label values: method, name, class of error."""


class _EndpointRow:
    """The totals of an endpoint over all that Locust ever held of it, and their text."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._templates = (
            histogram_template(Client.REQUEST_DURATION, endpoint),
            *(sample_template(metric, endpoint) for metric in _COUNTERS),
        )
        self._readers: dict[object, EntryReader] = {}
        """Readers by Locust's entries, tens of thousands of which may be folded into one row."""
        self._total = RequestTotals()
        self._at_load_begin = self._at_judged_begin = self._counted()
        """Requests by bucket and their seconds when the load, or its judged part, began."""
        self._text: tuple[str, ...] | None = None

    def update(self, key: object, entry: StatsEntry, *overall: RequestTotals) -> None:
        """Add what one of Locust's entries gained, also to totals of all endpoints."""
        reader = self._readers.get(key)
        if reader is None or reader.response_times is not entry.response_times:
            reader = self._readers[key] = EntryReader(entry)
        if reader.add_gain(entry, self._total, *overall):
            self._text = None

    def add(self, totals: RequestTotals) -> None:
        """Add requests that are in none of Locust's entries."""
        self._total.add(totals)
        self._text = None

    def forget_entries(self) -> None:
        """Forget Locust's entries, which it is about to clear, and keep the totals."""
        self._readers.clear()

    def _counted(self) -> tuple[list[int], float]:
        return list(self._total.counts), self._total.seconds

    def begin_load(self) -> None:
        """Leave what was counted until now out of the latency, as of an earlier load."""
        self._at_load_begin = self._at_judged_begin = self._counted()

    def begin_judging(self) -> None:
        """Leave what was counted until now out of the latency, as in the warm-up."""
        self._at_judged_begin = self._counted()

    def latency_text(self, *, with_warmup: bool) -> str:
        """Return the latency by statistic; "" without any requests."""
        before, seconds = self._at_load_begin if with_warmup else self._at_judged_begin
        gained = map(operator.sub, self._total.counts, before)
        buckets = dict(zip((*LATENCY_BOUNDS_SECONDS, math.inf), accumulate(gained), strict=True))
        found = histogram_arithmetic.with_mean(
            histogram_arithmetic.statistics(buckets), self._total.seconds - seconds, buckets
        )
        return "".join(
            sample(Client.ENDPOINT_LATENCY, (*self.endpoint, name), value)
            for name, value in found.items()
            if value is not None
        )

    def text(self) -> tuple[str, ...]:
        """Return the lines of this endpoint, by family."""
        if self._text is None:
            self._text = self._render(self._total)
        return self._text

    def zero_text(self) -> tuple[str, ...]:
        """Return the lines of this endpoint before anything was counted, by family."""
        return self._render(ZERO_TOTALS)

    def _render(self, totals: RequestTotals) -> tuple[str, ...]:
        buckets = histogram_values(totals.endpoint_counts, totals.seconds)
        values = (buckets, totals.requests, totals.failures, totals.untimed, totals.body_bytes)
        return tuple(
            [template % value for template, value in zip(self._templates, values, strict=True)]
        )


class RequestCounts:
    """Requests by endpoint and failures by class of error, which never fall in a process."""

    def __init__(self, max_names: int) -> None:
        self.endpoints = Endpoints(max_names)
        self._error_classes = Cap(MAX_ERROR_CLASSES)
        self._rows: dict[Endpoint, _EndpointRow] = {}
        self._row_of: dict[tuple[object, object], tuple[_EndpointRow, bool]] = {}
        """Row of each of Locust's entries, and whether the profile excludes the entry."""
        self._failures: Counter[Failure] = Counter()
        self._read_errors: dict[object, tuple[Failure, int]] = {}
        """Labels and occurrences that were read, by Locust's errors."""
        self._clearings = 0
        self._overall = RequestTotals()

    def keep_entries(self, entries: Mapping[tuple[object, object], StatsEntry]) -> None:
        """Keep the counts of Locust's entries, which are about to be cleared."""
        self._read_all_entries(entries, TimeSlice())
        self._clearings += 1
        for row in self._rows.values():
            row.forget_entries()

    def keep_errors(self, errors: Mapping[object, StatsError]) -> None:
        """Keep the counts of Locust's errors, which are about to be cleared."""
        self._read_all_errors(errors, TimeSlice())
        self._clearings += 1
        self._read_errors.clear()

    def add(self, unreported: UnreportedRequests) -> None:
        """Count requests that a worker cleared before it had reported them."""
        for name, method, totals in unreported.rows:
            row, is_excluded = self._row((name, method))
            row.add(totals)
            if not is_excluded:
                self._overall.add(totals)
        for method, name, text, occurrences in unreported.errors:
            self._failures[self._failure(method, name, text)] += occurrences

    def render(
        self,
        entries: Mapping[tuple[object, object], StatsEntry],
        errors: Mapping[object, StatsError],
        scrape: Scrape | None = None,
        time_slice: TimeSlice | None = None,
    ) -> str:
        """Return the families of requests: what was kept, and what Locust holds now.

        Entries are by (name, method), as Locust has them. The lines of an endpoint are of one
        moment; those of two endpoints may not be, because other greenlets run in between.
        """
        time_slice = time_slice or TimeSlice()
        self._read_all_entries(entries, time_slice)
        self._read_all_errors(errors, time_slice)
        texts = [self._text(row, scrape, time_slice) for row in list(self._rows.values())]
        columns = zip(_FAMILIES, zip(*texts, strict=True), strict=True) if texts else ()
        pieces = [piece for metric, column in columns for piece in (header(metric), *column)]
        pieces.append(self._render_overall(scrape))
        pieces += self._render_errors(scrape, time_slice)
        time_slice.pause_if_over()
        return "".join(pieces)

    def _text(
        self, row: _EndpointRow, scrape: Scrape | None, time_slice: TimeSlice
    ) -> tuple[str, ...]:
        time_slice.pause_if_over()
        return row.zero_text() if scrape and scrape.is_new(row.endpoint) else row.text()

    def begin_load(self) -> None:
        """Leave what was read until now out of the latency by endpoint."""
        for row in self._rows.values():
            row.begin_load()

    def begin_judging(self) -> None:
        """Leave what was read until now out of it too, unless the load ends in its warm-up."""
        for row in self._rows.values():
            row.begin_judging()

    def render_latency(self, time_slice: TimeSlice, *, with_warmup: bool = False) -> str:
        """Return the latency of each endpoint by statistic; "" without any requests."""
        texts = []
        for row in list(self._rows.values()):
            time_slice.pause_if_over()
            texts.append(row.latency_text(with_warmup=with_warmup))
        return "".join((header(Client.ENDPOINT_LATENCY), *texts)) if any(texts) else ""

    def _render_overall(self, scrape: Scrape | None) -> str:
        overall = self._overall
        if scrape and scrape.is_new(Client.ALL_REQUEST_DURATION):
            overall = ZERO_TOTALS
        return "".join(
            (
                histogram(Client.ALL_REQUEST_DURATION, overall.counts, overall.seconds),
                family(Client.ALL_REQUESTS, {(): overall.requests}),
                family(Client.ALL_FAILURES, {(): overall.failures}),
            )
        )

    def _render_errors(self, scrape: Scrape | None, time_slice: TimeSlice) -> Iterator[str]:
        if self._failures:
            yield header(Client.ERRORS)
        for failure, count in list(self._failures.items()):
            time_slice.pause_if_over()
            yield sample(Client.ERRORS, failure, 0 if scrape and scrape.is_new(failure) else count)

    def _read_all_entries(
        self, entries: Mapping[tuple[object, object], StatsEntry], time_slice: TimeSlice
    ) -> None:
        for key, entry in self._in_slices(entries, time_slice):
            row, is_excluded = self._row(key)
            row.update(key, entry, *(() if is_excluded else (self._overall,)))

    def _read_all_errors(self, errors: Mapping[object, StatsError], time_slice: TimeSlice) -> None:
        for key, error in self._in_slices(errors, time_slice):
            self._read_error(key, error)

    def _in_slices(
        self, items: Mapping[Key, Value], time_slice: TimeSlice
    ) -> Iterator[tuple[Key, Value]]:
        """Yield Locust's items until it clears them during a pause; the rest was kept then."""
        clearings, pairs = self._clearings, list(items.items())
        for start in range(0, len(pairs), _CHUNK):
            time_slice.pause_if_over()
            if self._clearings != clearings:
                return
            yield from pairs[start : start + _CHUNK]

    def _read_error(self, key: object, error: StatsError) -> None:
        # There may be tens of thousands of errors, so each is parsed only once.
        failure, known = self._read_errors.get(key) or (
            self._failure(*error_record(error)[:3]),
            0,
        )
        if error.occurrences != known:
            self._failures[failure] += error.occurrences - known
            self._read_errors[key] = failure, error.occurrences

    def _row(self, key: tuple[object, object]) -> tuple[_EndpointRow, bool]:
        known = self._row_of.get(key)
        if known is None:
            name, method = key
            endpoint = self.endpoints.of(method, name)
            if endpoint not in self._rows:
                self._rows[endpoint] = _EndpointRow(endpoint)
            # By its own name: the row of `other` may have both kinds of requests.
            known = self._rows[endpoint], announced().is_excluded(method, name)
            self._row_of[key] = known
        return known

    def _failure(self, method: object, name: object, text: str) -> Failure:
        return (*self.endpoints.of(method, name), self._error_classes.fold(error_class(text)))
