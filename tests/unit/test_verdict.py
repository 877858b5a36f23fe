"""What figures mean against a profile."""

from dataclasses import replace

from firedrill.drill.figures import Arrivals, ClientSide, Counts, Figures, Honesty, Saturation, ServerSide
from firedrill.drill.verdict import Reason, Status, judge
from firedrill.profile import AlertExpectations, Profile, Slo, Step, UserShare

FAST = {"p50": 0.06, "p95": 0.095, "p99": 0.1}
HEALTHY = Figures(
    client=ClientSide(FAST, FAST, {"p99": 0.001}, rate=100.0, offered_rate=101.0, error_ratio=0.0),
    server=ServerSide(FAST, FAST, FAST, rate=100.0, error_ratio=0.0),
    steps=(),
    saturation=Saturation({"workers": 0.4}, None, None, "workers"),
    honesty=Honesty(9.0, 0.1, 0.0, 0.0, {"in_flight": 2.0, "unreported": 0.0}, 0.3, 0.001),
    alerts=(),
    counts=Counts(1000.0, 0.0, 1000.0),
    invalid={},
    blind_seconds=1.0,
)
PROFILE = Profile(
    name="launch",
    title="Launch",
    users=(UserShare("BasicUser"),),
    think_time_seconds=(0.5, 1.0),
    steps=(Step(0, 10, 10),),
    ramp=None,
    duration_seconds=60,
    warmup_seconds=5,
    slo=Slo({"p99": 0.25}, error_ratio=0.01, starved_users=0),
    alerts=AlertExpectations(),
)


def test_an_open_loop_that_could_not_send_is_invalid_and_says_what_to_do():
    sent = replace(HEALTHY, arrivals=Arrivals(1000, 990, 10, 0.004), invalid={"arrivals_unsent": 20.0})
    assert judge(PROFILE, sent, []).status is Status.PASSED
    unsent = judge(PROFILE, replace(HEALTHY, arrivals=Arrivals(1000, 980, 20, 2.0)), [])
    assert (unsent.status, codes(unsent)) == (Status.INVALID, ["arrivals_unsent"])
    assert "20 of 1000 arrivals were never sent" in unsent.reasons[0].text
    assert "max_in_flight" in unsent.reasons[0].text


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


def test_a_healthy_run_passes_without_a_reason():
    verdict = judge(PROFILE, HEALTHY, [])
    assert (verdict.status, verdict.reasons) == (Status.PASSED, ())


def test_starved_users_fail_a_run_whose_latency_is_perfect():
    starving = replace(HEALTHY, honesty=replace(HEALTHY.honesty, starved_sustained=203.0, oldest_max_seconds=24.2))
    verdict = judge(PROFILE, starving, [])
    assert verdict.status is Status.FAILED
    assert "203 users starved" in verdict.reasons[0].text
    assert "24 s" in verdict.reasons[0].text


def test_exactly_the_accepted_share_of_slow_requests_passes():
    just = replace(HEALTHY, client=replace(HEALTHY.client, slower_than_slo={"p99": 1 - 0.99}))
    assert judge(PROFILE, just, []).status is Status.PASSED
    more = replace(HEALTHY, client=replace(HEALTHY.client, slower_than_slo={"p99": 0.0101}))
    assert codes(judge(PROFILE, more, [])) == ["latency_p99"]


def test_an_objective_of_a_percentile_that_no_table_shows_is_judged_by_its_share():
    slow = replace(HEALTHY, client=replace(HEALTHY.client, slower_than_slo={"p90": 0.2}))
    (reason,) = judge(replace(PROFILE, slo=Slo({"p90": 0.1})), slow, []).reasons
    assert reason == Reason("latency_p90", "client p90: 20 % of the requests took longer than 100 ms; the SLO accepts 10 %")


def test_errors_above_the_slo_fail():
    failing = replace(HEALTHY, client=replace(HEALTHY.client, error_ratio=0.02))
    assert codes(judge(PROFILE, failing, [])) == ["errors"]


def test_an_invalid_run_is_invalid_whatever_its_latencies_say():
    void = replace(HEALTHY, invalid={"generator_cpu": 12.0}, client=replace(HEALTHY.client, error_ratio=0.5))
    verdict = judge(PROFILE, void, [])
    assert verdict.status is Status.INVALID
    assert codes(verdict) == ["generator_cpu", "errors"]


def test_one_stall_of_a_busy_machine_voids_nothing():
    assert judge(PROFILE, replace(HEALTHY, invalid={"loop_lag": 2.0}), []).status is Status.PASSED


def test_a_dead_api_fails_the_run_and_a_dead_prometheus_voids_it():
    assert judge(PROFILE, HEALTHY, [Reason("api_ended", "")]).status is Status.FAILED
    assert judge(PROFILE, HEALTHY, [Reason("prometheus_ended", "")]).status is Status.INVALID


def test_an_interrupted_run_says_so_and_keeps_its_reasons():
    starving = replace(HEALTHY, honesty=replace(HEALTHY.honesty, starved_sustained=3.0))
    verdict = judge(PROFILE, starving, [], interrupted=True)
    assert verdict.status is Status.INTERRUPTED
    assert codes(verdict) == ["interrupted", "starved_users"]


def test_what_alerts_did_wrong_fails_a_run_that_had_passed_and_is_only_added_to_any_other():
    wrong = (Reason("alert_false", "the alert ApiDown fired after 3 s; the profile says it never does"),)
    passed, failed = judge(PROFILE, HEALTHY, []), judge(PROFILE, replace(HEALTHY, client=replace(HEALTHY.client, error_ratio=0.5)), [])
    void = judge(PROFILE, replace(HEALTHY, invalid={"generator_cpu": 12.0}), [])
    assert [one.blaming(wrong).status for one in (passed, failed, void)] == [Status.FAILED, Status.FAILED, Status.INVALID]
    assert [codes(one.blaming(wrong))[-1] for one in (passed, failed, void)] == ["alert_false"] * 3
    assert passed.blaming(()) == passed


def test_a_profile_without_slo_judges_none():
    failing = replace(HEALTHY, client=replace(HEALTHY.client, error_ratio=1.0, slower_than_slo={"p99": 1.0}))
    assert judge(replace(PROFILE, slo=None), failing, []).status is Status.PASSED
