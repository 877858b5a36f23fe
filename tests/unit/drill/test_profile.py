"""A load profile is read from its file, and each mistake in it is named."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.contract import BUNDLED_USERS, LATENCY_BOUNDS_SECONDS
from firedrill.errors import BadInput
from firedrill.places import ROOT
from firedrill.profile import (
    FaultStep,
    OpenLoop,
    Ramp,
    RateRamp,
    Step,
    UserShare,
    bundled_profiles,
    check_users,
    load_profile,
)
from firedrill.profile_form import keys
from firedrill.quantities import (
    parse_growth,
    parse_latency_limit,
    parse_range,
    parse_ratio,
    parse_seconds,
)

LAUNCH = """\
name: launch
title: Product launch - spike, then settle
arrivals: closed
user: BasicUser
think_time: 0.5s..1s
steps:
  - {start_time: 0s, users: 10, spawn_rate: 10}
  - {start_time: 30s, users: 100, spawn_rate: 50}
  - {start_time: 90s, users: 40}
duration: 150s
slo: {p99: 250ms, errors: 1%, starved_users: 0}
alerts: {if_slo_broken: [ApiLatencyBudgetBurn], never: [ApiScrapeUnreliable]}
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "launch.yaml"
        path.write_text(text)
        return load_profile(str(path))

    return load


def test_a_profile_file_is_read_completely(load):
    profile = load(LAUNCH)
    assert (profile.name, profile.duration_seconds, profile.warmup_seconds) == ("launch", 150, 0)
    assert profile.users == (UserShare("BasicUser", 1),)
    assert profile.think_time_seconds == (0.5, 1)
    assert profile.slo.latency_seconds == {"p99": 0.25}
    assert (profile.slo.error_ratio, profile.slo.starved_users) == (0.01, 0)
    assert profile.alerts.if_slo_broken == ("ApiLatencyBudgetBurn",)
    assert profile.alerts.never == ("ApiScrapeUnreliable",)


@pytest.mark.parametrize(
    ("seconds", "target", "step", "scheduled"),
    [
        (0, (10, 10), 0, 0),
        (0.5, (10, 10), 0, 5),
        (29.9, (10, 10), 0, 10),
        (30, (100, 50), 1, 10),
        (31, (100, 50), 1, 60),
        (89, (100, 50), 1, 100),
        (91, (40, 50), 2, 50),
        (149, (40, 50), 2, 40),
        (150, None, 2, 0),
    ],
)
def test_steps_inherit_the_spawn_rate(load, seconds, target, step, scheduled):
    profile = load(LAUNCH)
    assert profile.target_at(seconds) == target
    assert profile.step_at(seconds) == step
    assert profile.scheduled_users(seconds) == pytest.approx(scheduled)


def test_a_ramp_adds_users_until_it_is_stopped():
    profile = load_profile("ramp")
    assert profile.ramp == Ramp(10, 30, 10)
    assert [profile.target_at(seconds)[0] for seconds in (0, 29, 30, 60, 3600)] == [
        10,
        10,
        20,
        30,
        1210,
    ]
    assert profile.step_at(61) == 2
    assert profile.scheduled_users(30.5) == pytest.approx(15)
    assert profile.duration_seconds is None


def test_users_may_be_a_weighted_list(load):
    profile = load(
        LAUNCH.replace(
            "user: BasicUser", "user: [{name: BasicUser}, {name: BrowsingUser, weight: 3}]"
        )
    )
    assert profile.users == (UserShare("BasicUser", 1), UserShare("BrowsingUser", 3))


OPEN = """\
name: launch
arrivals: open
spacing: poisson
max_in_flight: 50
steps:
  - {start_time: 0s, rate: 10}
  - {start_time: 30s, rate: 0.5}
duration: 60s
"""


def test_an_open_loop_has_rates_and_a_cap(load):
    profile = load(OPEN)
    assert profile.open_loop == OpenLoop(50, poisson=True)
    assert profile.steps == (
        Step(start_seconds=0, users=50, spawn_rate=50, rate=10),
        Step(start_seconds=30, users=50, spawn_rate=50, rate=0.5),
    )
    assert [profile.target_at(seconds) for seconds in (0, 59, 60)] == [(50, 50), (50, 50), None]
    assert load(OPEN.replace("spacing: poisson", "spacing: even")).open_loop == OpenLoop(50)
    assert load(LAUNCH).open_loop is None


