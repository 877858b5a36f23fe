"""A run has notes beside its verdict."""

from dataclasses import replace

import pytest

from firedrill.drill.judge import notes
from firedrill.profile import Slo
from firedrill.record.figures import StepFigures, UnobservedUsers
from firedrill.record.outcome import Reason, Status, Verdict
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document

STARVING = replace(HEALTHY.honesty, starved_sustained=6.0, hung=6.0, oldest_max_seconds=24.6)


def codes_of(figures, slo=None, reasons=()):
    verdict = Verdict(Status.INVALID, tuple(Reason(code, "") for code in reasons))
    document = run_document(profile=replace(PROFILE, slo=slo), figures=figures, verdict=verdict)
    return [remark.code for remark in notes.remarks(document)]


@pytest.mark.parametrize(
    ("slo", "codes"),
    [
        (None, ["starved_unjudged", "hung_unjudged"]),
        (Slo({"p99": 0.5}), ["starved_unjudged", "hung_unjudged"]),
        (Slo(error_ratio=0.01), ["starved_unjudged"]),
        (Slo(starved_users=9), ["hung_unjudged"]),
        (Slo(error_ratio=0.01, starved_users=0), []),
    ],
)
def test_hung_requests_are_noted_where_no_objective_judges_them(slo, codes):
    assert codes_of(replace(HEALTHY, honesty=STARVING), slo) == codes
    assert codes_of(HEALTHY, slo) == []


def test_users_that_may_wait_unseen_are_noted_where_no_objective_judges_them():
    unobserved = (UnobservedUsers("Shop", "TRANSACTION", "checkout"),)
    unseen = replace(HEALTHY, honesty=replace(HEALTHY.honesty, unobserved=unobserved))
    assert codes_of(unseen) == ["starvation_unmeasured"]
    assert codes_of(unseen, Slo(starved_users=0)) == []


def test_exceptions_of_tasks_are_noted_where_they_void_nothing():
    raised = replace(HEALTHY, honesty=replace(HEALTHY.honesty, exceptions=26.0))
    assert codes_of(raised) == ["tasks_raised"]
    assert codes_of(raised, reasons=["task_exceptions"]) == []


def test_a_load_that_ended_in_its_warm_up_is_noted():
    assert "within_warmup" in codes_of(replace(HEALTHY, seconds=5.0))
    assert codes_of(replace(HEALTHY, seconds=5.1)) == []


def test_a_load_other_than_the_profiles_is_noted():
    step = StepFigures(
        index=0,
        start_seconds=0.0,
        end_seconds=15.0,
        users=5,
        client=HEALTHY.client,
        server=HEALTHY.server,
    )
    assert codes_of(replace(HEALTHY, steps=(step,))) == []
    assert codes_of(replace(HEALTHY, steps=(replace(step, users_measured=1.0),))) == ["own_shape"]


@pytest.mark.parametrize(
    ("blind", "is_told"), [(1.4, False), (1.6, True), (3.0, True), (3.1, False)]
)
def test_a_large_scrape_gap_is_noted_where_it_voids_nothing(blind, is_told):
    assert codes_of(replace(HEALTHY, seconds=12.0, blind_seconds=blind)) == (
        ["seen_in_part"] if is_told else []
    )


def test_a_run_without_measurements_has_no_notes():
    assert codes_of(None) == []
