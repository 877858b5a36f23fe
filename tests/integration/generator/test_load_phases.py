"""The load begins when the set-up is over, ends when it is told to, and holds no other request."""

import json
import os
import signal
from contextlib import ExitStack

import pytest
import requests

from firedrill.places import EXPORTER_PLUGIN, ROOT
from tests.firedrill_process import LOCUSTFILES
from tests.integration.generator import open_loops
from tests.locust_process import Locust, worker_options
from tests.waiting import PATIENCE_SECONDS, poll_until

HERE = LOCUSTFILES.parent / "integration" / "generator" / "locustfiles"
PHASES, RAISING = LOCUSTFILES / "phases.py", LOCUSTFILES / "raising.py"
SHAPE = ROOT / "load" / "shape.py"
SETUP_SECONDS = 3

STEPS = """\
name: steps
steps:
  - {start_time: 0s, users: 1, spawn_rate: 1}
  - {start_time: 1s, users: 2, spawn_rate: 1}
  - {start_time: 2s, users: 3, spawn_rate: 1}
duration: 600s
"""
"""Each step would begin within the set-up."""


@pytest.fixture
def steps(tmp_path):
    file = tmp_path / "steps.yaml"
    file.write_text(STEPS)
    return file


def reached_last_step(metrics):
    return metrics.value("locust_load_step") == 2 and metrics.total("locust_users") == 3


def outside(metrics, phase):
    return metrics.value("locust_requests_outside_load_total", phase=phase)


def assert_the_load_alone_is_counted(locust, target, processes):
    """Play the steps; every request but those of the users' task fails."""
    setting_up = locust.until(
        lambda metrics: metrics.value("locust_test_setup_seconds"), "the set-up to begin"
    )
    assert not setting_up.values("locust_test_start_time_seconds")
    metrics = locust.until(reached_last_step, "the last step")
    assert metrics.value("locust_test_setup_seconds") >= SETUP_SECONDS
    assert outside(metrics, "setup") == processes
    last = locust.stop()[-1]
    assert last.value("locust_test_teardown_seconds") > 0
    assert last.total("locust_request_failures_total") == 0
    # on_stop of three users, test_stop in each process.
    assert outside(last, "teardown") >= 3 + processes
    counted = last.total("locust_requests_total") + sum(
        outside(last, phase) for phase in ("setup", "teardown")
    )
    # A user may be stopped before its request is sent.
    assert target.received <= counted <= target.received + 3


def test_set_up_and_tear_down_are_no_load(target, steps):
    load = ("--load-profile", steps, "--headless", "--stop-timeout", 60, "-H", target.url)
    with Locust(*load, files=(PHASES, SHAPE, EXPORTER_PLUGIN)) as locust:
        assert_the_load_alone_is_counted(locust, target, processes=1)
        # A new step in the set-up would kill the listener, and start the set-up again.
        assert locust.log().count("seeded") == 1


def test_the_load_begins_after_the_set_up_of_every_worker(target, steps):
    files = (PHASES, SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", steps, "-H", target.url)
    master, worker = worker_options(2)
    with (
        Locust(*load, *master, "--headless", "--stop-timeout", 60, files=files) as locust,
        Locust(*load, *worker, files=files, exporter=False) as first,
        Locust(*load, *worker, files=files, exporter=False) as second,
    ):
        assert_the_load_alone_is_counted(locust, target, processes=3)
        assert [process.log().count("seeded") for process in (locust, first, second)] == [1] * 3


@pytest.mark.parametrize("workers", [0, 2])
def test_no_arrival_is_due_in_the_set_up(target, tmp_path, workers):
    profile = open_loops.write_profile(tmp_path / "open.yaml", 20, user="Shop", until=2)
    files = (PHASES, SHAPE, EXPORTER_PLUGIN)
    load = ("--load-profile", profile, "-H", target.url)
    master, worker = worker_options(workers)
    with (
        ExitStack() as others,
        Locust(*load, *(master if workers else ()), "--headless", files=files) as locust,
    ):
        for _ in range(workers):
            others.enter_context(Locust(*load, *worker, files=files, exporter=False))
        metrics = locust.until(
            lambda metrics: open_loops.final_counts(metrics)["offered"] == 20 * 2,
            "all arrivals to be due",
        )
        assert not metrics.total("locust_arrivals_unsent_total")
        locust.until(
            lambda metrics: open_loops.final_counts(metrics)["started"] == 20 * 2,
            "all arrivals to be started",
        )


def test_a_load_shape_of_the_locustfile_starts_after_the_set_up(target):
    files = (PHASES, HERE / "short_shape.py", EXPORTER_PLUGIN)
    with Locust("--headless", "--stop-timeout", 60, "-H", target.url, files=files) as locust:
        last = locust.scrape_until_the_end()[-1]
    assert last.total("locust_requests_total") > 0
    assert last.value("locust_test_setup_seconds") >= SETUP_SECONDS


def test_causes_outlive_the_generator(target, tmp_path):
    file, files = tmp_path / "outcome.json", (RAISING, EXPORTER_PLUGIN)
    master, worker = worker_options(1)
    load = ("--headless", "-u", 2, "-r", 2, "-H", target.url)
    with (
        Locust(*master, *load, files=files, FIREDRILL_OUTCOME_FILE=str(file)) as locust,
        Locust(*worker, files=files, exporter=False),
    ):

        def told():
            outcome = json.loads(file.read_text()) if file.exists() else {"exceptions": ()}
            rows = {row["source"]: row for row in outcome["exceptions"]}
            return rows if rows.keys() == {"test_start", "request", "task"} else None

        rows = poll_until(told, "the exceptions of both processes")
        url = locust.url.replace("/metrics", "/outcome")
        answer = requests.get(url, timeout=PATIENCE_SECONDS).json()
        os.killpg(locust.process.pid, signal.SIGKILL)
        locust.wait()
    assert rows["test_start"] == {
        "source": "test_start",
        "type": "RuntimeError",
        "message": "cannot seed the database",
        "place": "raising.py:8",
        "count": 2,
    }
    places = [(rows[source]["type"], rows[source]["place"]) for source in ("request", "task")]
    assert places == [("KeyError", "raising.py:13"), ("ValueError", "raising.py:22")]
    outcome = json.loads(file.read_text())
    assert outcome["began"] == answer["began"] > outcome["setup_began"]
    assert outcome["stopped"] is None
