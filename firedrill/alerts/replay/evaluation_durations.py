"""When evaluations of a group began and ended, from what its Prometheus says of the last one at each scrape of itself. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Reading:
    """What one scrape says of the last evaluation. Unix milliseconds, but for `took_seconds`."""

    scraped_ms: int
    done_ms: int
    """When the scrape had ended."""
    began_ms: int
    took_seconds: float

    @property
    def ended_ms(self) -> int:
        """When the evaluation had ended, if both of the scrape's numbers are of one evaluation."""
        return self.began_ms + round(self.took_seconds * 1000)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """When an evaluation began and ended. Unix milliseconds."""

    began_ms: int
    ended_ms: int
    """At the latest."""
    likely_ms: int
    """Most likely."""

    @property
    def is_certain(self) -> bool:
        """Whether it is known when it ended."""
        return self.ended_ms == self.likely_ms


def read(
    times: Sequence[int], readings: Sequence[Reading], settled: Callable[[int], int]
) -> Mapping[int, Evaluation]:
    """Evaluations by the time that they stand for.

    Prometheus does not read its two numbers at once: where an evaluation ends amid the scrape, one may be of this evaluation and the other
    of the one before. Then it had ended when the scrape had; nothing more is known.

    Args:
        times: When the group was evaluated, in order.
        readings: In order of the scrapes.
        settled: By a time, when the machine had let Prometheus run for a while since.
    """
    usual_ms = round(1000 * median(one.took_seconds for one in readings)) if readings else 0
    found: dict[int, Evaluation] = {}
    before, before_at, was_certain = None, -1, False
    for one in readings if times else ():
        at = max(0, bisect_right(times, one.began_ms) - 1)
        is_next_under_way = at + 1 < len(times) and times[at + 1] <= one.done_ms
        is_new = before is None or one.took_seconds != before.took_seconds
        if before is not None and at == before_at:
            is_certain = not is_new or not is_next_under_way
        else:
            follows = was_certain and at == before_at + 1
            is_certain = (
                is_new
                and not is_next_under_way
                and (follows or settled(one.began_ms + usual_ms) <= one.scraped_ms)
            )
        if is_certain or times[at] not in found:
            found[times[at]] = Evaluation(
                one.began_ms,
                one.ended_ms if is_certain else max(one.ended_ms, one.done_ms),
                one.ended_ms,
            )
        before, before_at, was_certain = one, at, is_certain
    return found
