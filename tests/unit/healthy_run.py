"""A healthy run: its profile, figures and run.json, of which tests change what they are about."""

from firedrill.profile import AlertExpectations, Profile, Slo, Step, UserShare
from firedrill.record.figures import (
    ClientSide,
    Counts,
    Figures,
    MeasurementQuality,
    Saturation,
    ServerSide,
)
from firedrill.record.outcome import Status, Verdict
from firedrill.record.run_document import PlayedProfile, RunDocument

FAST = {"p50": 0.06, "p95": 0.095, "p99": 0.1}
HEALTHY = Figures(
    client=ClientSide(
        FAST,
        FAST,
        {"p99": 0.001},
        rate=100.0,
        offered_rate=101.0,
        error_ratio=0.0,
        standard_error_seconds={"mean": 0.0},
    ),
    server=ServerSide(FAST, FAST, FAST, rate=100.0, error_ratio=0.0),
    steps=(),
    saturation=Saturation(
        largest_ratio={"workers": 0.4},
        ran_out_first=None,
        ran_out_after_seconds=None,
        nearest="workers",
    ),
    honesty=MeasurementQuality(
        in_flight_max=9.0,
        oldest_max_seconds=0.1,
        starved_max=0.0,
        starved_sustained=0.0,
        abandoned={"in_flight": 2.0, "unreported": 0.0},
        generator_cpu_max_ratio=0.3,
        generator_lag_ratio=0.001,
    ),
    alerts=(),
    counts=Counts(client_requests=1000.0, client_failures=0.0, server_finished=1000.0),
    invalid={},
    blind_seconds=1.0,
    seconds=60.0,
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


def run_document(*, profile=PROFILE, **changed):
    """The run.json of a healthy run, with these fields changed."""
    healthy = {
        "profile": PlayedProfile.of(profile, "launch"),
        "target": "bundled API",
        "verdict": Verdict(Status.PASSED, ()),
        "figures": HEALTHY,
    }
    return RunDocument(**healthy | changed)
