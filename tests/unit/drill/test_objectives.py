"""Objectives of means, maxima, rates and single endpoints, and requests that are left out."""

from dataclasses import replace

import pytest

from firedrill.drill.judge import notes
from firedrill.drill.judge.verdict import judge
from firedrill.errors import BadInput
from firedrill.objectives import accepted_ratio, bounds_text, is_excluded, read_bounds
from firedrill.profile import Objectives, Slo, load_profile
from firedrill.record.figures import Arrivals, EndpointFigures
from firedrill.record.outcome import Status
from tests.unit.drill.reasons import codes
from tests.unit.healthy_run import FAST, HEALTHY, PROFILE, run_document

CHECKOUT = EndpointFigures(
    method="POST",
    name="/checkout",
    requests=200.0,
    rate=4.0,
    failures=3.0,
    latency_seconds={"p95": 0.9, "mean": 0.4},
    slower_than_slo={"p95": 0.08},
)


def judged(slo, figures=HEALTHY, **changed):
    return judge(replace(PROFILE, slo=slo, **changed), figures, [])


def with_client(**client):
    return replace(HEALTHY, client=replace(HEALTHY.client, **client))


def with_latency(**latency):
    return with_client(latency_seconds=latency, latency_including_waiting_seconds=latency)


@pytest.mark.parametrize(
    ("mean", "status"), [(0.079, Status.PASSED), (0.0801, Status.FAILED), (None, Status.INVALID)]
)
def test_a_mean_is_judged_by_its_limit(mean, status):
    verdict = judged(Slo(mean_seconds=0.08), with_latency(**FAST, mean=mean))
    assert verdict.status is status
    assert (
        codes(verdict)
        == {
            Status.PASSED: [],
            Status.FAILED: ["latency_mean"],
            Status.INVALID: ["unmeasured_mean"],
        }[status]
    )


def test_one_request_above_the_maximum_breaks_it():
    slo = Slo({"max": 2.0})
    assert judged(slo, with_client(slower_than_slo={"max": 0.0})).status is Status.PASSED
    broken = judged(slo, with_client(slower_than_slo={"max": 1 / 100_000}))
    assert codes(broken) == ["latency_max"]


def test_the_achieved_share_of_the_offered_rate_is_judged():
    slo = Slo(achieved_ratio=0.95)
    assert judged(slo, with_client(rate=96.0, offered_rate=101.0)).status is Status.PASSED
    failed = judged(slo, with_client(rate=90.0, offered_rate=100.0))
    assert codes(failed) == ["achieved"]
    text = "90 % of the 100 offered requests a second were achieved (limit: 95 %)"
    assert failed.reasons[0].text == text
    assert codes(judged(slo, with_client(offered_rate=None))) == ["unmeasured_achieved"]


@pytest.mark.parametrize("name", ["/checkout", "POST /checkout"])
def test_an_endpoint_has_objectives_of_its_own(name):
    limits = Objectives({"p95": 0.8}, error_ratio=0.01, mean_seconds=0.3)
    verdict = judged(Slo(endpoints={name: limits}), replace(HEALTHY, endpoints=(CHECKOUT,)))
    assert codes(verdict) == ["endpoint_p95", "endpoint_mean", "endpoint_errors"]
    assert verdict.reasons[0].text == (
        "POST /checkout: p95 is 900 ms: 8.0 % of its requests took longer than 800 ms"
        " (limit: 5.0 %)"
    )
    kept = Objectives({"p95": 0.8}, error_ratio=0.02)
    met = replace(CHECKOUT, slower_than_slo={"p95": 0.05})
    assert judged(Slo(endpoints={name: kept}), replace(HEALTHY, endpoints=(met,))).reasons == ()


def test_an_endpoint_that_never_occurred_voids_the_run_and_names_the_nearest():
    slo = Slo(endpoints={"/chekout": Objectives(error_ratio=0.01)})
    verdict = judged(slo, replace(HEALTHY, endpoints=(CHECKOUT,)))
    assert (verdict.status, codes(verdict)) == (Status.INVALID, ["unmeasured_endpoint"])
    assert "'/chekout' got no request; did you mean /checkout?" in verdict.reasons[0].text


def test_own_objectives_of_a_method_come_before_those_of_the_name():
    slo = Slo(
        endpoints={
            "/checkout": Objectives({"p95": 2.0, "p50": 0.5}, error_ratio=0.01),
            "POST /checkout": Objectives({"p95": 0.8}, mean_seconds=0.5),
        }
    )
    assert slo.objectives_of("POST", "/checkout") == Objectives(
        {"p95": 0.8, "p50": 0.5}, error_ratio=0.01, mean_seconds=0.5
    )
    assert slo.objectives_of("GET", "/checkout") == slo.endpoints["/checkout"]
    assert slo.objectives_of("GET", "/") is None


def test_an_endpoint_objective_that_nobody_measured_voids_the_run():
    slo = Slo(endpoints={"/checkout": Objectives({"p95": 0.8}, mean_seconds=0.5)})
    untimed = replace(CHECKOUT, slower_than_slo={"p95": None}, latency_seconds={})
    verdict = judged(slo, replace(HEALTHY, endpoints=(untimed,)))
    assert codes(verdict) == ["unmeasured_endpoint"] * 2
    assert verdict.status is Status.INVALID