def test_an_open_loop_may_be_a_ramp(load):
    steps = OPEN[OPEN.index("steps:") : OPEN.index("duration")]
    profile = load(OPEN.replace(steps, "ramp: {add_rate: 20, every: 5s}\n"))
    assert profile.ramp == RateRamp(20, 5, 50)
    assert profile.step_at(12) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate: 10", "rate: -10", "launch.yaml:6: steps[0].rate is -10; expected 0 or more"),
        ("rate: 10", "rate: .inf", "launch.yaml:6: steps[0].rate is inf; expected a number"),
        ("rate: 10", "rate: .nan", "launch.yaml:6: steps[0].rate is nan; expected"),
        (
            "rate: 10",
            "rate: 1e9",
            "launch.yaml:6: steps[0].rate is 1000000000.0; expected 100000 or less",
        ),
        ("rate: 10", "rate: ten", "launch.yaml:6: steps[0].rate is 'ten'; expected a number"),
        ("rate: 10", "users: 10", "launch.yaml:6: steps[0].rate is missing"),
        (
            "rate: 10",
            "rate: 10, users: 10",
            "launch.yaml:6: steps[0].users belongs to arrivals: closed",
        ),
        (
            "rate: 10",
            "rate: 10, spawn_rate: 10",
            "launch.yaml:6: steps[0].spawn_rate belongs to arrivals: closed",
        ),
        (
            "max_in_flight: 50",
            "max_in_flight: 0",
            "launch.yaml:4: max_in_flight is 0; expected more than 0",
        ),
        (
            "max_in_flight: 50",
            "max_in_flight: 1000000",
            "launch.yaml:4: max_in_flight is 1000000; expected 100000 or less",
        ),
        ("poisson", "random", "launch.yaml:3: spacing is 'random'; expected 'even' or 'poisson'"),
    ],
)
def test_a_mistake_in_an_open_loop_is_named(load, old, new, message):
    with pytest.raises(BadInput) as mistake:
        load(OPEN.replace(old, new, 1))
    assert message in str(mistake.value)


def test_a_class_of_users_stands_once_in_a_profile(load):
    twice = LAUNCH.replace(
        "user: BasicUser\n", "user:\n  - {name: BasicUser}\n  - {name: BasicUser, weight: 3}\n"
    )
    assert twice != LAUNCH
    with pytest.raises(
        BadInput, match=r"user\[1\]\.name is BasicUser once more; expected each class of users once"
    ):
        load(twice)


FAULTS = """\
faults:
  - {start_time: 60s, for: 20s, errors: 20%, cpu: 1, stuck: 3, memory: 500kB/s, stop: true}
  - {start_time: 20s, for: 30s, latency: 300ms}
"""


def test_faults_are_sorted_and_in_base_units(load):
    later = {"errors": 0.2, "cpu": 1.0, "stuck": 3.0, "memory": 500e3, "stop": 1.0}
    assert load(LAUNCH + FAULTS).faults == (
        FaultStep(20, 30, {"latency": 0.3}),
        FaultStep(60, 20, later),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("20%", "0%", "launch.yaml:14: faults[0].errors is '0%'; expected more than 0"),
        ("300ms", "61s", "launch.yaml:15: faults[1].latency is '61s'; expected 60 or less"),
        (
            "stuck: 3",
            "stuck: 2.5",
            "launch.yaml:14: faults[0].stuck is 2.5; expected a whole number",
        ),
        ("cpu: 1", "cpu: '1'", "launch.yaml:14: faults[0].cpu is '1'; expected a number"),
        (
            "500kB/s",
            "500kB",
            (
                "launch.yaml:14: faults[0].memory is '500kB'; "
                "expected a growth such as 5MB/s or 500kB/s"
            ),
        ),
        (
            "stop: true",
            "stop: false",
            "launch.yaml:14: faults[0].stop is False; expected no value but true",
        ),
        (
            ", latency: 300ms",
            "",
            "launch.yaml:15: faults[1] sets no fault; expected one or more of latency, errors",
        ),
        ("latency", "latncy", "launch.yaml:15: faults[1].latncy is no key; did you mean latency?"),
        ("for: 30s, ", "", "launch.yaml:15: faults[1].for is missing"),
        (
            "30s",
            "2h",
            "launch.yaml:15: faults[1].for is '2h'; expected a duration above 0s, 1h at most",
        ),
        (
            "20s, for: 30s",
            "150s, for: 30s",
            "launch.yaml:15: faults[1].start_time is 150s; expected less than the duration",
        ),
    ],
)
def test_a_mistake_in_a_fault_is_named_like_any_other(load, old, new, message):
    with pytest.raises(BadInput) as mistake:
        load(LAUNCH + FAULTS.replace(old, new, 1))
    assert message in str(mistake.value)


