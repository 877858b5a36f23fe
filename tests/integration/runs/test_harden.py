"""`firedrill harden` on the bundled API, with a server that has too few workers."""

import json

from firedrill.record import run_folder
from tests import firedrill_process

PROFILE = """\
name: rise
user: BasicUser
think_time: 0.1s..0.2s
steps:
  - {start_time: 0s, users: 2, spawn_rate: 2}
  - {start_time: 4s, users: 60, spawn_rate: 60}
duration: 14s
warmup: 1s
slo: {p99: 30s, errors: 1%, starved_users: 1000}
"""


def test_a_setting_that_passes_twice_is_found_with_its_evidence(tmp_path):
    """The objectives are patient, so the first setting passes although its workers are full."""
    file = tmp_path / "rise.yaml"
    file.write_text(PROFILE)
    hardened = firedrill_process.start(
        tmp_path / "runs",
        file,
        "--try",
        "threads=4..8",
        "--runs",
        "3",
        "--json",
        command="harden",
        with_ports=False,
    )
    code, output, errors = hardened.finish()
    found = json.loads(output)
    statuses = [run["status"] for run in found["path"]]
    # A machine that stands still may make a run INVALID, which shows nothing.
    if "INVALID" not in statuses:
        assert (code, found["setting"]) == (0, {"threads": 4}), errors
        assert statuses == ["PASSED", "PASSED"]
    first = run_folder.find(tmp_path / "runs", found["path"][0]["run"]).read()
    workers = next(use for use in first.diagnosis.stages if use.stage == "workers")
    assert workers.role in {"bottleneck", "next_limit"}, first.diagnosis.findings
    assert first.diagnosis.settings["threads"] > 4
