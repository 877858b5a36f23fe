"""Plain Locust plays load profiles, with the bundled users or somebody else's."""

import json
import time
from pathlib import Path

import pytest
import requests

from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, SHAPE
from firedrill.processes.ports import any_free
from tests import firedrill_process
from tests.locust_process import Locust, forked_options
from tests.waiting import PATIENCE_SECONDS

LOCUSTFILES = Path(__file__).parent / "locustfiles"
CLOCKED = (
    LOCUSTFILES / "given_clock.py",
    LOCUSTFILES / "forgiving.py",
    LOCUSTFILE,
    EXPORTER_PLUGIN,
)
PROFILE = """\
name: two-steps
user: [{name: BasicUser}, {name: BrowsingUser}]
think_time: 50ms..100ms
steps:
  - {start_time: 0s, users: 2, spawn_rate: 10}
  - {start_time: 2s, users: 4}
duration: 5s
slo: {p99: 250ms, errors: 1%, starved_users: 3}
"""


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "two-steps.yaml"
    path.write_text(PROFILE)
    return path


class Clock:
    """A load profile's clock: a file that given_clock.py reads."""

    def __init__(self, folder):
        self.file = folder / "seconds"
        self.set(0)

    def set(self, seconds):
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.file)


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


def in_first_step(metrics):
    return metrics.value("locust_load_step") == 0 and metrics.total("locust_users") == 2


def in_second_step(metrics):
    return metrics.value("locust_load_step") == 1 and metrics.total("locust_users") == 4


def test_a_profile_shows_its_steps_and_its_objectives(target, profile, clock):
    played = ("--load-profile", profile, "--headless", "-H", target.url)
    with Locust(*played, files=CLOCKED, CLOCK=str(clock.file), FIREDRILL_TIME_SCALE="12") as locust:
        first = locust.until(in_first_step, "the first step")
        clock.set(2)
        second = locust.until(in_second_step, "the second step")
        clock.set(5)
        locust.scrape_until_the_end()
        assert locust.wait() == 0
    assert (
        second.value("locust_users", user_class="BasicUser")
        == second.value("locust_users", user_class="BrowsingUser")
        == 2
    )
    assert second.value("locust_users_target") == 4
    assert first.value("firedrill_slo_latency_seconds", quantile="0.99") == 0.25
    assert first.value("firedrill_slo_error_ratio") == 0.01
    assert first.value("firedrill_slo_starved_users") == 3
    assert first.value("firedrill_time_scale") == 12
    assert {
        labels["profile"] for name, labels, _ in first.samples if name == "locust_test_info"
    } == {"two-steps"}


def test_the_simplest_command_runs_one_kind_of_user(target, tmp_path):
    arguments = (
        "--headless",
        "-u",
        1,
        "-r",
        1,
        "-H",
        target.url,
        "--json-file",
        tmp_path / "result",
    )
    began = time.monotonic()
    with Locust(*arguments, files=(LOCUSTFILE,)) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total") >= 3, "three requests"
        )
        locust.stop()
        assert locust.wait() == 0
    elapsed = time.monotonic() - began
    (row,) = json.loads((tmp_path / "result.json").read_text())
    assert (row["name"], row["method"], row["num_failures"]) == ("/", "GET", 0)
    # One user with a pause of 0.5 s at least.
    assert 3 <= row["num_requests"] <= 1 + elapsed / 0.5
    assert not metrics.values("locust_load_step")


def test_workers_play_one_profile_together(target, profile, clock):
    forked = (*forked_options(2), "--headless")
    with Locust(
        "--load-profile", profile, *forked, "-H", target.url, files=CLOCKED, CLOCK=str(clock.file)
    ) as locust:
        locust.until(in_first_step, "the first step")
        clock.set(2)
        locust.until(
            lambda metrics: (
                in_second_step(metrics) and metrics.values("locust_worker_users") == [2, 2]
            ),
            "the second step",
        )
        clock.set(5)
        locust.scrape_until_the_end()
        assert locust.wait() == 0


