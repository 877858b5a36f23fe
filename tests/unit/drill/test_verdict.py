"""Figures of a run are judged against its profile."""

from dataclasses import replace

import pytest

from firedrill.drill.judge.validity import CONDITIONS, ended_early
from firedrill.drill.judge.verdict import judge
from firedrill.places import ROOT
from firedrill.profile import Slo, load_profile, profile_file
from firedrill.record.figures import Arrivals, Counts, EndpointFigures, UnobservedUsers, Window
from firedrill.record.outcome import Reason, Status
from tests.unit.drill.reasons import codes
from tests.unit.healthy_run import HEALTHY, PROFILE


def test_unsent_arrivals_void_a_run_with_advice():
    sent = replace(
        HEALTHY, arrivals=Arrivals(offered=1000, started=990, unsent=10, lateness_p99_seconds=0.004)
    )
    assert judge(PROFILE, sent, []).status is Status.PASSED
    unsent = judge(
        PROFILE,
        replace(
            HEALTHY,
            arrivals=Arrivals(offered=1000, started=980, unsent=20, lateness_p99_seconds=2.0),
        ),
        [],
    )
    assert (unsent.status, codes(unsent)) == (Status.INVALID, ["arrivals_unsent"])
    assert "20 of 1000 arrivals were dropped" in unsent.reasons[0].text
    assert "max_in_flight" in unsent.reasons[0].text


def test_unsent_arrivals_name_their_cause_and_remedy():
    dropped = replace(
        HEALTHY, arrivals=Arrivals(offered=1000, started=500, unsent=500, lateness_p99_seconds=5.0)
    )
    busy = replace(dropped, honesty=replace(HEALTHY.honesty, generator_cpu_max_ratio=0.98))
    late = replace(
        dropped,
        honesty=replace(HEALTHY.honesty, generator_lag_ratio=0.7),
        invalid={"scrape_gap": 4.0, "loop_lag": 2.0},
    )
    lost = replace(dropped, invalid={"worker_missing": 9.0})
    for figures, causes, mend in (
        (dropped, [], "raise max_in_flight"),
        (busy, ["generator_cpu"], "use more workers"),
        (late, ["loop_lag", "scrape_gap"], "use more workers"),
        (lost, ["worker_missing"], "their worker was gone"),
    ):
        verdict = judge(PROFILE, figures, [])
        assert (verdict.status, codes(verdict)) == (Status.INVALID, [*causes, "arrivals_unsent"])
        assert mend in verdict.reasons[-1].text
        assert ("max_in_flight" in verdict.reasons[-1].text) == (figures is dropped)
    assert "0.98 of a core" in judge(PROFILE, busy, []).reasons[0].text


def test_conditions_are_listed_from_cause_to_effect():
    void = replace(
        HEALTHY,
        invalid={"scrape_gap": 5.0, "unheard_of": 4.0, "worker_missing": 6.0, "generator_cpu": 9.0},
    )
    assert codes(judge(PROFILE, void, [])) == [
        "generator_cpu",
        "worker_missing",
        "scrape_gap",
        "unheard_of",
    ]


def test_a_backlog_caused_by_the_target_fails_the_run():
    client = replace(
        HEALTHY.client,
        slower_than_slo={"p99": 0.12},
        latency_including_waiting_seconds={"p99": 2.3},
        at_least=("p99",),
    )
    hung = judge(
        PROFILE,
        replace(
            HEALTHY,
            client=client,
            arrivals=Arrivals(
                offered=1000, started=880, unsent=0, lateness_p99_seconds=1.0, left=120
            ),
        ),
        [],
    )
    assert hung.status is Status.FAILED
    assert hung.reasons[0].text == (
        "client p99 is at least 2.3 s: 12 % of the requests took longer than 250 ms "
        "(limit: 1.0 %; backlog at the end: 120 arrivals)"
    )


def test_a_condition_behind_a_mishap_is_listed_once():
    mishap = Reason("scrape_gap", "the load generator's page was gone")
    assert judge(PROFILE, replace(HEALTHY, invalid={"scrape_gap": 5.0}), [mishap]).reasons == (
        mishap,
    )


