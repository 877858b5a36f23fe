"""Requests that a worker cleared from its statistics before it had reported them, as a message of their own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from locust_exporter.counting.locust_statistics import Totals, totals_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Error = tuple[object, object, str, int]
"""Method, name, repr, occurrences."""


class StatsError(Protocol):
    """What is read of one of Locust's errors."""

    method: object
    name: object
    error: object
    occurrences: int

    def parse_error(self, error: Any, /) -> str:
        """Its repr, without addresses."""


def error_of(error: StatsError) -> Error:
    """What is kept of it."""
    return error.method, error.name, error.parse_error(error.error), error.occurrences


@dataclass(frozen=True, slots=True)
class Unreported:
    """Requests that a worker cleared from its statistics before it reported them."""

    rows: Sequence[tuple[object, object, Totals]]
    """Name, method, sums."""
    errors: Sequence[Error]

    @classmethod
    def of(cls, stats: Any) -> Unreported:
        """Everything in a worker's statistics."""
        rows = [(name, method, totals_of(entry)) for (name, method), entry in stats.entries.items()]
        return cls(rows, [error_of(error) for error in stats.errors.values()])

    def to_message(self) -> dict[str, Any]:
        """Plain values, as Locust's protocol carries them."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Unreported:
        """What a worker sent."""
        rows = [(name, method, Totals(**totals)) for name, method, totals in message["rows"]]
        return cls(
            rows,
            [
                (method, name, text, occurrences)
                for method, name, text, occurrences in message["errors"]
            ],
        )