def test_requests_without_an_answer_void_objectives_of_endpoints_alone():
    """Nobody knows to which endpoint they went."""
    hung = replace(
        HEALTHY, endpoints=(CHECKOUT,), honesty=replace(HEALTHY.honesty, starved_sustained=4.0)
    )
    of_endpoint = {"/checkout": Objectives(error_ratio=0.5)}
    assert codes(judged(Slo(endpoints=of_endpoint), hung)) == ["unmeasured_endpoint"]
    both = Slo(endpoints=of_endpoint, error_ratio=0.5, starved_users=9)
    assert judged(both, hung).status is Status.PASSED, "judged by the objectives of all requests"


def test_an_open_workload_achieves_arrivals():
    """A task may send several requests."""
    arrivals = Arrivals(
        offered=1000, started=1000, unsent=0, lateness_p99_seconds=0.1, finished=900
    )
    busy = replace(with_client(rate=300.0, offered_rate=100.0), arrivals=arrivals)
    failed = judged(Slo(achieved_ratio=0.95), busy)
    assert (
        failed.reasons[0].text == "90 % of the 1,000 offered arrivals were achieved (limit: 95 %)"
    )


def test_requests_are_excluded_by_name_type_or_both():
    assert is_excluded("GET", "/login", ["/login"])
    assert is_excluded("TRANSACTION", "buy", ["TRANSACTION"])
    assert is_excluded("GET", "/setup/7", ["GET /setup/*"])
    assert not is_excluded("POST", "/login", ["GET /login", "/log"])
    assert not is_excluded("GET", "/", [])
    assert is_excluded("GET", "/item/[id]", ["/item/[id]"])
    assert not is_excluded("GET", "/item/i", ["/item/[id]"])


def test_excluding_every_request_is_named():
    nothing = replace(
        with_client(rate=0.0, error_ratio=None), endpoints=(replace(CHECKOUT, is_excluded=True),)
    )
    verdict = judged(Slo(error_ratio=0.01), nothing, exclude=("*",))
    assert "the profile's exclude leaves out every request" in verdict.reasons[0].text
    assert verdict.status is Status.INVALID


def test_a_pattern_that_excludes_nothing_is_noted():
    profile = replace(PROFILE, exclude=("/checkou", "POST *"))
    document = run_document(profile=profile, figures=replace(HEALTHY, endpoints=(CHECKOUT,)))
    (remark,) = notes.remarks(document)
    assert "'/checkou' matched no request; did you mean /checkout?" in remark.text


@pytest.mark.parametrize(
    ("name", "accepted"), [("p50", 0.5), ("p99", 0.01), ("p99.9", 0.001), ("max", 0.0)]
)
def test_a_percentile_accepts_the_share_above_it(name, accepted):
    assert accepted_ratio(name) == accepted


def test_objectives_become_bucket_bounds():
    text = bounds_text({2.0, 0.3})
    assert text == "0.3,2.0"
    assert list(read_bounds(text, 600)) == [0.3, 2.0]
    assert list(read_bounds("x,,-1,0,601,nan,0.5", 600)) == [0.5]


PROFILE_TEXT = """\
name: mine
steps: [{{start_time: 0s, users: 1}}]
duration: 10s
slo: {slo}
"""


def read(tmp_path, slo):
    file = tmp_path / "mine.yaml"
    file.write_text(PROFILE_TEXT.format(slo=slo))
    return load_profile(str(file))


def test_a_profile_names_any_objective(tmp_path):
    profile = read(
        tmp_path,
        "{p99: 300ms, p99.9: 2s, max: 600s, mean: 0.1ms, achieved: 95%,"
        ' endpoints: {"GET /a": {p50: 40ms, errors: 0.1%}}}',
    )
    assert profile.slo == Slo(
        {"p99": 0.3, "p99.9": 2.0, "max": 600.0},
        mean_seconds=0.0001,
        achieved_ratio=0.95,
        endpoints={"GET /a": Objectives({"p50": 0.04}, error_ratio=0.001)},
    )
    assert profile.objective_seconds() == {0.3, 2.0, 600.0, 0.04}


@pytest.mark.parametrize(
    ("slo", "mistake"),
    [
        ("{p99: 0s}", "slo.p99 is '0s'; expected a latency from 0.1ms to 600s"),
        ("{p99: -1s}", "slo.p99 is '-1s'; expected a duration such as 30s"),
        ("{max: 601s}", "slo.max is '601s'; expected a latency from 0.1ms to 600s"),
        ("{achieved: 0%}", "slo.achieved is '0%'; expected more than 0"),
        ("{endpoints: {/a: {p9: 1s}}}", "slo.endpoints./a.p9 is no key"),
    ],
)
def test_an_impossible_objective_is_named(tmp_path, slo, mistake):
    with pytest.raises(BadInput) as error:
        read(tmp_path, slo)
    assert f"mine.yaml:4: {mistake}" in str(error.value)
