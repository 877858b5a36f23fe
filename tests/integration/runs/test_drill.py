"""Whole runs with a real Prometheus, Locust and API, through the command line."""

import os
import re
import signal

from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from tests import firedrill_process, required_programs, run_json, verdicts
from tests.integration.runs import locust_statistics


def test_starved_users_fail_a_run_that_looks_perfect_to_locust(tmp_path):
    """300 users share 64 threads and waitress's default limit of 100 connections: two thirds never
    get an answer.
    """
    file = firedrill_process.write_profile(tmp_path, users=300, seconds=25)
    file.write_text(
        file.read_text().replace("duration:", "  - {start_time: 18s, users: 299}\nduration:")
    )
    drill = firedrill_process.start(tmp_path, file, "--server", "waitress", "--threads", "64")
    code, output, _ = drill.finish()
    run = drill.run()
    document = run_json.content(run)
    figures = document["figures"]
    status, reasons = verdicts.status_and_reasons(code, document)
    assert (status, reasons[0]) == ("FAILED", "starved_users"), output
    assert (
        next(
            reason["text"]
            for reason in document["verdict"]["reasons"]
            if reason["code"] == "starved_users"
        ).count("users got no answer")
        == 1
    )
    assert locust_statistics.request_totals(run)[1] == 0, "nothing has failed that Locust knows of"
    # On a machine that stands still, the CPU may be the bottleneck beside it.
    connections = next(
        use for use in document["diagnosis"]["stages"] if use["stage"] == "connections"
    )
    assert connections["role"] in {"bottleneck", "next_limit"}
    assert connections["saturated_after_seconds"] is not None
    advised = {advice["setting"]: advice for advice in document["diagnosis"]["advice"]}
    assert advised["connection_limit"]["at_least"] == 302, document["diagnosis"]["findings"]
    assert figures["client"]["latency_including_waiting_seconds"]["p99"] > max(
        10, locust_statistics.p99_ms(run) / 1000
    )
    assert [
        step["client"]["latency_including_waiting_seconds"]["p99"] > 10 for step in figures["steps"]
    ] == [True, True]
    assert "UsersStarved" in {
        alert["name"] for alert in figures["alerts"] if alert["firing_after_seconds"] is not None
    }
    _assert_every_request_is_accounted_for(figures)


def _assert_every_request_is_accounted_for(figures):
    """Assert that both sides count the same requests.

    A request that the client gave up is a failure to it, and the server may have finished it.
    """
    counts = figures["counts"]
    answered = counts["client_requests"] - counts["client_failures"]
    most = counts["client_requests"] + run_json.beside_the_load(figures)
    assert answered <= counts["server_finished"] <= most


def test_requests_of_clients_that_time_out_are_accounted_for(tmp_path):
    file = firedrill_process.write_profile(tmp_path, users=60, seconds=8)
    code, output, _ = (
        drill := firedrill_process.start(
            tmp_path / "runs", file, "--locustfile", firedrill_process.LOCUSTFILES / "impatient.py"
        )
    ).finish()
    document = run_json.content(drill.run())
    figures = document["figures"]
    status, reasons = verdicts.status_and_reasons(code, document)
    assert status == "FAILED", output
    assert "errors" in reasons
    assert figures["counts"]["client_failures"] > 20
    _assert_every_request_is_accounted_for(figures)


def test_requests_to_the_development_server_are_accounted_for(tmp_path):
    drill = firedrill_process.start(
        tmp_path,
        firedrill_process.write_profile(
            tmp_path, users=60, seconds=8, slo=firedrill_process.PATIENT_SLO
        ),
        "--server",
        "dev",
    )
    code, output, _ = drill.finish()
    document = run_json.content(drill.run())
    figures = document["figures"]
    assert verdicts.status_and_reasons(code, document) == ("PASSED", []), output
    assert "workers" not in figures["saturation"]["largest_ratio"]
    _assert_every_request_is_accounted_for(figures)


