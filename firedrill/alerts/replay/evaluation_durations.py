"""Start and end times of a group's evaluations, from Prometheus's metrics about the last one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics about the last evaluation at a scrape; Unix milliseconds but `took_seconds`."""

    scraped_ms: int
    done_ms: int
    """When the scrape had ended."""
    began_ms: int
    took_seconds: float

    @property
    def ended_ms(self) -> int:
        """When the evaluation ended, if both metrics are about the same evaluation."""
        return self.began_ms + round(self.took_seconds * 1000)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """When an evaluation began and ended, in Unix milliseconds."""

    began_ms: int
    ended_ms: int
    """The latest possible end."""
    likely_ms: int
    """The most likely end."""

    @property
    def is_certain(self) -> bool:
        """Whether the end is known."""
        return self.ended_ms == self.likely_ms


def estimate(
    times: Sequence[int], readings: Sequence[Reading], stored_by: Callable[[int], int]
) -> Mapping[int, Evaluation]:
    """Return evaluations by the time that they stand for.

    Prometheus does not read its two metrics at once. If an evaluation ends during the scrape, one
    metric may be about it and the other about the previous one. Then it ended before the scrape
    did, and nothing more is known.

    Args:
        times: When the group was evaluated, in order.
        readings: In order of the scrapes.
        stored_by: When what ended at a time was stored for certain (see `Stalls`).
    """
    usual_ms = round(1000 * median(item.took_seconds for item in readings)) if readings else 0
    evaluations: dict[int, Evaluation] = {}
    previous, previous_index, was_certain = None, -1, False
    for reading in readings if times else ():
        index = max(0, bisect_right(times, reading.began_ms) - 1)
        is_next_begun = index + 1 < len(times) and times[index + 1] <= reading.done_ms
        is_new_duration = previous is None or reading.took_seconds != previous.took_seconds
        if previous is not None and index == previous_index:
            is_certain = not is_new_duration or not is_next_begun
        else:
            follows_certain = was_certain and index == previous_index + 1
            is_certain = (
                is_new_duration
                and not is_next_begun
                and (
                    follows_certain or stored_by(reading.began_ms + usual_ms) <= reading.scraped_ms
                )
            )
        if is_certain or times[index] not in evaluations:
            latest_ms = max(reading.ended_ms, reading.done_ms)
            evaluations[times[index]] = Evaluation(
                began_ms=reading.began_ms,
                ended_ms=reading.ended_ms if is_certain else latest_ms,
                likely_ms=reading.ended_ms,
            )
        previous, previous_index, was_certain = reading, index, is_certain
    return evaluations
