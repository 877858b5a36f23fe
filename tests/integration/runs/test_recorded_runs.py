"""Recorded runs are opened together, listed and pruned."""

import json
import subprocess
import time

import pytest

from firedrill.drill.measure import run_queries
from firedrill.errors import FiredrillError
from firedrill.interrupt import Interrupt
from firedrill.processes import ports
from firedrill.prometheus.client import Prometheus
from firedrill.prometheus.overlay import labels
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.figures import Window
from firedrill.record.run_folder import Run
from tests import firedrill_process, run_json
from tests.waiting import poll_until


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Return a folder with two recorded runs."""
    folder = tmp_path_factory.mktemp("two")
    file = firedrill_process.write_profile(
        folder, users=2, seconds=8, slo=firedrill_process.PATIENT_SLO
    )
    for _ in range(2):
        drill = firedrill_process.start(folder / "runs", file)
        drill.finish()
        assert drill.run().snapshot.is_dir()
    return folder / "runs"


def test_a_long_run_is_measured_by_its_first_and_last_samples(two_runs, monkeypatch):
    recorded = Run(min(two_runs.iterdir()))
    load = recorded.read().window
    windows = (load, Window(load.start + 3, load.end), Window(load.start + 2, load.end - 2))
    families = ("locust_all_request_duration_seconds", "http_server_all_response_time_seconds")

    def gains(prom):
        queries = run_queries.RunQueries(prom, load)
        return [
            queries.gains_by(f"{family}_bucket", ("le",), window)
            for window in windows
            for family in families
        ]

    with Interrupt() as interrupt, RecordedPrometheus(recorded.snapshot, interrupt) as reopened:
        of_all_samples = gains(reopened.prom)
        monkeypatch.setattr(run_queries, "ALL_SAMPLES_SECONDS", 0.0)
        assert gains(reopened.prom) == of_all_samples
    assert of_all_samples[0]["+Inf",] > 0


def first_users(prom, labels=""):
    """Return when Prometheus first saw users, as Unix seconds."""
    now = time.time()
    return min(
        at
        for series in prom.raw(f"locust_users{labels}", now - 3600, now)
        for at, users in series.points
        if users > 0
    )


def test_several_runs_open_on_one_time_axis(two_runs):
    ids = sorted(path.name for path in two_runs.iterdir())
    port = ports.any_free()
    drill = firedrill_process.start(
        two_runs, *ids, "--prometheus-port", port, command="open", with_ports=False
    )
    prom, query = (
        Prometheus(f"http://127.0.0.1:{port}"),
        "count by (run) (last_over_time(locust_users[1h]))",
    )

    def both():
        try:
            return {sample.labels["run"] for sample in prom.instant(query)} == set(labels(ids))
        except FiredrillError:
            return False

    poll_until(both, "both runs to be there")
    shown = {label: first_users(prom, f'{{run="{label}"}}') for label in labels(ids)}
    drill.interrupt()
    code, _, errors = drill.finish()
    assert code == 0, errors
    with Interrupt() as interrupt:
        for label, name in zip(labels(ids), ids, strict=True):
            recorded = Run(two_runs / name).recorded()
            with RecordedPrometheus(recorded.data, interrupt) as reopened:
                shown[label] -= first_users(reopened.prom) - recorded.start
    begun_at, also_at = shown.values()
    assert begun_at == pytest.approx(also_at, abs=0.002)


def test_runs_are_listed_and_pruned_oldest_first(two_runs):
    def runs(*words):
        return subprocess.run(
            [firedrill_process.FIREDRILL, "runs", "--out", two_runs, *words],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    listed = json.loads(runs("--json"))
    assert [row["status"] for row in listed] == [
        run_json.content(Run(two_runs / row["id"]))["verdict"]["status"] for row in listed
    ]
    assert all(row["size_bytes"] > 10_000 for row in listed)
    assert listed[0]["id"] in runs("prune", "--keep", "1", "--dry-run")
    assert len(json.loads(runs("--json"))) == 2