def test_a_killed_api_pages_somebody_and_fails_the_run(tmp_path):
    required_programs.require("alertmanager")
    file = firedrill_process.write_profile(
        tmp_path,
        users=10,
        seconds=30,
        slo=firedrill_process.PATIENT_SLO,
        alerts="{always: [ApiDown]}",
    )
    drill = firedrill_process.start(tmp_path, file)
    drill.wait_for_load()
    os.kill(drill.pid_of("api"), signal.SIGKILL)
    code, output, errors = drill.finish()
    document = run_json.content(drill.run())
    assert verdicts.status_and_reasons(code, document) == ("FAILED", ["api_ended", "errors"]), (
        output
    )
    (fired,) = [
        entry
        for entry in document["figures"]["alerts"]
        if (entry["name"], entry["labels"].get("job")) == ("ApiDown", "api")
    ]
    (page,) = [entry for entry in document["notifications"] if entry["receiver"] == "page"]
    assert (page["status"], page["alertname"], page["labels"]["job"]) == (
        "firing",
        "ApiDown",
        "api",
    ), page
    assert page["after_seconds"] > fired["firing_after_seconds"]
    assert re.search(
        r"^test waitress: [\d:]{8} page   FIRING   ApiDown \(api .*The API is down\.$",
        errors,
        re.MULTILINE,
    ), errors
    _, _, notified = output.partition("\nNotifications\n")
    assert re.search(r"^ • page after .*: ApiDown: The API is down\.$", notified, re.MULTILINE), (
        output
    )
    assert drill.leftovers() == []


def test_a_run_whose_alertmanager_is_killed_passes_and_says_so(tmp_path):
    """The measurements go on after Alertmanager and its receiver ended."""
    required_programs.require("alertmanager")
    drill = firedrill_process.start(
        tmp_path,
        firedrill_process.write_profile(
            tmp_path, users=4, seconds=8, slo=firedrill_process.PATIENT_SLO
        ),
    )
    for part in ("alertmanager", "notifications"):
        os.kill(drill.pid_of(part), signal.SIGKILL)
    code, output, _ = drill.finish()
    document = run_json.content(drill.run())
    assert verdicts.status_and_reasons(code, document) == ("PASSED", []), output
    # A machine that stands still adds a gap in what was seen, and an alert about it that fired
    # before the load.
    remarks = [
        remark["code"]
        for remark in document["remarks"]
        if remark["code"] not in {"seen_in_part", "alert_undecided"}
    ]
    assert remarks == ["alertmanager_ended", "notifications_ended", "notifications_silent"]
    assert document["notifications"] == []
    assert "Alertmanager ended before the load began (killed by SIGKILL)" in " ".join(
        output.split()
    )
    assert drill.leftovers() == []


def test_a_run_without_alertmanager_says_how_to_get_it(tmp_path):
    tools = tmp_path / "tools"
    (tools / "usr" / "bin").mkdir(parents=True)
    for name in ("prometheus", "promtool"):
        (tools / "usr" / "bin" / name).symlink_to(required_programs.require(name))
    bare = {"FIREDRILL_TOOLS": str(tools), "PATH": str(tools)}
    file = firedrill_process.write_profile(
        tmp_path, users=2, seconds=8, slo=firedrill_process.PATIENT_SLO
    )
    drill = firedrill_process.start(tmp_path / "runs", file, environment=bare)
    code, _, errors = drill.finish()
    document = run_json.content(drill.run())
    assert verdicts.status_and_reasons(code, document) == ("PASSED", []), errors
    assert (document["notifications"], document["remarks"][0]["code"]) == (
        None,
        "alertmanager_missing",
    ), errors
    assert (
        len(
            [
                line
                for line in errors.splitlines()
                if "Alertmanager is not installed; run `firedrill setup`" in line
            ]
        )
        == 1
    )


def test_a_killed_prometheus_voids_the_run_that_still_opens(tmp_path):
    drill = firedrill_process.start(
        tmp_path, firedrill_process.write_profile(tmp_path, users=10, seconds=60)
    )
    drill.wait_for_requests()
    os.kill(drill.pid_of("prometheus"), signal.SIGKILL)
    code, output, _ = drill.finish()
    document = run_json.content(drill.run())
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), output
    assert "prometheus_ended" in {reason["code"] for reason in document["verdict"]["reasons"]}
    assert document["figures"]["counts"]["client_requests"] > 0
    recorded = drill.run().recorded()
    with Interrupt() as interrupt, RecordedPrometheus(recorded.data, interrupt) as reopened:
        assert reopened.prom.raw("locust_requests_total", recorded.start, recorded.end)
    assert drill.leftovers() == []
