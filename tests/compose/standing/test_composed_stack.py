"""The shipped docker-compose.yml on a real engine: it comes up, is measured, shares its load, and keeps what it recorded."""

import json
import time

import pytest

from firedrill.errors import FiredrillError
from firedrill.stack.foreground import SIGNALS
from tests.compose.composed import Composed
from tests.compose.docker_engine import docker
from tests.waiting import poll_until


def eventually(stack, query, timeout_seconds=40):
    """The first answer that a query gives."""

    def answer():
        try:
            return stack.prom.instant(query)
        except FiredrillError:
            return None

    return poll_until(answer, f"an answer to {query}", timeout_seconds, every_seconds=0.5)


def test_prometheus_scrapes_both_sides(stack):
    up = {sample.labels["job"]: sample.value for sample in eventually(stack, "count(up == 1) by (job) and on () count(up) >= 3")}
    assert up.keys() >= {"api", "locust", "prometheus"}
    assert all(sample.value == 1 for sample in stack.prom.instant("up"))


@pytest.mark.parametrize("signal", SIGNALS)
def test_golden_signals_flow_from_both_sides(stack, signal):
    assert eventually(stack, signal)


def test_every_rule_file_is_loaded(stack):
    groups = stack.prom._call("GET", "/api/v1/rules", {})["groups"]
    assert {group["file"].rsplit("/", 1)[1] for group in groups} >= {"api.yml", "load.yml", "recording.yml"}
    assert all(rule["health"] in {"ok", "unknown"} for group in groups for rule in group["rules"])


def test_three_workers_share_the_load(stack):
    eventually(stack, "sum(locust_users) == 9", timeout_seconds=60)
    users = [sample.value for sample in stack.prom.instant("locust_worker_users")]
    assert len(users) == 3
    assert users == [3, 3, 3]


def test_a_restart_keeps_what_was_recorded(stack):
    eventually(stack, "up")
    recorded = time.time()
    stack.compose("restart", "prometheus")
    stack.wait_until_healthy()
    eventually(stack, "up")
    assert stack.prom.number("count(up)", recorded) >= 3


def test_a_saved_rule_is_in_force_within_seconds(stack):
    rule = stack.source / "rules" / "mine.yml"
    rule.write_text("groups: [{name: mine, rules: [{record: mine:one, expr: vector(1)}]}]\n")
    rule.chmod(0o644)
    try:
        eventually(stack, "mine:one", timeout_seconds=15)
    finally:
        rule.unlink()
    poll_until(lambda: "mine" not in str(stack.prom._call("GET", "/api/v1/rules", {})), "the deleted rule to be gone", 15)


def test_a_broken_rule_file_is_named_with_its_line_and_the_others_stay(stack):
    broken = stack.source / "rules" / "broken.yml"
    broken.write_text("groups:\n  - name: broken\n    rules:\n      - {alert: Broken, expr: 'sum('}\n")
    broken.chmod(0o644)
    try:
        said = poll_until(lambda: [line for line in stack.project.log("config").splitlines() if "broken.yml" in line], "a word on it", 15)
    finally:
        broken.unlink()
    assert "4:" in said[-1]
    assert "parse error" in said[-1]
    assert len(eventually(stack, "count(up) by (job)")) >= 3
    assert stack.healths()[f"/{stack.inspect('prometheus')['Name'].strip('/')}"] == "healthy"


def test_a_targets_file_of_the_users_own_is_scraped(stack):
    file = stack.source / "targets" / "extra-mine.json"
    file.write_text(json.dumps([{"targets": ["alertmanager:9093"], "labels": {"job": "mine"}}]))
    file.chmod(0o644)
    try:
        eventually(stack, 'up{job="mine"} == 1', timeout_seconds=30)
    finally:
        file.unlink()
    poll_until(lambda: not stack.prom.instant('up{job="mine"}'), "the deleted target to be gone", 30, every_seconds=0.5)


def test_down_leaves_nothing_but_named_volumes(images, tmp_path):

    with Composed(f"firedrill-down-{time.time_ns() % 1_000_000:06}", tmp_path, images) as own:
        own.up("prometheus")
        own.compose("down")
        named = f"label=com.docker.compose.project={own.project.name}"
        assert own.containers() == []
        assert docker("network", "ls", "-q", "--filter", named) == ""
        assert f"{own.project.name}_prometheus-data" in docker("volume", "ls", "-q", "--filter", named).split()


def test_every_first_process_ends_when_it_is_told_to(images, tmp_path):

    with Composed(f"firedrill-stop-{time.time_ns() % 1_000_000:06}", tmp_path, images, RESTART="no") as own:
        own.up()
        own.wait_until_healthy()
        stopped = own.compose("stop")
        assert stopped.returncode == 0, stopped.stderr
        killed = {service for service, code in own.project.states().items() if code == -9}
        assert killed == set(), "the engine kills what has not ended by itself when the grace period is over"