def test_a_healthy_run_passes_without_a_reason():
    verdict = judge(PROFILE, HEALTHY, [])
    assert (verdict.status, verdict.reasons) == (Status.PASSED, ())


def test_starved_users_fail_a_run_whose_latency_is_perfect():
    starving = replace(
        HEALTHY, honesty=replace(HEALTHY.honesty, starved_sustained=203.0, oldest_max_seconds=24.2)
    )
    verdict = judge(PROFILE, starving, [])
    assert verdict.status is Status.FAILED
    assert "203 users got no answer (oldest request: 24 s; limit: 0)" in verdict.reasons[0].text


def test_exactly_the_accepted_share_of_slow_requests_passes():
    just = replace(HEALTHY, client=replace(HEALTHY.client, slower_than_slo={"p99": 1 - 0.99}))
    assert judge(PROFILE, just, []).status is Status.PASSED
    more = replace(HEALTHY, client=replace(HEALTHY.client, slower_than_slo={"p99": 0.0101}))
    assert codes(judge(PROFILE, more, [])) == ["latency_p99"]


def test_an_unusual_percentile_is_judged_by_its_share():
    slow = replace(HEALTHY, client=replace(HEALTHY.client, slower_than_slo={"p90": 0.2}))
    (reason,) = judge(replace(PROFILE, slo=Slo({"p90": 0.1})), slow, []).reasons
    assert reason == Reason(
        "latency_p90",
        "client p90: 20 % of the requests took longer than 100 ms (limit: 10 %)",
    )


@pytest.mark.parametrize(
    ("seconds", "planned", "is_early"), [(13.9, 15, True), (14.1, 15, False), (5, None, False)]
)
def test_a_load_that_ended_before_its_time_is_void(seconds, planned, is_early):
    reasons = [*ended_early(Window(100, 100 + seconds), planned)]
    assert [reason.code for reason in reasons] == (["load_ended_early"] if is_early else [])
    assert judge(PROFILE, HEALTHY, reasons).status is (
        Status.INVALID if is_early else Status.PASSED
    )
    assert all("it was not stopped by firedrill" in reason.text for reason in reasons), (
        "of others nobody knows"
    )


@pytest.mark.parametrize(
    ("exceptions", "requests", "arrivals", "beside"),
    [
        (11, 1000, None, "11 tasks ended with an exception, beside 1000 requests"),
        (20, 0, None, "20 tasks ended with an exception, beside 0 requests"),
        (
            235,
            5,
            Arrivals(offered=240, started=240, unsent=0, lateness_p99_seconds=0.001),
            "235 tasks ended with an exception, beside 240 arrivals",
        ),
        (10, 1000, None, None),
        (2, 5, Arrivals(offered=240, started=240, unsent=0, lateness_p99_seconds=0.001), None),
        (None, 1000, None, None),
    ],
)
def test_tasks_that_raise_void_a_run(exceptions, requests, arrivals, beside):
    honesty, counts = (
        replace(HEALTHY.honesty, exceptions=exceptions),
        replace(HEALTHY.counts, client_requests=requests),
    )
    verdict = judge(
        PROFILE, replace(HEALTHY, honesty=honesty, counts=counts, arrivals=arrivals), []
    )
    assert codes(verdict) == (["task_exceptions"] if beside else [])
    assert verdict.status is (Status.INVALID if beside else Status.PASSED)
    assert beside is None or verdict.reasons[0].text.startswith(beside)


@pytest.mark.parametrize(
    ("exceptions", "status"), [(26, Status.FAILED), (28, Status.FAILED), (29, Status.INVALID)]
)
def test_exceptions_explained_by_failed_requests_void_nothing(exceptions, status):
    """`response.json()["id"]` of an answer of status 500."""
    failing = replace(
        HEALTHY,
        client=replace(HEALTHY.client, error_ratio=0.1),
        counts=Counts(client_requests=260, client_failures=26, server_finished=260),
    )
    verdict = judge(
        PROFILE, replace(failing, honesty=replace(HEALTHY.honesty, exceptions=exceptions)), []
    )
    assert verdict.status is status
    if status is Status.INVALID:
        assert (
            "29 tasks ended with an exception, beside 260 requests (26 failed)"
            in verdict.reasons[0].text
        )


