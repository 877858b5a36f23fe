"""A run whose load comes from several worker processes."""

import psutil

from tests import firedrill_process, run_json
from tests.integration.runs import locust_statistics, scenarios
from tests.waiting import poll_until

PROFILE = """\
name: shared
arrivals: open
max_in_flight: 20
steps: [{start_time: 0s, rate: 40}]
duration: 60s
"""


def workers_of(drill):
    return [
        child
        for child in psutil.Process(drill.process.pid).children()
        if "--worker" in child.cmdline()
    ]


def test_a_killed_worker_voids_the_run_and_takes_nothing_back(tmp_path):
    profile = tmp_path / "open.yaml"
    profile.write_text(PROFILE)
    # As long as a busy machine may need from the first request to the kill, before the load is
    # over.
    drill = firedrill_process.start(tmp_path / "runs", profile, "--workers", 2, "--duration", "25s")
    drill.wait_for_requests()
    prom, (killed, left) = drill.prometheus(), workers_of(drill)
    poll_until(
        lambda: len(prom.instant("locust_worker_users == 10")) == 2,
        "each to have half of the users",
    )
    counted = prom.number("sum(locust_requests_total)")
    killed.kill()
    code, _, errors = drill.finish()
    run = run_json.content(drill.run())
    assert (code, run["verdict"]["status"], run["generator"]["workers"]) == (4, "INVALID", 2), (
        errors
    )
    said = [
        reason["text"] for reason in run["verdict"]["reasons"] if reason["code"] == "worker_ended"
    ]
    assert len(said) == 1
    assert said[0].startswith("worker 1 of Locust ended in mid-run (killed by SIGKILL): ")
    requests = run["figures"]["counts"]["client_requests"]
    assert requests == locust_statistics.request_totals(drill.run())[0] >= counted > 0
    assert {"locust.log", "locust-worker-1.log", "locust-worker-2.log"} <= {
        path.name for path in drill.folder().iterdir()
    }
    assert not left.is_running()


def test_a_locustfile_that_raises_in_workers_is_named(tmp_path):
    drill = scenarios.start_run_with_broken_workers(tmp_path)
    code, _, errors = drill.finish()
    assert code == 2, errors
    assert errors.splitlines()[-1] == (
        f"firedrill: --locustfile {tmp_path / 'broken.py'}:4: ValueError: not here"
    )
    assert drill.leftovers() == []
