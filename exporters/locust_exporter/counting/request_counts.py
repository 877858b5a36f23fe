"""Counts of every request since the process began, whatever Locust clears in between."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from firedrill.contract import REQUEST_LABELS, Client
from locust_exporter.counting.labels import Cap, Endpoints, error_class
from locust_exporter.counting.locust_statistics import NOTHING, Reading, Totals
from locust_exporter.counting.unreported import error_of
from locust_exporter.endpoint.exposition import header, histogram_form, labels, sample
from locust_exporter.time_slice import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locust_exporter.counting.labels import Endpoint
    from locust_exporter.counting.locust_statistics import StatsEntry
    from locust_exporter.counting.unreported import StatsError, Unreported
    from locust_exporter.endpoint.scrape import Scrape

_FAMILIES = (
    Client.REQUEST_DURATION,
    Client.REQUESTS,
    Client.FAILURES,
    Client.UNTIMED,
    Client.BODY_BYTES,
)
_MOST_ERROR_CLASSES = 30
_AT_ONCE = 50
"""Endpoints or errors that are read before others have their turn: a millisecond at most."""

Key = TypeVar("Key")
Value = TypeVar("Value")


Failure = tuple[str, str, str]
"""Label values: method, name, class of error."""


class _Row:
    """One endpoint on the page: the sums of all that Locust ever held of it, and their text."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._forms = _forms(endpoint)
        self._readings: dict[object, Reading] = {}
        """Of Locust's entries, tens of thousands of which may be folded into one row."""
        self._total = Totals()
        self._text: tuple[str, ...] | None = None

    def update(self, key: object, entry: StatsEntry) -> None:
        """Read an entry of Locust's, unless it has not changed."""
        reading = self._readings.get(key)
        if reading is None or reading.times is not entry.response_times:
            reading = self._readings[key] = Reading(entry)
        if reading.move_on(entry, self._total):
            self._text = None

    def add(self, totals: Totals) -> None:
        """Count what is in none of Locust's entries."""
        self._total.add(totals)
        self._text = None

    def bank(self) -> None:
        """Keep what was read for good: Locust is about to forget it."""
        self._readings.clear()

    def text(self) -> tuple[str, ...]:
        """Lines of this endpoint, by family."""
        if self._text is None:
            self._text = self._render(self._total)
        return self._text

    def zero(self) -> tuple[str, ...]:
        """The same before anything was counted."""
        return self._render(NOTHING)

    def _render(self, totals: Totals) -> tuple[str, ...]:
        cumulative = tuple(itertools.accumulate(totals.counts))
        histogram = (*cumulative, totals.seconds, cumulative[-1])
        values = (histogram, totals.requests, totals.failures, totals.untimed, totals.body_bytes)
        return tuple([form % value for form, value in zip(self._forms, values, strict=True)])


def _forms(endpoint: Endpoint) -> tuple[str, ...]:
    """Lines of an endpoint by family, with `%s` for each value."""
    own = labels(REQUEST_LABELS, endpoint).replace("%", "%%")
    return (
        histogram_form(Client.REQUEST_DURATION, endpoint),
        *(f"{metric.name}{own} %s\n" for metric in _FAMILIES[1:]),
    )


class Ledger:
    """Requests by endpoint and failures by class of error, monotone for the life of the process."""

    def __init__(self, max_names: int) -> None:
        self.endpoints = Endpoints(max_names)
        self._error_classes = Cap(_MOST_ERROR_CLASSES)
        self._rows: dict[Endpoint, _Row] = {}
        self._row_of: dict[tuple[object, object], _Row] = {}
        self._failures: Counter[Failure] = Counter()
        self._error_readings: dict[object, tuple[Failure, int]] = {}
        """How far each of Locust's errors was read, and as what."""
        self._clearings = 0

    def bank_entries(self, entries: Mapping[tuple[object, object], StatsEntry]) -> None:
        """Keep the counts of Locust's entries, which are about to be cleared."""
        self._read(entries, Turn())
        self._clearings += 1
        for row in self._rows.values():
            row.bank()

    def bank_errors(self, errors: Mapping[object, StatsError]) -> None:
        """Keep the counts of Locust's errors, which are about to be cleared."""
        self._read_errors(errors, Turn())
        self._clearings += 1
        self._error_readings.clear()

    def add(self, unreported: Unreported) -> None:
        """Count what a worker cleared before it had reported it."""
        for name, method, totals in unreported.rows:
            self._row((name, method)).add(totals)
        for method, name, text, occurrences in unreported.errors:
            self._failures[self._failure(method, name, text)] += occurrences

    def page(
        self,
        entries: Mapping[tuple[object, object], StatsEntry],
        errors: Mapping[object, StatsError],
        scrape: Scrape | None = None,
        turn: Turn | None = None,
    ) -> str:
        """The families of requests: what was banked and what Locust holds now. Entries are by (name, method), as Locust has them.

        The lines of an endpoint are of one moment, those of two endpoints may not be: others have their turn in between.
        """
        turn = turn or Turn()
        self._read(entries, turn)
        self._read_errors(errors, turn)
        texts = [self._text(row, scrape, turn) for row in list(self._rows.values())]
        columns = zip(_FAMILIES, zip(*texts, strict=True), strict=True) if texts else ()
        pieces = [piece for metric, column in columns for piece in (header(metric), *column)]
        pieces += self._errors(scrape, turn)
        turn.pause()
        return "".join(pieces)

    def _text(self, row: _Row, scrape: Scrape | None, turn: Turn) -> tuple[str, ...]:
        turn.pause()
        return row.zero() if scrape and scrape.first_sight(row.endpoint) else row.text()

    def _errors(self, scrape: Scrape | None, turn: Turn) -> Iterator[str]:
        if self._failures:
            yield header(Client.ERRORS)
        for failure, count in list(self._failures.items()):
            turn.pause()
            yield sample(
                Client.ERRORS, failure, 0 if scrape and scrape.first_sight(failure) else count
            )

    def _read(self, entries: Mapping[tuple[object, object], StatsEntry], turn: Turn) -> None:
        for key, entry in self._in_turns(entries, turn):
            self._row(key).update(key, entry)

    def _read_errors(self, errors: Mapping[object, StatsError], turn: Turn) -> None:
        for key, error in self._in_turns(errors, turn):
            self._read_error(key, error)

    def _in_turns(self, read: Mapping[Key, Value], turn: Turn) -> Iterator[tuple[Key, Value]]:
        """What is to be read of Locust's, until it is cleared while others have their turn: what is left was banked then."""
        clearings, items = self._clearings, list(read.items())
        for start in range(0, len(items), _AT_ONCE):
            turn.pause()
            if self._clearings != clearings:
                return
            yield from items[start : start + _AT_ONCE]

    def _read_error(self, key: object, error: StatsError) -> None:
        """One of tens of thousands, perhaps: only once it is looked at what it says."""
        failure, known = self._error_readings.get(key) or (self._failure(*error_of(error)[:3]), 0)
        if error.occurrences != known:
            self._failures[failure] += error.occurrences - known
            self._error_readings[key] = failure, error.occurrences

    def _row(self, key: tuple[object, object]) -> _Row:
        row = self._row_of.get(key)
        if row is None:
            name, method = key
            endpoint = self.endpoints.of(method, name)
            if endpoint not in self._rows:
                self._rows[endpoint] = _Row(endpoint)
            row = self._row_of[key] = self._rows[endpoint]
        return row

    def _failure(self, method: object, name: object, text: str) -> Failure:
        return (*self.endpoints.of(method, name), self._error_classes.fold(error_class(text)))