def test_starved_users_fail_a_run_although_others_were_not_observed():
    unobserved = (UnobservedUsers("Shop", "TRANSACTION", "checkout"),)
    quality = replace(HEALTHY.honesty, starved_sustained=5.0, unobserved=unobserved)
    few, many = (replace(PROFILE, slo=Slo(starved_users=limit)) for limit in (4, 5))
    starving = replace(HEALTHY, honesty=quality)
    assert codes(judge(few, starving, [])) == ["starved_users"]
    assert codes(judge(many, starving, [])) == ["unmeasured_starved_users"]


def test_a_bundled_profile_judges_the_rest_of_users_that_wait_unseen():
    bundled = load_profile("smoke")
    copied = load_profile(str(profile_file("smoke")))
    unobserved = (UnobservedUsers("Shop", "TRANSACTION", "checkout"),)
    quality = replace(HEALTHY.honesty, starved_sustained=None, unobserved=unobserved)
    unseen = replace(HEALTHY, honesty=quality)
    slow = replace(unseen, client=replace(unseen.client, error_ratio=0.5))
    assert judge(bundled, unseen, []).status is Status.PASSED
    assert codes(judge(bundled, slow, [])) == ["errors"]
    assert codes(judge(copied, unseen, [])) == ["unmeasured_starved_users"]


@pytest.mark.parametrize(
    ("figures", "objective", "mend"),
    [
        (
            replace(HEALTHY, client=replace(HEALTHY.client, slower_than_slo={"p99": None})),
            "p99",
            "report it",
        ),
        (
            replace(HEALTHY, client=replace(HEALTHY.client, error_ratio=None)),
            "errors",
            "play the load for longer",
        ),
        (
            replace(HEALTHY, honesty=replace(HEALTHY.honesty, starved_sustained=None)),
            "starved_users",
            "events.request.measure",
        ),
        (
            replace(
                HEALTHY,
                honesty=replace(
                    HEALTHY.honesty,
                    unobserved=(
                        UnobservedUsers("Bus", "", ""),
                        UnobservedUsers("Shop", "TRANSACTION", "checkout"),
                    ),
                ),
            ),
            "starved_users",
            "Shop reported requests that were not seen to begin (TRANSACTION checkout); wrap them",
        ),
    ],
)
def test_an_unmeasured_objective_is_broken(figures, objective, mend):
    verdict = judge(PROFILE, figures, [])
    assert (verdict.status, codes(verdict)) == (Status.INVALID, [f"unmeasured_{objective}"])
    assert mend in verdict.reasons[0].text
    assert "drop the objective" in verdict.reasons[0].text
    assert judge(replace(PROFILE, slo=Slo()), figures, []).status is Status.PASSED, (
        "which asks for nothing"
    )


def test_requests_of_the_warm_up_are_not_judged():
    silent = replace(HEALTHY.client, slower_than_slo={"p99": None}, rate=0.0, error_ratio=None)
    (reason,) = judge(PROFILE, replace(HEALTHY, client=silent), []).reasons
    assert reason == Reason(
        "no_requests", "the load generator reported no request after the warm-up"
    )
    never = replace(
        HEALTHY,
        client=replace(silent, rate=None),
        counts=Counts(client_requests=0, client_failures=0, server_finished=None),
    )
    for profile in (PROFILE, replace(PROFILE, slo=None)):
        verdict = judge(profile, never, [])
        assert (verdict.status, verdict.reasons[0].text) == (
            Status.INVALID,
            "the load generator reported no request",
        )


def test_an_api_that_answers_nothing_fails_by_waiting_requests():
    hung = replace(HEALTHY.client, slower_than_slo={"p99": 1.0}, rate=0.0, error_ratio=1.0)
    assert judge(PROFILE, replace(HEALTHY, client=hung), []).status is Status.FAILED


def test_errors_above_the_slo_fail():
    failing = replace(HEALTHY, client=replace(HEALTHY.client, error_ratio=0.02))
    assert judge(PROFILE, failing, []).reasons == (
        Reason("errors", "2.0 % of the requests failed (limit: 1.0 %)"),
    )
    hung = replace(failing, honesty=replace(HEALTHY.honesty, hung=12.0))
    assert (
        "2.0 % of the requests failed (limit: 1.0 %; 12 of them hung)"
        in judge(PROFILE, hung, []).reasons[0].text
    )


