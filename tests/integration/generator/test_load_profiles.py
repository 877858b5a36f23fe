"""Load profiles in plain Locust: the bundled users or somebody else's."""

import json

import pytest
import requests

from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, ROOT, SHAPE
from firedrill.stack.ports import any_free
from tests.locust_process import Locust
from tests.target import Target

LOCUSTFILES = ROOT / "tests" / "locustfiles"
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
def target():
    with Target() as target:
        yield target


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "two-steps.yaml"
    path.write_text(PROFILE)
    return path


def test_a_profile_runs_to_its_end_and_shows_its_steps_and_objectives(target, profile):
    with Locust("--load-profile", profile, "--headless", "-H", target.url, FIREDRILL_TIME_SCALE="12") as locust:
        first = locust.until(lambda page: page.value("locust_load_step") == 0 and page.total("locust_users") == 2, "the first step")
        second = locust.until(lambda page: page.value("locust_load_step") == 1 and page.total("locust_users") == 4, "the second step")
        assert locust.wait() == 0
    assert second.value("locust_users", user_class="BasicUser") == second.value("locust_users", user_class="BrowsingUser") == 2
    assert second.value("locust_users_target") == 4
    assert first.value("firedrill_slo_latency_seconds", quantile="0.99") == 0.25
    assert first.value("firedrill_slo_error_ratio") == 0.01
    assert first.value("firedrill_slo_starved_users") == 3
    assert first.value("firedrill_time_scale") == 12
    assert {labels["profile"] for name, labels, _ in first.samples if name == "locust_test_info"} == {"two-steps"}


def test_the_simplest_command_runs_one_kind_of_user_under_locusts_own_options(target, tmp_path):
    arguments = ("--headless", "-u", 1, "-r", 1, "-t", "3s", "-H", target.url, "--json-file", tmp_path / "result")
    with Locust(*arguments, files=(LOCUSTFILE,), FIREDRILL_LINGER_SECONDS="0") as locust:
        page = locust.scrape()
        assert locust.wait() == 0
    (row,) = json.loads((tmp_path / "result.json").read_text())
    assert (row["name"], row["method"], row["num_failures"]) == ("/", "GET", 0)
    # One user with a pause of 0.5 to 1 s.
    assert 3 <= row["num_requests"] <= 6
    assert not page.values("locust_load_step")


def test_a_profile_is_shared_by_workers(target, profile):
    port = any_free()
    forked = ("--processes", 2, "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port, "--headless")
    with Locust("--load-profile", profile, *forked, "-H", target.url) as locust:
        page = locust.until(lambda page: page.value("locust_load_step") == 1 and page.total("locust_users") == 4, "the second step")
        assert page.values("locust_worker_users") == [2, 2]
        assert locust.wait() == 0


def test_somebody_elses_users_follow_the_profile(target, profile):
    files = (LOCUSTFILES / "theirs.py", SHAPE, EXPORTER_PLUGIN)
    with Locust("--headless", "-H", target.url, files=files, LOAD_PROFILE=str(profile)) as locust:
        page = locust.until(lambda page: page.value("locust_users", user_class="TheirUser") == 4, "the second step")
    assert page.value("locust_load_step") == 1


def test_somebody_elses_shape_wins(target, profile):
    files = (LOCUSTFILES / "own_shape.py", SHAPE, EXPORTER_PLUGIN)
    with Locust("--headless", "-H", target.url, files=files, LOAD_PROFILE=str(profile)) as locust:
        page = locust.until(lambda page: page.value("locust_users", user_class="TheirUser") == 7, "their seven users")
    assert not page.values("locust_load_step")


def test_a_profile_starts_from_the_web_page(target, profile):
    port = any_free()
    web = f"http://127.0.0.1:{port}"
    with Locust("--load-profile", profile, "--web-host", "127.0.0.1", "--web-port", port, "-H", target.url) as locust:
        assert "locust" in requests.get(web, timeout=5).text
        assert requests.post(f"{web}/swarm", data={}, timeout=10).json()["success"]
        locust.until(lambda page: page.value("locust_load_step") == 1, "the second step")
        end = locust.until(lambda page: page.value("locust_state", state="stopped") == 1, "the end of the profile")
        table = requests.get(f"{web}/stats/requests/csv", timeout=5).text
        assert "/items/[id]" in table
        assert requests.get(f"{web}/stats/report?download=1", timeout=5).status_code == 200
        assert requests.post(f"{web}/swarm", data={}, timeout=10).json()["success"]
        again = locust.until(lambda page: page.value("locust_load_step") == 0 and page.total("locust_users") == 2, "the first step again")
        assert again.value("locust_test_start_time_seconds") > end.value("locust_test_end_time_seconds")
        again = locust.until(lambda page: page.value("locust_load_step") == 1, "the second step again")
        assert again.total("locust_requests_total") > end.total("locust_requests_total")


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("--load-profile", "lanch"), {}, "profile lanch is unknown; did you mean launch?"),
        ((), {"FIREDRILL_MAX_NAMES": "many"}, "FIREDRILL_MAX_NAMES is 'many'; expected a whole number"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(arguments, environment, message):
    with Locust(*arguments, "--headless", "-H", "http://127.0.0.1:9", exporter=False, **environment) as locust:
        assert locust.wait() == 2
        assert message in locust.log()
        assert "Traceback" not in locust.log()


def test_an_open_loop_beside_other_users_refuses_a_bad_setting_in_one_line():
    files = (LOCUSTFILES / "theirs.py", SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", "open", "--headless", "-H", "http://127.0.0.1:9")
    with Locust(*load, files=files, exporter=False, FIREDRILL_MAX_NAMES="many") as locust:
        assert locust.wait() == 2
        assert "FIREDRILL_MAX_NAMES is 'many'; expected a whole number" in locust.log()
        assert "Traceback" not in locust.log()


def test_a_profile_that_names_unknown_users_is_refused(profile):
    profile.write_text(PROFILE.replace("BrowsingUser", "BrowseUser"))
    with Locust("--load-profile", profile, "--headless", "-H", "http://127.0.0.1:9", exporter=False) as locust:
        assert locust.wait() == 2
        assert "profile two-steps: user BrowseUser is unknown; did you mean BrowsingUser or BasicUser?" in locust.log()


def test_a_port_that_was_asked_for_and_is_taken_is_refused(target):
    with Locust("--headless", "-H", target.url, exporter=False, FIREDRILL_EXPORTER_PORT=str(target.server_port)) as locust:
        assert locust.wait() == 2
        assert f"the exporter cannot serve 127.0.0.1:{target.server_port}: Address already in use" in locust.log()
        assert "Traceback" not in locust.log()
