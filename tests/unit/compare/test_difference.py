"""Differences of two groups of runs: found where they are, seldom found where there are none."""

import numpy as np
import pytest
from click.testing import CliRunner

from firedrill.cli import main
from firedrill.compare.comparison import Comparison
from firedrill.compare.comparison_table import of_comparison
from firedrill.compare.difference import FIGURES, between
from firedrill.compare.run_blocks import RunBlocks, block_seconds
from tests import recorded_drills, run_json
from tests.unit.printing import printed

pytest.importorskip("scipy")

BOUNDS = np.array([*10 ** (np.arange(-120, 40) / 40), np.inf])
"""The bucket bounds of the load generator, from 1 ms to 10 s."""


def blocks(rng, *, slower=1.0, failed=0.01, rate=40, spread=0.02, count=20):
    """A run: each block has a level of its own, and so has the run."""
    level = 0.05 * slower * np.exp(rng.normal(0, spread))
    requests, failures, seconds, buckets = [], [], [], []
    for _ in range(count):
        number = rng.poisson(2 * rate)
        times = level * np.exp(rng.normal(0, 0.03)) * rng.gamma(4, 0.25, number)
        requests.append(number)
        failures.append(rng.binomial(number, failed))
        seconds.append(times.sum())
        buckets.append((times[:, None] <= BOUNDS).sum(axis=0))
    columns = (np.array(each, dtype=float) for each in (requests, failures, seconds))
    return RunBlocks(2, *columns, BOUNDS, np.array(buckets, dtype=float))


def groups(seed, size, **second):
    """Two groups of equal runs, but for what is said of the second."""
    rng = np.random.default_rng(seed)
    return [blocks(rng) for _ in range(size)], [blocks(rng, **second) for _ in range(size)]


def test_of_forty_equal_pairs_three_differ_at_most():
    found = [between(*groups(seed, 5), resamples=199) for seed in range(40)]
    assert sum(any(row.is_different for row in each.rows) for each in found) <= 3


def test_ten_percent_are_found_with_five_runs_each():
    found = between(*groups(7, 5, slower=1.1))
    mean = found.rows[FIGURES.index("mean")]
    assert mean.is_different
    assert mean.ratio.low < 1.1 < mean.ratio.high
    assert found.p_value <= 0.01


@pytest.mark.parametrize(
    ("change", "figure"),
    [({"failed": 0.2}, "errors"), ({"rate": 80}, "rate"), ({"slower": 2.0}, "p50")],
)
def test_a_large_change_is_found_in_one_run_each(change, figure):
    found = between(*groups(3, 1, **change))
    assert found.rows[FIGURES.index(figure)].is_different
    assert found.p_value is None


def test_percentiles_are_those_of_the_requests():
    rng = np.random.default_rng(1)
    run = blocks(rng, spread=0.0)
    row = between([run], [run]).rows
    # Gamma(4, 1/4) has its median at 0.918 and its 95th percentile at 1.938.
    assert row[FIGURES.index("p50")].before == pytest.approx(0.05 * 0.918, rel=0.08)
    assert row[FIGURES.index("p95")].before == pytest.approx(0.05 * 1.938, rel=0.08)
    assert not any(each.is_different for each in row)


def test_runs_without_errors_have_no_ratio_of_errors():
    found = between(*groups(5, 4, failed=0.0))
    errors = found.rows[FIGURES.index("errors")]
    assert errors.after == 0
    assert errors.ratio.value == 0


@pytest.mark.parametrize(("seconds", "length"), [(8, 1), (60, 3), (200, 10), (9999, 10)])
def test_blocks_grow_with_the_run(seconds, length):
    assert block_seconds(seconds) == length


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_comparison_says_how_far_it_can_be_trusted(width, size):
    found = between(*groups(9, size))
    ids = tuple(f"2026120{number}" for number in range(size))
    text = printed(of_comparison(Comparison(ids, ids, found.rows, found.p_value, 2, 20)), width)
    assert max(map(len, text.splitlines())) <= width
    assert ("needs 4 against 4" in " ".join(text.split())) == (size < 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profile": {"warmup_seconds": 1.0}}, "played another load"),
        ({"verdict": {"status": "INVALID", "reasons": []}}, "is INVALID"),
    ],
)
def test_runs_that_are_not_comparable_are_refused(tmp_path, change, message):
    run = recorded_drills.unpack("drill", tmp_path)
    other = recorded_drills.unpack("drill", tmp_path / "other")
    content = run_json.content(other)
    for name, value in change.items():
        content[name] = {**content.get(name, {}), **value}
    run_json.write(other, content)
    done = CliRunner().invoke(main, ["compare", str(run.folder), "--with", str(other.folder)])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_every_name_after_with_is_of_the_other_group(tmp_path):
    words = ["compare", "a", "--with", "b", "c", "--out", str(tmp_path)]
    assert "a: no runs" in CliRunner().invoke(main, words).stderr
