"""The shipped docker-compose.yml on a real engine: it starts, is measured, shares its load and
keeps its data.
"""

import json
import time
from contextlib import contextmanager

import pytest

from firedrill.stack.foreground import SIGNALS
from tests.compose.composed import PATIENCE_SECONDS, answer, eventually
from tests.compose.docker_engine import docker
from tests.waiting import poll_until


def save(file, text):
    """Write a file that the containers' users may read."""
    file.write_text(text)
    file.chmod(0o644)


def rule_groups(stack):
    """Return the groups of rules that Prometheus has loaded."""
    return stack.prom.rule_groups()


def test_prometheus_scrapes_both_sides(stack):
    up = poll_until(
        lambda: all_up(stack), "every target to be up", PATIENCE_SECONDS, every_seconds=0.5
    )
    assert up >= {"api", "locust", "prometheus"}


def all_up(stack):
    """Return the jobs if there are three and all their targets are up, else None."""
    samples = answer(stack.prom, "up")
    jobs = {sample.labels["job"] for sample in samples}
    return jobs if len(jobs) >= 3 and all(sample.value == 1 for sample in samples) else None


@pytest.mark.parametrize("signal", SIGNALS)
def test_golden_signals_flow_from_both_sides(stack, signal):
    assert eventually(stack.prom, signal)


def test_every_rule_file_is_loaded(stack):
    groups = rule_groups(stack)
    assert {group["file"].rsplit("/", 1)[1] for group in groups} >= {
        "api.yml",
        "load.yml",
        "recording.yml",
    }
    assert all(rule["health"] in {"ok", "unknown"} for group in groups for rule in group["rules"])


def test_three_workers_share_the_load(stack):
    eventually(
        stack.prom, "count(locust_worker_users == 3) == 3 and on () count(locust_worker_users) == 3"
    )
    assert eventually(stack.prom, "sum(locust_users)")[0].value == 9


def test_a_restart_keeps_what_was_recorded(stack):
    eventually(stack.prom, "count(up) >= 3")
    recorded = time.time()
    stack.compose("restart", "prometheus")
    stack.wait_until_healthy()
    eventually(stack.prom, "up")
    assert stack.prom.number("count(up)", recorded) >= 3


def test_a_saved_rule_takes_effect(stack):
    rule = stack.source / "rules" / "mine.yml"
    save(rule, "groups: [{name: mine, rules: [{record: mine:one, expr: vector(1)}]}]\n")
    try:
        eventually(stack.prom, "mine:one")
    finally:
        rule.unlink()
    poll_until(lambda: "mine" not in str(rule_groups(stack)), "the deleted rule to be gone")


def test_a_broken_rule_file_is_named_with_its_line(stack):
    """The other rule files stay loaded."""
    broken = stack.source / "rules" / "broken.yml"
    save(broken, "groups:\n  - name: broken\n    rules:\n      - {alert: Broken, expr: 'sum('}\n")
    try:
        messages = poll_until(
            lambda: [
                line for line in stack.project.log("config").splitlines() if "broken.yml" in line
            ],
            "a word on it",
        )
    finally:
        broken.unlink()
    assert "4:" in messages[-1]
    assert "parse error" in messages[-1]
    assert len(eventually(stack.prom, "count(up) by (job)")) >= 3
    assert {group["file"].rsplit("/", 1)[1] for group in rule_groups(stack)} >= {
        "api.yml",
        "load.yml",
        "recording.yml",
    }
    stack.wait_until_healthy()


def test_a_targets_file_of_the_user_is_scraped(stack):
    file = stack.source / "targets" / "extra-mine.json"
    save(file, json.dumps([{"targets": ["alertmanager:9093"], "labels": {"job": "mine"}}]))
    try:
        eventually(stack.prom, 'up{job="mine"} == 1')
    finally:
        file.unlink()
    poll_until(
        lambda: not stack.prom.instant('up{job="mine"}'),
        "the deleted target to be gone",
        every_seconds=0.5,
    )


def test_every_first_process_ends_on_request(stack):
    """The engine kills a process that has not ended when the grace period is over."""
    try:
        stopped = stack.compose("stop", "--timeout", "90")
        assert stopped.returncode == 0, stopped.stderr
        states = stack.project.states()
        assert None not in states.values(), "all have ended"
        assert {service for service, code in states.items() if code == -9} == set()
    finally:
        started = stack.compose("start")
        assert started.returncode == 0, started.stderr
        stack.wait_until_healthy()


@contextmanager
def another_master(stack, *options):
    """Run a second Locust master, which no worker knows; give its container's id."""
    begun = stack.compose("run", "--detach", "--no-deps", *options, "locust-master")
    assert begun.returncode == 0, begun.stderr
    container = begun.stdout.split()[-1]
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def test_an_unknown_profile_ends_locust_with_one_line(stack):
    with another_master(stack, "-e", "LOAD_PROFILE=gentel") as container:
        assert docker("wait", container) == "2"
        said = docker("logs", container, merged=True).splitlines()
    assert said[-1].startswith("profile gentel is unknown; did you mean gentle")


def test_a_load_says_that_it_waits_for_workers(stack):
    line = "Waiting for workers to be ready, 0 of 3 connected"
    with another_master(stack) as container:
        poll_until(
            lambda: line in docker("logs", container, merged=True),
            "Locust to say so",
            PATIENCE_SECONDS,
            every_seconds=0.5,
        )
