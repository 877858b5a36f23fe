"""Whole drills: real Prometheus, Locust and API, played through the command line."""

import os
import re
import signal

import pytest

from firedrill.interrupt import Interrupt
from firedrill.stack.reopened import Reopened
from tests import drilling, needs



def test_starved_users_fail_a_run_that_looks_perfect_to_locust(tmp_path):
    """300 users against 64 threads and waitress's default limit of 100 connections: two thirds never get an answer."""
    file = drilling.profile(tmp_path, users=300, seconds=25)
    file.write_text(file.read_text().replace("duration:", "  - {start_time: 18s, users: 299}\nduration:"))
    drill = drilling.start(tmp_path, file, "--server", "waitress", "--threads", "64")
    code, output, _ = drill.finish()
    run = drill.run()
    verdict, figures = run.read()["verdict"], run.read()["figures"]
    assert (code, verdict["status"]) == (1, "FAILED"), output
    assert verdict["reasons"][0]["code"] == "starved_users"
    assert "users starved" in verdict["reasons"][0]["text"]
    assert drilling.locust_p99_ms(run) < 1000, "what the SLO accepts"
    assert figures["saturation"]["ran_out_first"] == "connections"
    assert figures["client"]["latency_including_waiting_seconds"]["p99"] > 10
    assert [step["client"]["latency_including_waiting_seconds"]["p99"] > 10 for step in figures["steps"]] == [True, True]
    assert "UsersStarved" in {alert["name"] for alert in figures["alerts"] if alert["firing_after_seconds"] is not None}
    _assert_every_request_is_accounted_for(figures)


def _assert_every_request_is_accounted_for(figures):
    """What a client gave up on is a failure to it, and may or may not have been finished by the server."""
    counts, abandoned = figures["counts"], figures["honesty"]["abandoned"]["in_flight"]
    answered = counts["client_requests"] - counts["client_failures"]
    assert answered <= counts["server_finished"] <= counts["client_requests"] + abandoned


def test_with_clients_that_time_out_every_request_is_accounted_for(tmp_path):
    file = drilling.profile(tmp_path, users=60, seconds=8)
    code, output, _ = (drill := drilling.start(tmp_path / "runs", file, "--locustfile", drilling.LOCUSTFILES / "impatient.py")).finish()
    figures = drill.run().read()["figures"]
    assert code == 1, output
    assert figures["counts"]["client_failures"] > 20
    _assert_every_request_is_accounted_for(figures)


def test_against_the_development_server_every_request_is_accounted_for(tmp_path):
    drill = drilling.start(tmp_path, drilling.profile(tmp_path, users=60, seconds=8), "--server", "dev")
    code, output, _ = drill.finish()
    figures = drill.run().read()["figures"]
    assert code == 0, output
    assert "workers" not in figures["saturation"]["largest_ratio"]
    _assert_every_request_is_accounted_for(figures)


def test_a_killed_api_fires_api_down_pages_somebody_once_and_fails_the_run(tmp_path):
    needs.program("alertmanager")
    drill = drilling.start(tmp_path, drilling.profile(tmp_path, users=10, seconds=25, alerts="{always: [ApiDown]}"))
    drill.wait_for_load()
    os.kill(drill.pid_of("api"), signal.SIGKILL)
    code, output, errors = drill.finish()
    document = drill.run().read()
    assert (code, document["verdict"]["status"]) == (1, "FAILED"), output
    assert {"api_ended", "errors"} <= {reason["code"] for reason in document["verdict"]["reasons"]}
    fired = {alert["name"]: alert["firing_after_seconds"] for alert in document["figures"]["alerts"]}
    (page,) = document["notifications"]
    assert (page["receiver"], page["status"], page["alertname"], page["labels"]["job"]) == ("page", "firing", "ApiDown", "api"), page
    assert 0 < page["after_seconds"] - fired["ApiDown"] < 6, "Alertmanager groups for 2.5 s"
    assert re.search(r"^test waitress: [\d:]{8} page   FIRING   ApiDown \(api .*The API is down\.$", errors, re.MULTILINE), errors
    assert re.search(r"Who would have been told\n • page after .*: ApiDown: The API is down\.", output), output
    assert drill.leftovers() == []


def test_a_run_without_anybody_to_tell_passes_and_says_so(tmp_path):
    """Alertmanager and its receiver may end in mid-run; what is measured is measured all the same."""
    needs.program("alertmanager")
    drill = drilling.start(tmp_path, drilling.profile(tmp_path, users=4, seconds=4))
    for part in ("alertmanager", "notifications"):
        os.kill(drill.pid_of(part), signal.SIGKILL)
    code, output, _ = drill.finish()
    document = drill.run().read()
    assert (code, document["verdict"]) == (0, {"status": "PASSED", "reasons": []}), output
    assert [remark["code"] for remark in document["remarks"]] == ["alertmanager_ended", "notifications_ended", "notifications_silent"]
    assert document["notifications"] == []
    assert "Alertmanager ended in mid-run (killed by signal 9)" in output.replace("\n", " ")
    assert drill.leftovers() == []


def test_a_machine_without_alertmanager_gets_its_run_and_a_line_how_to_get_it(tmp_path):
    tools = tmp_path / "tools"
    (tools / "usr" / "bin").mkdir(parents=True)
    for name in ("prometheus", "promtool"):
        (tools / "usr" / "bin" / name).symlink_to(needs.program(name))
    bare = {"FIREDRILL_TOOLS": str(tools), "PATH": str(tools)}
    drill = drilling.start(tmp_path / "runs", drilling.profile(tmp_path, users=2, seconds=3), environment=bare)
    code, _, errors = drill.finish()
    document = drill.run().read()
    assert (code, document["notifications"], document["remarks"][0]["code"]) == (0, None, "alertmanager_missing"), errors
    assert len([line for line in errors.splitlines() if "there is no Alertmanager; run `make setup`" in line]) == 1


def test_a_killed_prometheus_voids_the_run_and_what_it_recorded_opens(tmp_path):
    drill = drilling.start(tmp_path, drilling.profile(tmp_path, users=10, seconds=40))
    drill.wait_for_requests()
    os.kill(drill.pid_of("prometheus"), signal.SIGKILL)
    code, output, _ = drill.finish()
    document = drill.run().read()
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), output
    assert "prometheus_ended" in {reason["code"] for reason in document["verdict"]["reasons"]}
    assert document["figures"]["counts"]["client_requests"] > 0
    recorded = drill.run().recorded()
    with Interrupt() as interrupt, Reopened(recorded.data, interrupt) as reopened:
        assert reopened.prom.raw("locust_requests_total", recorded.start, recorded.end)
    assert drill.leftovers() == []