def test_failed_requests_name_the_endpoint_with_most():
    endpoint = EndpointFigures(
        method="GET",
        name="/",
        requests=50,
        rate=1.0,
        failures=40,
        latency_seconds={},
        slower_than_slo={},
    )
    left_out = replace(endpoint, name="/health", failures=50, is_excluded=True)
    figures = replace(
        HEALTHY,
        client=replace(HEALTHY.client, error_ratio=0.8),
        endpoints=(left_out, replace(endpoint, name="/items", failures=1), endpoint),
    )
    assert "most failures: GET /, 40 of 50)" in judge(PROFILE, figures, []).reasons[0].text


def test_good_latencies_do_not_make_an_invalid_run_valid():
    void = replace(
        HEALTHY, invalid={"generator_cpu": 12.0}, client=replace(HEALTHY.client, error_ratio=0.5)
    )
    verdict = judge(PROFILE, void, [])
    assert verdict.status is Status.INVALID
    assert codes(verdict) == ["generator_cpu", "errors"]


def test_every_condition_of_a_valid_run_is_explained():
    page = (
        (ROOT / "docs" / "profiles.md")
        .read_text()
        .split("## When a run is INVALID")[1]
        .split("##")[0]
    )
    assert [condition for condition in CONDITIONS if f"`{condition}`" not in page] == []


def test_one_stall_of_a_busy_machine_voids_nothing():
    assert judge(PROFILE, replace(HEALTHY, invalid={"loop_lag": 2.0}), []).status is Status.PASSED


@pytest.mark.parametrize(
    ("blind", "seconds", "is_valid"),
    [
        (5.0, 60, True),
        (5.1, 3600, False),
        (4.0, 40, True),
        (4.1, 40, False),
        (3.0, 12, True),
        (3.1, 12, False),
    ],
)
def test_a_run_with_a_large_scrape_gap_is_void(blind, seconds, is_valid):
    verdict = judge(PROFILE, replace(HEALTHY, blind_seconds=blind, seconds=seconds), [])
    assert codes(verdict) == ([] if is_valid else ["blind"])
    assert verdict.status is (Status.PASSED if is_valid else Status.INVALID)


def test_a_dead_api_fails_and_a_dead_prometheus_voids():
    assert judge(PROFILE, HEALTHY, [Reason("api_ended", "")]).status is Status.FAILED
    assert judge(PROFILE, HEALTHY, [Reason("prometheus_ended", "")]).status is Status.INVALID


def test_an_interrupted_run_keeps_its_reasons():
    starving = replace(HEALTHY, honesty=replace(HEALTHY.honesty, starved_sustained=3.0))
    verdict = judge(PROFILE, starving, [], interrupted=True)
    assert verdict.status is Status.INTERRUPTED
    assert codes(verdict) == ["interrupted", "starved_users"]


def test_wrong_alerts_fail_only_a_run_that_had_passed():
    wrong = (
        Reason(
            "alert_false", "the alert ApiDown fired after 3 s; the profile lists it under never"
        ),
    )
    passed, failed = (
        judge(PROFILE, HEALTHY, []),
        judge(PROFILE, replace(HEALTHY, client=replace(HEALTHY.client, error_ratio=0.5)), []),
    )
    void = judge(PROFILE, replace(HEALTHY, invalid={"generator_cpu": 12.0}), [])
    assert [verdict.with_failures(wrong).status for verdict in (passed, failed, void)] == [
        Status.FAILED,
        Status.FAILED,
        Status.INVALID,
    ]
    assert [codes(verdict.with_failures(wrong))[-1] for verdict in (passed, failed, void)] == [
        "alert_false"
    ] * 3
    assert passed.with_failures(()) == passed


def test_a_profile_without_slo_judges_none():
    failing = replace(
        HEALTHY, client=replace(HEALTHY.client, error_ratio=1.0, slower_than_slo={"p99": 1.0})
    )
    assert judge(replace(PROFILE, slo=None), failing, []).status is Status.PASSED
