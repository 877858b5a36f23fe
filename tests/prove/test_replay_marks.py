"""How much of a drill its replay leaves open, and how soon its faults are found, on a machine that
is left alone.
"""

import itertools
import string
from statistics import median

import pytest

from firedrill.alerts.backtest.backtest import Question, backtest
from firedrill.interrupt import Interrupt
from tests import replaying, run_json
from tests.replaying import NAMED, SCRAPED_GROUPS, compare, named

HEALTHY_SECONDS, REPEATS = 60, 3
OPEN_FOR_LONG = {"Clash"}
"""Its evaluations fail unless a scrape has, and leave its state as it was: what is open stays open
till the next but one such scrape.
"""
MANY_EVALUATIONS = 200
"""An alert with fewer, of one group alone, has no share to speak of."""


@pytest.fixture(scope="module")
def page():
    yield from replaying.page()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, page):
    """A minute of health, then faults."""
    return [
        replaying.drill(tmp_path_factory.mktemp("prove"), page, HEALTHY_SECONDS)
        for _ in range(REPEATS)
    ]


@pytest.fixture
def each(runs):
    """Call it for the next run each time."""
    return itertools.cycle(runs).__next__


def test_the_bundles_alerts_are_replayed_exactly_in_health(proof, each):
    def measure():
        run = each()
        found = compare(run, named(run, "api", "load", "recording"))
        sick_from = run_json.content(run)["faults"][0]["start"] * 1000
        return {
            "samples that differ in a minute of health": len(
                found.not_excused(before_ms=sick_from)
            ),
            "open by stalls (% of evaluations)": 100
            * len(found.excused)
            / sum(found.evaluations.values()),
            "samples compared": len(found.ours | found.theirs),
        }

    limits = {
        "samples that differ in a minute of health": 0,
        "open by stalls (% of evaluations)": 10,
    }
    proof.holds(measure, repeats=REPEATS, at_most=limits, at_least={"samples compared": 60})


def test_a_healthy_page_leaves_hardly_an_evaluation_open(proof, each):
    """A group whose phase is that of the scrapes has all of its evaluations open; the middle one of
    three is judged.
    """

    def measure():
        run = each()
        found = compare(run, named(run, "scraped"))
        shares = found.ambiguous(found.excused)
        of_groups = (
            max(shares[f"{name}{n}"] for name in ("FewOf", "FewForLong", "FewAndKept"))
            for n in range(SCRAPED_GROUPS)
        )
        return {
            "ambiguous, middle group (%)": 100 * median(of_groups),
            "open by stalls (% of evaluations)": 100
            * len(found.excused)
            / sum(found.evaluations.values()),
            "samples compared": len(found.ours | found.theirs),
        }

    limits = {"ambiguous, middle group (%)": 5, "open by stalls (% of evaluations)": 10}
    proof.holds(
        measure, repeats=REPEATS, at_most=limits, at_least={"samples compared": HEALTHY_SECONDS}
    )


def test_a_slow_page_leaves_few_evaluations_open(proof, each):
    """An alert in all its groups together: one phase alone may be that of the hanging scrapes."""

    def measure():
        run = each()
        found = compare(run, named(run, "theirs"))
        shares = found.ambiguous(
            as_one=lambda name: name.rstrip(string.digits), least=MANY_EVALUATIONS
        )
        return {
            "ambiguous, all alerts (%)": 100 * len(found.unsure) / sum(found.evaluations.values()),
            "ambiguous, worst alert (%)": 100
            * max(share for name, share in shares.items() if name not in OPEN_FOR_LONG),
            "alerts with a share": len(shares),
            "samples compared": len(found.ours | found.theirs),
        }

    limits = {"ambiguous, all alerts (%)": 5, "ambiguous, worst alert (%)": 5}
    proof.holds(
        measure,
        repeats=REPEATS,
        at_most=limits,
        at_least={"alerts with a share": 11, "samples compared": 200},
    )


def test_every_fault_is_detected_in_time(proof, each):
    def measure():
        run = each()
        rows = [row for row in run_json.content(run)["scorecard"] if row["expected"] == "fault"]
        files = named(run, "api")
        with Interrupt() as interrupt:
            report = backtest(Question(files, run, alerts=("ApiLatencyBudgetBurn",)), interrupt)
        delays = [one.delay_seconds for alert in report.alerts for one in alert.detections]
        return {
            "faults detected by the alert they name": sum(
                row["judgement"] == "detected" for row in rows
            ),
            "longest delay of ApiLatencyBudgetBurn (s)": max(
                float("inf") if delay is None else delay for delay in delays
            ),
        }

    limits = {"longest delay of ApiLatencyBudgetBurn (s)": 12}
    proof.holds(
        measure,
        repeats=REPEATS,
        at_most=limits,
        at_least={"faults detected by the alert they name": len(NAMED)},
    )
