"""How much a replay of a drill leaves ambiguous, and how soon it finds faults."""

import itertools
import string
from statistics import median

import pytest

from firedrill.alerts.backtest.backtest import BacktestRequest, backtest
from firedrill.interrupt import Interrupt
from tests import replaying, run_json
from tests.replaying import FAULT_ALERTS, SCRAPED_GROUPS, compare, rule_files_named

HEALTHY_SECONDS, REPEATS = 60, 3
OPEN_FOR_LONG = {"Clash"}
"""Alerts whose evaluations fail unless a scrape has failed, and then keep their state: an ambiguity
lasts until the scrape after the next such scrape.
"""
MANY_EVALUATIONS = 200
"""The fewest evaluations, of an alert in one group, from which a share is meaningful."""


@pytest.fixture(scope="module")
def page():
    yield from replaying.slow_endpoint()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, page):
    """Play a minute of health, then faults."""
    return [
        replaying.drill(tmp_path_factory.mktemp("prove"), page, HEALTHY_SECONDS)
        for _ in range(REPEATS)
    ]


@pytest.fixture
def next_run(runs):
    """Return a function that gives the next run at each call."""
    return itertools.cycle(runs).__next__


def test_the_bundles_alerts_are_replayed_exactly_in_health(proof, next_run):
    def measure():
        run = next_run()
        comparison = compare(run, rule_files_named(run, "api", "load", "recording"))
        sick_from = run_json.content(run)["faults"][0]["start"] * 1000
        return {
            "samples that differ in a minute of health": len(
                comparison.differences_without_stalls(before_ms=sick_from)
            ),
            "open by stalls (% of evaluations)": 100
            * len(comparison.stalled)
            / sum(comparison.evaluations.values()),
            "samples compared": len(comparison.replayed | comparison.written),
        }

    limits = {
        "samples that differ in a minute of health": 0,
        "open by stalls (% of evaluations)": 10,
    }
    proof.holds(measure, repeats=REPEATS, at_most=limits, at_least={"samples compared": 60})


def test_a_healthy_endpoint_leaves_hardly_an_evaluation_open(proof, next_run):
    """A group in phase with the scrapes has all evaluations ambiguous, so the middle one of three
    groups is judged.
    """

    def measure():
        run = next_run()
        comparison = compare(run, rule_files_named(run, "scraped"))
        shares = comparison.ambiguous_shares(comparison.stalled)
        of_groups = (
            max(shares[f"{name}{n}"] for name in ("FewOf", "FewForLong", "FewAndKept"))
            for n in range(SCRAPED_GROUPS)
        )
        return {
            "ambiguous, middle group (%)": 100 * median(of_groups),
            "open by stalls (% of evaluations)": 100
            * len(comparison.stalled)
            / sum(comparison.evaluations.values()),
            "samples compared": len(comparison.replayed | comparison.written),
        }

    limits = {"ambiguous, middle group (%)": 5, "open by stalls (% of evaluations)": 10}
    proof.holds(
        measure, repeats=REPEATS, at_most=limits, at_least={"samples compared": HEALTHY_SECONDS}
    )


def test_a_slow_endpoint_leaves_few_evaluations_open(proof, next_run):
    """An alert is judged over all its groups, because one group may be in phase with the hanging
    scrapes.
    """

    def measure():
        run = next_run()
        comparison = compare(run, rule_files_named(run, "theirs"))
        shares = comparison.ambiguous_shares(
            as_one=lambda name: name.rstrip(string.digits), least=MANY_EVALUATIONS
        )
        return {
            "ambiguous, all alerts (%)": 100
            * len(comparison.marked)
            / sum(comparison.evaluations.values()),
            "ambiguous, worst alert (%)": 100
            * max(share for name, share in shares.items() if name not in OPEN_FOR_LONG),
            "alerts with a share": len(shares),
            "samples compared": len(comparison.replayed | comparison.written),
        }

    limits = {"ambiguous, all alerts (%)": 5, "ambiguous, worst alert (%)": 5}
    proof.holds(
        measure,
        repeats=REPEATS,
        at_most=limits,
        at_least={"alerts with a share": 11, "samples compared": 200},
    )


def test_every_fault_is_detected_in_time(proof, next_run):
    def measure():
        run = next_run()
        rows = [row for row in run_json.content(run)["scorecard"] if row["expected"] == "fault"]
        files = rule_files_named(run, "api")
        with Interrupt() as interrupt:
            report = backtest(
                BacktestRequest(files, run, alerts=("ApiLatencyBudgetBurn",)), interrupt
            )
        delays = [
            detection.delay_seconds for alert in report.alerts for detection in alert.detections
        ]
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
        at_least={"faults detected by the alert they name": len(FAULT_ALERTS)},
    )
