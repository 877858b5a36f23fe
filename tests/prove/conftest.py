"""Proofs: measurements that depend on timing, repeated and judged by their medians."""

import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firedrill.places import ROOT

DOCUMENT = ROOT / "docs" / "proofs.md"
FIGURES = pytest.StashKey[list]()
HEAD = """\
# Proofs

Measurements whose outcome depends on the machine's timing. Each is repeated, and its median is held
against a limit. `make prove` runs them and writes this page; leave the machine alone meanwhile. The
tests of `make test` do not depend on timing, and CI runs only those.
"""


def pytest_configure(config):
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.proof)


class Proof:
    """The figures of one proof."""

    def __init__(self, name, figures):
        self._name = name
        self._figures = figures

    def holds(self, measure, *, repeats, at_most=None, at_least=None):
        """Call `measure` repeatedly, and assert the median of each named figure against its limit.

        `measure` returns figures by their name with the unit.
        """
        runs = [measure() for _ in range(repeats)]
        broken = []
        for sign, limits in (("≤", at_most or {}), ("≥", at_least or {})):
            for figure, limit in limits.items():
                values = [run[figure] for run in runs]
                median = statistics.median(values)
                kept = median <= limit if sign == "≤" else median >= limit
                self._figures.append(
                    (self._name, figure, values, median, f"{sign} {limit:g}", kept)
                )
                if not kept:
                    broken.append(
                        f"{figure}: median {median:g} of {sorted(values)}, "
                        f"expected {sign} {limit:g}"
                    )
        assert not broken, "; ".join(broken)


@pytest.fixture
def proof(request):
    """Repeat a measurement and hold the medians of its figures against their limits."""
    name = request.node.name.removeprefix("test_").replace("_", " ")
    return Proof(name, request.config.stash[FIGURES])


def pytest_terminal_summary(terminalreporter, config):
    """Print every figure with its limit; write docs/proofs.md in `make prove`."""
    figures = config.stash[FIGURES]
    rows = []
    for name, figure, values, median, limit, kept in figures:
        spread = f"{min(values):.3g} | {median:.3g} | {max(values):.3g} | {len(values)}"
        rows.append(f"| {name} | {figure} | {spread} | {limit} | {'yes' if kept else 'NO'} |")
    if not rows:
        return
    lines = [
        "| proof | figure | min | median | max | runs | limit | held |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    terminalreporter.section("proofs")
    terminalreporter.write_line("\n".join(lines))
    if os.environ.get("FIREDRILL_PROOFS"):
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {today}"
        DOCUMENT.write_text(HEAD + f"\nMeasured on {machine}.\n\n" + "\n".join(lines) + "\n")
