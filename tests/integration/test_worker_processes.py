"""A drill whose load several processes make."""

import psutil
import pytest

from tests import drilling
from tests.waiting import poll_until

pytestmark = pytest.mark.stack


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "open.yaml"
    path.write_text("name: shared\narrivals: open\nmax_in_flight: 20\nsteps: [{start_time: 0s, rate: 40}]\nduration: 60s\n")
    return path


def workers_of(drill):
    return [child for child in psutil.Process(drill.process.pid).children() if "--worker" in child.cmdline()]


def test_workers_share_the_load_and_are_counted_to_the_request(tmp_path, profile):
    drill = drilling.start(tmp_path / "runs", profile, "--workers", 2, "--duration", "4s")
    drill.wait_for_requests()
    workers, prom = workers_of(drill), drill.prometheus()
    assert len(workers) == 2
    poll_until(lambda: len(prom.instant("locust_worker_users > 0")) == 2, "both to have users")
    _, _, errors = drill.finish()
    run = drill.run().read()
    assert run["generator"]["workers"] == 2
    assert not {"worker_ended", "worker_missing"} & {reason["code"] for reason in run["verdict"]["reasons"]}, errors
    assert run["figures"]["counts"]["client_requests"] == drilling.locust_total(drill.run())[0]
    arrivals = run["figures"]["arrivals"]
    assert arrivals["offered"] == pytest.approx(4 * 40, abs=40)
    assert (arrivals["started"], arrivals["unsent"]) == (arrivals["offered"], 0)
    assert {"locust.log", "locust-worker-1.log", "locust-worker-2.log"} <= {path.name for path in drill.folder().iterdir()}
    assert not any(worker.is_running() for worker in workers)


def test_a_worker_that_is_killed_voids_the_run_and_what_it_had_counted_stays(tmp_path, profile):
    drill = drilling.start(tmp_path / "runs", profile, "--workers", 2, "--duration", "5s")
    drill.wait_for_requests()
    killed, left = workers_of(drill)
    counted = drill.prometheus().number("sum(locust_requests_total)")
    killed.kill()
    code, _, errors = drill.finish()
    run = drill.run().read()
    assert (code, run["verdict"]["status"]) == (4, "INVALID"), errors
    reasons = {reason["code"]: reason["text"] for reason in run["verdict"]["reasons"]}
    assert reasons["worker_ended"].startswith("Locust's locust-worker-1 ended in mid-run (killed by signal 9)")
    assert run["figures"]["counts"]["client_requests"] >= counted > 0
    assert not left.is_running()