@pytest.mark.parametrize("name", bundled_profiles())
def test_every_bundled_profile_is_named_as_its_file_and_loads(name):
    assert load_profile(name).name == name


def test_smoke_takes_less_than_twenty_seconds():
    assert load_profile("smoke").duration_seconds < 20


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("users: 40", "users: -5", "launch.yaml:9: steps[2].users is -5; expected 0 or more"),
        (
            "users: 40",
            "users: 10000000",
            "launch.yaml:9: steps[2].users is 10000000; expected 500000 or less",
        ),
        (
            "users: 40",
            "users: '5'",
            "launch.yaml:9: steps[2].users is '5'; expected a whole number",
        ),
        (
            "users: 40",
            "user: 40",
            (
                "steps[2].user is no key; did you mean users? "
                "(known: rate, spawn_rate, start_time, users)"
            ),
        ),
        (", users: 40", "", "launch.yaml:9: steps[2].users is missing"),
        (
            "spawn_rate: 50",
            "spawn_rate: 0",
            "launch.yaml:8: steps[1].spawn_rate is 0; expected more than 0",
        ),
        (
            "90s",
            "20s",
            (
                "launch.yaml:9: steps[2].start_time is 20s; "
                "expected more than the 30s of the step before it"
            ),
        ),
        (
            "0s, users: 10,",
            "1s, users: 10,",
            "launch.yaml:7: steps[0].start_time is 1s; expected 0s",
        ),
        (
            "duration: 150s",
            "duration: 150",
            "launch.yaml:10: duration is 150; expected a duration such as 30s, 1m30s or 250ms",
        ),
        ("duration: 150s", f"duration: {'9' * 400}s", "expected a duration of 1000h at most"),
        (
            "duration: 150s",
            "duration: 80s",
            "launch.yaml:10: duration is 80s; expected more than the last step's start_time",
        ),
        (
            "250ms",
            "700s",
            "launch.yaml:11: slo.p99 is '700s'; expected a latency from 0.1ms to 600s",
        ),
        ("1%", "0.01", "launch.yaml:11: slo.errors is 0.01; expected a percentage such as 1%"),
        ("1%", "101%", "launch.yaml:11: slo.errors is '101%'; expected a percentage such as 1%"),
        (
            "0.5s..1s",
            "1s..0.5s",
            (
                "launch.yaml:5: think_time is '1s..0.5s'; "
                "expected a range that begins with the shorter duration"
            ),
        ),
        ("closed", "ajar", "launch.yaml:3: arrivals is 'ajar'; expected 'closed' or 'open'"),
        ("closed", "open", "launch.yaml:1: max_in_flight is missing"),
        (
            "users: 40",
            "users: 40, rate: 5",
            "launch.yaml:9: steps[2].rate belongs to arrivals: open",
        ),
        (
            "slo: {p99: 250ms, errors: 1%, starved_users: 0}",
            "abort_on_slo: true",
            "launch.yaml:11: abort_on_slo needs objectives",
        ),
        (
            "slo: {p99: 250ms, errors: 1%, starved_users: 0}",
            "slo: {}\nabort_on_slo: true",
            "launch.yaml:12: abort_on_slo needs objectives; expected one or more in slo",
        ),
        (
            "150s",
            "150s\nwarmup: 150s",
            "launch.yaml:11: warmup is 150s; expected less than the duration, 150s",
        ),
        ("user: BasicUser", "spacing: even", "launch.yaml:4: spacing belongs to arrivals: open"),
        ("user: BasicUser", "user: 3", "launch.yaml:4: user is 3; expected a list"),
        (
            "duration: 150s",
            "ramp: {add_users: 1, every: 1ms}",
            "launch.yaml:10: ramp.every is '1ms'; expected 0.1 or more",
        ),
        (
            "duration: 150s",
            "ramp: {add_users: 1, every: 1s}",
            "launch.yaml:10: ramp is given beside steps; expected one of them",
        ),
        ("title:", "name:", 'launch.yaml:2: found duplicate key "name"'),
        ("slo: {", "slo: {{", "launch.yaml:12: expected ',' or '}'"),
        ("name: launch\n", "", "launch.yaml:1: name is missing"),
    ],
)
def test_a_mistake_is_named_with_file_line_value_and_expectation(load, old, new, message):
    with pytest.raises(BadInput) as mistake:
        load(LAUNCH.replace(old, new, 1))
    assert message in str(mistake.value)
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "just text"])
def test_a_file_without_keys_is_no_profile(load, text):
    with pytest.raises(BadInput, match=r"launch.yaml:1: expected keys and values"):
        load(text)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "lanch",
            (
                "profile lanch is unknown; did you mean launch? "
                f"(known: {', '.join(sorted(bundled_profiles()))})"
            ),
        ),
        ("nowhere.yaml", "nowhere.yaml: cannot be read: No such file or directory"),
    ],
)
def test_an_unknown_profile_is_answered_with_the_nearest(name, message):
    with pytest.raises(BadInput) as mistake:
        load_profile(name)
    assert str(mistake.value) == message


