"""The difference of two groups of runs, with what chance explains of it.

Intervals come from a bootstrap over blocks of seconds, the same blocks in both groups because the
load may change over time, and over the runs of each group. Of n runs, n - 1 are drawn, so that
the variance between few runs is not underestimated (Rao and Wu 1988). The test permutes whole runs
between the groups. Its statistic is the largest standardised difference of all figures, so one
test covers them all (Westfall and Young 1993).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.compare.run_blocks import Floats, RunBlocks

FIGURES = ("rate", "errors", "mean", "p50", "p95", "p99")
QUANTILES = (0.5, 0.95, 0.99)
CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
FEWEST_RUNS = 4
"""Runs in each group with which a permutation test reaches p = 0.05: 2 of 70 orders."""
RESAMPLES = 999
SEED = 20_261_201
"""The same runs give the same intervals."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval; None where it is not a number."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """The difference of one figure: requests a second, a ratio, or seconds."""

    figure: str
    before: float | None
    after: float | None
    difference: Interval
    ratio: Interval
    """After by before."""
    is_different: bool
    """Whether chance does not explain it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences of all figures, and the test over the runs."""

    rows: tuple[Row, ...]
    p_value: float | None
    """Of the permutation test; None with fewer than four runs in a group."""


def between(
    before: Sequence[RunBlocks], after: Sequence[RunBlocks], resamples: int = RESAMPLES
) -> Difference:
    """Compare two groups of runs with equally many blocks of equal length."""
    bounds = _common_bounds([*before, *after])
    groups = _Group(before, bounds), _Group(after, bounds)
    with warnings.catch_warnings():
        # Equal runs, and runs without errors, have nothing to resample; that is no mistake.
        warnings.simplefilter("ignore", RuntimeWarning)
        spread = _bootstrap(*groups, resamples)
        low, high = np.nanquantile(spread, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    p_value = _permutation(*groups)
    old, new = (group.figures(np.ones(group.blocks)) for group in groups)
    is_different = _decided(spread, p_value)
    values = np.concatenate([new - old, _ratio(new, old)])
    count = len(FIGURES)
    intervals = [Interval(*map(_number, three)) for three in zip(values, low, high, strict=True)]
    rows = tuple(
        Row(
            figure=name,
            before=_number(old[at]),
            after=_number(new[at]),
            difference=intervals[at],
            ratio=intervals[count + at],
            is_different=bool(is_different[at]),
        )
        for at, name in enumerate(FIGURES)
    )
    return Difference(rows, p_value)


def _common_bounds(runs: Sequence[RunBlocks]) -> list[float]:
    """Return the bounds that all runs have: objectives are bounds of single runs."""
    return sorted(set.intersection(*(set(run.bounds.tolist()) for run in runs)))


class _Group:
    """The blocks of a group's runs, summed up for any choice of blocks and runs."""

    def __init__(self, runs: Sequence[RunBlocks], bounds: Sequence[float]) -> None:
        self.runs = len(runs)
        self.blocks = len(runs[0].requests)
        self._seconds = runs[0].seconds
        self._log_bounds = np.log(np.maximum(bounds[:-1], 1e-9))
        self._counts = np.stack([_columns(run, bounds) for run in runs])

    def figures(self, weights: Floats, runs: list[int] | None = None) -> Floats:
        """Return the figures of the blocks, weighted, of the runs, each as often as it is named."""
        counts = self._counts if runs is None else self._counts[runs]
        sums = weights @ counts.sum(axis=0)
        requests, failures, seconds, answered = sums[0], sums[1], sums[2], sums[-1]
        length = self._seconds * weights.sum() * len(counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = [requests / length, failures / requests, seconds / answered]
        return np.array([*shares, *self._quantiles(sums[3:])])

    def by_run(self) -> Floats:
        """Return the figures of each run."""
        every = np.ones(self.blocks)
        return np.stack([self.figures(every, [run]) for run in range(self.runs)])

    def drawn(self, rng: np.random.Generator) -> list[int] | None:
        """Return a sample of the runs; None where there is only one."""
        return rng.integers(self.runs, size=self.runs - 1).tolist() if self.runs > 1 else None

    def _quantiles(self, cumulative: Floats) -> Floats:
        """Return the percentiles, between two bounds by their logarithms."""
        if not cumulative[-1]:
            return np.full(len(QUANTILES), np.nan)
        ranks = np.array(QUANTILES) * cumulative[-1]
        rising = np.maximum.accumulate(cumulative[:-1])
        # The first bound that reaches the rank, and the one before it.
        upper = np.clip(np.searchsorted(rising, ranks), 1, len(rising) - 1)
        below, up_to = rising[upper - 1], rising[upper]
        into = np.clip((ranks - below) / np.maximum(up_to - below, 1e-9), 0.0, 1.0)
        bounds = self._log_bounds
        found: Floats = np.exp(bounds[upper - 1] + into * (bounds[upper] - bounds[upper - 1]))
        return found


def _columns(run: RunBlocks, bounds: Sequence[float]) -> Floats:
    """Return requests, failures, time and the buckets of these bounds, a row for each block."""
    chosen = np.searchsorted(run.bounds, bounds)
    first = np.stack([run.requests, run.failures, run.time_seconds], axis=1)
    return np.concatenate([first, run.buckets[:, chosen]], axis=1)


def _bootstrap(before: _Group, after: _Group, resamples: int) -> Floats:
    """Return differences and ratios of resampled blocks and runs: a row for each resample."""
    from scipy import stats  # noqa: PLC0415 -- takes longer to load than most commands take to run

    rng = np.random.default_rng(SEED)

    def statistic(blocks: Floats) -> Floats:
        weights = _weights(blocks.astype(int))
        old = before.figures(weights, before.drawn(rng))
        new = after.figures(weights, after.drawn(rng))
        return np.concatenate([new - old, _ratio(new, old)])

    found = stats.bootstrap(
        (np.arange(before.blocks),),
        statistic,
        vectorized=False,
        n_resamples=resamples,
        method="percentile",
        rng=rng,
    )
    spread: Floats = np.moveaxis(found.bootstrap_distribution, -1, 0)
    return spread


def _weights(starts: np.ndarray[Any, Any]) -> Floats:
    """Return how often each block is drawn, neighbours together (circular block bootstrap).

    Blocks that follow each other are alike, because a queue lasts for longer than one.
    """
    count = len(starts)
    together = max(1, round(count ** (1 / 2)))
    drawn = starts[: max(1, count // together), None] + np.arange(together)
    return np.bincount(drawn.ravel() % count, minlength=count).astype(float)


def _permutation(before: _Group, after: _Group) -> float | None:
    from scipy import stats  # noqa: PLC0415 -- see above

    if min(before.runs, after.runs) < FEWEST_RUNS:
        return None
    figures = np.concatenate([before.by_run(), after.by_run()])
    scale = figures.std(axis=0)
    figures = figures[:, scale > 0] / scale[scale > 0]
    if not figures.size:
        return 1.0

    def largest(first: Floats, second: Floats) -> float:
        means = figures[first.astype(int)].mean(axis=0) - figures[second.astype(int)].mean(axis=0)
        return float(np.abs(means).max())

    found = stats.permutation_test(
        (np.arange(before.runs), before.runs + np.arange(after.runs)),
        largest,
        vectorized=False,
        alternative="greater",
        rng=np.random.default_rng(SEED),
    )
    return float(found.pvalue)


def _decided(spread: Floats, p_value: float | None) -> list[bool]:
    """Return for each figure whether its interval leaves out zero.

    Without a test over the runs, every resample has to leave it out: six figures are looked at,
    and the intervals of a few long blocks are too narrow.
    """
    level = 0.0 if p_value is None else LEVEL
    low, high = np.nanquantile(spread[:, : len(FIGURES)], [level / 2, 1 - level / 2], axis=0)
    is_significant = p_value is None or p_value <= LEVEL
    return [
        is_significant and (bottom > 0 or top < 0) for bottom, top in zip(low, high, strict=True)
    ]


def _ratio(new: Floats, old: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(old > 0, new / old, np.nan)
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