def test_somebody_elses_users_follow_the_profile(target, profile, clock):
    files = (
        LOCUSTFILES / "given_clock.py",
        firedrill_process.LOCUSTFILES / "theirs.py",
        SHAPE,
        EXPORTER_PLUGIN,
    )
    with Locust(
        "--headless",
        "-H",
        target.url,
        files=files,
        LOAD_PROFILE=str(profile),
        CLOCK=str(clock.file),
    ) as locust:
        clock.set(2)
        metrics = locust.until(
            lambda metrics: metrics.value("locust_users", user_class="TheirUser") == 4,
            "the second step",
        )
    assert metrics.value("locust_load_step") == 1


def test_somebody_elses_shape_wins(target, profile):
    files = (LOCUSTFILES / "own_shape.py", SHAPE, EXPORTER_PLUGIN)
    with Locust("--headless", "-H", target.url, files=files, LOAD_PROFILE=str(profile)) as locust:
        metrics = locust.until(
            lambda metrics: metrics.value("locust_users", user_class="TheirUser") == 7,
            "their seven users",
        )
    assert not metrics.values("locust_load_step")


def test_a_profile_starts_from_the_web_page(target, profile, clock):
    port = any_free()
    web = f"http://127.0.0.1:{port}"
    served = (
        "--load-profile",
        profile,
        "--web-host",
        "127.0.0.1",
        "--web-port",
        port,
        "-H",
        target.url,
    )
    with Locust(*served, files=CLOCKED, CLOCK=str(clock.file)) as locust:

        def swarm():
            return requests.post(f"{web}/swarm", data={}, timeout=PATIENCE_SECONDS).json()[
                "success"
            ]

        assert "locust" in locust.get(web).text
        assert swarm()
        locust.until(in_first_step, "the first step")
        clock.set(2)
        locust.until(in_second_step, "the second step")
        locust.until(
            lambda metrics: metrics.total("locust_requests_total", name="/items/[id]"),
            "somebody to look at an item",
        )
        clock.set(5)
        end = locust.until(
            lambda metrics: metrics.value("locust_state", state="stopped") == 1,
            "the end of the profile",
        )
        assert "/items/[id]" in locust.get(f"{web}/stats/requests/csv").text
        assert locust.get(f"{web}/stats/report?download=1").status_code == 200
        clock.set(0)
        assert swarm()
        again = locust.until(in_first_step, "the first step again")
        assert again.value("locust_test_start_time_seconds") > end.value(
            "locust_test_end_time_seconds"
        )
        clock.set(2)
        counted = end.total("locust_requests_total")
        locust.until(
            lambda metrics: (
                in_second_step(metrics) and metrics.total("locust_requests_total") > counted
            ),
            "the second step again",
        )


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("--load-profile", "lanch"), {}, "profile lanch is unknown; did you mean launch?"),
        (
            (),
            {"FIREDRILL_MAX_NAMES": "many"},
            "FIREDRILL_MAX_NAMES is 'many'; expected a whole number",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(arguments, environment, message):
    with Locust(
        *arguments, "--headless", "-H", "http://127.0.0.1:9", exporter=False, **environment
    ) as locust:
        assert locust.wait() == 2
        assert message in locust.log()
        assert "Traceback" not in locust.log()


def test_an_open_loop_refuses_a_bad_setting_in_one_line():
    files = (firedrill_process.LOCUSTFILES / "theirs.py", SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", "open", "--headless", "-H", "http://127.0.0.1:9")
    with Locust(*load, files=files, exporter=False, FIREDRILL_MAX_NAMES="many") as locust:
        assert locust.wait() == 2
        assert "FIREDRILL_MAX_NAMES is 'many'; expected a whole number" in locust.log()
        assert "Traceback" not in locust.log()


def test_a_profile_that_names_unknown_users_is_refused(profile):
    profile.write_text(PROFILE.replace("BrowsingUser", "BrowseUser"))
    with Locust(
        "--load-profile", profile, "--headless", "-H", "http://127.0.0.1:9", exporter=False
    ) as locust:
        assert locust.wait() == 2
        assert (
            "profile two-steps: user BrowseUser is unknown; did you mean BrowsingUser or BasicUser?"
            in locust.log()
        )


def test_a_taken_exporter_port_is_refused(target):
    with Locust(
        "--headless",
        "-H",
        target.url,
        exporter=False,
        FIREDRILL_EXPORTER_PORT=str(target.server_port),
    ) as locust:
        assert locust.wait() == 2
        assert (
            f"the exporter cannot serve 127.0.0.1:{target.server_port}: Address already in use"
            in locust.log()
        )
        assert "Traceback" not in locust.log()