RAMP = "name: launch\narrivals: open\nmax_in_flight: 4\nramp: {add_rate: 40000, every: 1s}\n"


def test_a_ramp_rises_no_higher_than_any_rate_may_be(load):
    assert [step.rate for step, _ in zip(load(RAMP).all_steps(), range(4), strict=False)] == [
        40_000,
        80_000,
        100_000,
        100_000,
    ]
    assert load(f"{RAMP}duration: 2s\n").duration_seconds == 2
    with pytest.raises(
        BadInput,
        match=r"launch.yaml:4: ramp.add_rate comes to 120000 a second by the end; "
        r"expected 100000 at most",
    ):
        load(f"{RAMP}duration: 2500ms\n")


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (
            "BasicUsr",
            (
                "launch.yaml:4: user is BasicUsr, which is none of the bundled users; "
                "did you mean BasicUser or BrowsingUser? (known: "
            ),
        ),
        (
            "[{name: BrowsingUser}, {name: Nobody}]",
            "launch.yaml:4: user[1].name is Nobody, which is none of the bundled users (known: ",
        ),
    ],
)
def test_an_unknown_user_class_is_named_with_its_line(tmp_path, user, message):
    path = tmp_path / "launch.yaml"
    path.write_text(LAUNCH.replace("user: BasicUser", f"user: {user}"))
    with pytest.raises(BadInput) as mistake:
        check_users(str(path), BUNDLED_USERS)
    assert message in str(mistake.value)


def test_bundled_profiles_use_the_users_of_the_locustfile():
    classes = re.findall(
        r"^class (\w+)\(ProfiledUser\)", (ROOT / "load" / "users.py").read_text(), re.MULTILINE
    )
    assert tuple(classes) == BUNDLED_USERS
    for name in bundled_profiles():
        check_users(name, BUNDLED_USERS)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_duration_is_the_sum_of_its_parts(hours, minutes, seconds, milliseconds):
    expected = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    assert parse_seconds(f"{hours}h{minutes}m{seconds}s{milliseconds}ms") == expected


@given(st.sampled_from(LATENCY_BOUNDS_SECONDS))
def test_a_bound_written_in_milliseconds_is_the_bound_itself(bound):
    in_range = min(max(bound, 1e-4), 600.0)
    assert parse_latency_limit(f"{in_range * 1000:.6g}ms") == in_range
    assert parse_latency_limit(f"{in_range:.9f}s") == in_range


@given(st.text())
def test_any_text_is_a_duration_or_a_named_mistake(text):
    for parse in (parse_seconds, parse_range, parse_ratio, parse_growth):
        try:
            parse(text)
        except ValueError as mistake:
            assert str(mistake).startswith(("a duration", "a range", "a percentage", "a growth"))  # noqa: PT017 - either outcome is right


def test_every_key_is_explained():
    page = (ROOT / "docs" / "profiles.md").read_text()
    missing = {
        f"{place}.{key}"
        for place, names in keys().items()
        for key in names
        if f"`{key}`" not in page
    }
    assert not missing


def test_every_bundled_profile_is_explained():
    page = (ROOT / "docs" / "profiles.md").read_text()
    assert not [name for name in bundled_profiles() if f"| {name} |" not in page]
