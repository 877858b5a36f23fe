"""The comparison of two groups of recorded runs: what is comparable, the result, and its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.compare import difference, run_blocks
from firedrill.errors import BadInput
from firedrill.record.outcome import Status
from firedrill.record.played_load import played_load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.compare.difference import Row
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run

LENGTH_RATIO = 0.1
"""Runs of the same load may differ in length by this share, as a shortened run may not."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two groups of runs, and their difference."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    rows: tuple[Row, ...]
    p_value: float | None
    block_seconds: int
    blocks: int

    @property
    def is_different(self) -> bool:
        """Whether chance does not explain the difference of a figure."""
        return any(row.is_different for row in self.rows)

    def sentences(self) -> list[str]:
        """Return what the comparison shows, and how far it can be trusted."""
        changed = [row for row in self.rows if row.is_different]
        if changed:
            told = "; ".join(map(_changed, changed))
        else:
            told = f"no difference was found: {'; '.join(map(_bound, self.rows))}"
        return [f"{told[0].upper()}{told[1:]}.", self._trust()]

    def _trust(self) -> str:
        counts = f"{len(self.before)} against {len(self.after)} runs"
        if self.p_value is not None:
            return f"Permutation test of {counts}, all figures together: p = {self.p_value:.3f}."
        needed = "a permutation test needs 4 against 4 to reach p = 0.05"
        if len(self.before) == len(self.after) == 1:
            return (
                "One run each: the intervals know the chance within a run, not that between "
                f"runs; {needed}."
            )
        return f"{counts}: {needed}, so take the intervals as a hint."


def _changed(row: Row) -> str:
    word = "rose" if (row.difference.value or 0) > 0 else "fell"
    return f"{row.figure} {word} by {_interval(row)}"


def _interval(row: Row) -> str:
    """Return the change with its interval: a share of the old value; of errors, of requests."""
    interval = row.difference
    scale = 1.0 if row.figure == "errors" else row.before
    if not scale or interval.value is None or interval.low is None or interval.high is None:
        return units.NOTHING
    low, high = sorted(abs(end) / scale for end in (interval.low, interval.high))
    change = units.percent(abs(interval.value) / scale)
    return f"{change} ({units.percent(low)} to {units.percent(high)})"


def _bound(row: Row) -> str:
    """Return the largest difference that the interval leaves possible."""
    interval, scale = row.difference, 1.0 if row.figure == "errors" else row.before
    if not scale or interval.low is None or interval.high is None:
        return f"{row.figure} is not known"
    share = max(abs(interval.low), abs(interval.high)) / scale
    return f"{row.figure} by at most {units.percent(share)}"


def of_runs(before: Sequence[Run], after: Sequence[Run], interrupt: Interrupt) -> Comparison:
    """Compare two groups of recorded runs.

    Raises:
        BadInput: the runs are not comparable; the message names the difference.
    """
    every = [*before, *after]
    _check(every)
    seconds = min(map(run_blocks.judged_seconds, every))
    length = run_blocks.block_seconds(seconds)
    blocks = int(seconds // length)
    if blocks < run_blocks.FEWEST_BLOCKS:
        raise BadInput(
            f"the runs have {units.seconds(seconds)} after their warm-up; "
            f"expected {run_blocks.FEWEST_BLOCKS} s or more"
        )
    old, new = (
        [run_blocks.read(run, length, blocks, interrupt) for run in group]
        for group in (before, after)
    )
    found = difference.between(old, new)
    return Comparison(
        before=tuple(run.id for run in before),
        after=tuple(run.id for run in after),
        rows=found.rows,
        p_value=found.p_value,
        block_seconds=length,
        blocks=blocks,
    )


def _check(runs: Sequence[Run]) -> None:
    """Raise BadInput for runs of different loads or lengths, or that are not valid."""
    folders = [run.folder.resolve() for run in runs]
    twice = next((each for each in folders if folders.count(each) > 1), None)
    if twice:
        raise BadInput(f"{twice.name}: is named twice; expected different runs")
    first = runs[0].read()
    length = run_blocks.judged_seconds(runs[0])
    for run in runs:
        document = run.read()
        if document.status in {Status.INVALID, Status.INTERRUPTED}:
            raise BadInput(f"{run.id}: the run is {document.status}; expected a valid run")
        if played_load(document.profile) != played_load(first.profile):
            names = f"{document.profile.name}, not {first.profile.name}"
            raise BadInput(f"{run.id}: played another load ({names}) than {runs[0].id}")
        made, expected = document.generator, first.generator
        if made and expected and not made.makes_the_load_of(expected):
            raise BadInput(
                f"{run.id}: its load was made by {made}; expected {expected}, as in {runs[0].id}"
            )
        if abs(run_blocks.judged_seconds(run) - length) > LENGTH_RATIO * length + 1:
            lasted = units.seconds(run_blocks.judged_seconds(run))
            raise BadInput(
                f"{run.id}: lasted {lasted}; expected {units.seconds(length)} as {runs[0].id}"
            )
