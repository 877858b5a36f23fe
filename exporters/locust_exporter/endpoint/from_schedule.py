"""Response times from schedule on the page: by endpoint, of all processes together."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from firedrill.contract import Client
from locust_exporter.counting.latency_histogram import Ages
from locust_exporter.endpoint.exposition import header, histogram_form, histogram_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from locust_exporter.counting.labels import Endpoint
    from locust_exporter.counting.latency_histogram import Tally
    from locust_exporter.endpoint.scrape import Scrape
    from locust_exporter.time_slice import Turn

_METRIC = Client.FROM_SCHEDULE


class _Row:
    """One endpoint's lines, written anew only when it has gained: tallies grow, so one that has no more is as it was."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._form = histogram_form(_METRIC, endpoint)
        self._answers = -1
        self._text = ""

    def text(self, tallies: Sequence[Tally]) -> str:
        answers = sum(tally.answers for tally in tallies)
        if answers != self._answers:
            self._answers = answers
            self._text = self._form % histogram_values(
                sum((tally.ages() for tally in tallies[1:]), start=tallies[0].ages())
            )
        return self._text

    def zero(self) -> str:
        return self._form % histogram_values(Ages())


class FromSchedule:
    """The family's text."""

    def __init__(self, fold: Callable[[str, str], Endpoint]) -> None:
        """`fold` is what a method and a name become on the page, whose cap holds for all processes together."""
        self._fold = fold
        self._rows: dict[Endpoint, _Row] = {}

    def page(
        self, processes: Iterable[Mapping[Endpoint, Tally]], scrape: Scrape | None, turn: Turn
    ) -> str:
        """What all processes have told; the lines of an endpoint are of one moment, those of two endpoints may not be."""
        together: defaultdict[Endpoint, list[Tally]] = defaultdict(list)
        for told in processes:
            for endpoint, tally in list(told.items()):
                turn.pause()
                together[self._fold(*endpoint)].append(tally)
        texts = [self._text(*row, scrape, turn) for row in together.items()]
        turn.pause()
        return "".join((header(_METRIC), *texts)) if texts else ""

    def _text(
        self, endpoint: Endpoint, tallies: Sequence[Tally], scrape: Scrape | None, turn: Turn
    ) -> str:
        turn.pause()
        row = self._rows.get(endpoint)
        if row is None:
            row = self._rows[endpoint] = _Row(endpoint)
        return (
            row.zero() if scrape and scrape.first_sight((_METRIC, endpoint)) else row.text(tallies)
        )
