"""A run names what the locustfile itself did: its set-up, its own check, its exceptions."""

from tests import firedrill_process, run_json, verdicts
from tests.target_server import Target

RAISING = firedrill_process.LOCUSTFILES / "raising.py"
PHASES = firedrill_process.LOCUSTFILES / "phases.py"
PLANNED_SECONDS = 6


def play(tmp_path, locustfile, *options):
    profile = firedrill_process.write_profile(
        tmp_path,
        users=2,
        seconds=PLANNED_SECONDS,
        user="Shop",
        slo=firedrill_process.PATIENT_SLO,
    )
    with Target() as target:
        drill = firedrill_process.start(
            tmp_path / "runs",
            profile,
            "--target",
            target.url,
            "--locustfile",
            locustfile,
            *options,
        )
        code, output, errors = drill.finish()
        assert drill.folder(), output + errors
    return code, run_json.content(drill.run()), " ".join(output.split())


def test_a_complete_run_fails_by_the_locustfiles_own_check(tmp_path):
    """Set-up and tear-down send requests that fail; the workers set an exit code, too."""
    code, document, output = play(tmp_path, PHASES, "--workers", 2)
    assert verdicts.status_and_reasons(code, document) == ("FAILED", ["own_check_failed"]), output
    assert "the locustfile's own check failed: it set exit code 1" in output
    figures = document["figures"]
    assert figures["seconds"] >= PLANNED_SECONDS - 1
    assert figures["setup_seconds"] >= 3
    assert figures["teardown_seconds"] > 0
    assert figures["client"]["error_ratio"] == figures["counts"]["client_failures"] == 0
    # test_start and test_stop on the master and two workers, on_stop of two users.
    outside = figures["counts"]["outside_load"]
    assert outside["setup"] == 3
    assert outside["teardown"] >= 3 + 2


def test_exceptions_of_the_locustfile_are_named_once_each(tmp_path):
    code, document, output = play(tmp_path, RAISING)
    status, reasons = verdicts.status_and_reasons(code, document)
    named = {"set_up_failed", "listener_raised", "task_exceptions"}
    assert (status, set(reasons), len(reasons)) == ("INVALID", named, 3), output
    assert "RuntimeError: cannot seed the database (raising.py:8)" in output
    assert "a request listener of the locustfile raised KeyError: '/' (raising.py:13, " in output
    assert "most often ValueError: of page (raising.py:22, " in output
    assert "mid-run" not in output
    kinds = {kind["source"]: kind for kind in document["exceptions"]}
    assert kinds["task"]["count"] == document["figures"]["honesty"]["exceptions"] > 0
