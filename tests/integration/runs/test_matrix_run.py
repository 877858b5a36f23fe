"""A fault matrix: a fault that an alert notices, one that none notices, the recorded files."""

import json

import pytest
from click.testing import CliRunner

from firedrill.cli import main
from firedrill.drill.judge.verdict import EXIT_CODES
from firedrill.record.outcome import Status
from firedrill.record.run_folder import Run
from tests import firedrill_process, required_programs, run_json, verdicts

FAULTS = """\
faults:
  - {start_time: 3s, for: 30s, stop: true, alerts: [ApiDown]}
  - {start_time: 33s, for: 5s, latency: 1ms, alerts: [ApiErrorBudgetFastBurn]}
"""


def test_a_matrix_with_an_unknown_alert_is_refused(tmp_path):
    required_programs.require("prometheus")
    file = firedrill_process.write_profile(tmp_path, users=5, seconds=40, slo="{errors: 50%}")
    file.write_text(
        file.read_text() + FAULTS.replace("ApiErrorBudgetFastBurn", "ApiErrorBudgetFastBum")
    )
    done = CliRunner().invoke(main, ["run", str(file), "--matrix", "--out", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert "no rule has the alert ApiErrorBudgetFastBum" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_matrix_fails_for_the_fault_that_no_alert_noticed(tmp_path):
    """The time scale is 60, so five minutes of `for` are five seconds. The quiet run is shorter
    than slow alerts need.
    """
    file = firedrill_process.write_profile(tmp_path, users=5, seconds=40, slo="{errors: 50%}")
    file.write_text(file.read_text() + FAULTS)
    drill = firedrill_process.start(
        tmp_path / "runs", file, "--matrix", "--time-scale", "60", "--duration", "8s", "--json"
    )
    code, output, errors = drill.finish()
    matrix = json.loads(output)
    quiet, stop, latency = matrix["columns"]
    statuses = []
    for column in matrix["columns"]:
        document = run_json.content(Run(drill.out / column["run"]))
        assert column["status"] == document["verdict"]["status"]
        statuses.append(
            verdicts.status_and_reasons(EXIT_CODES[Status(column["status"])], document)[0]
        )
    assert statuses == ["PASSED", "PASSED", "FAILED"], errors
    is_void = any(column["status"] == "INVALID" for column in matrix["columns"])
    assert (code, matrix["status"]) == ((4, "INVALID") if is_void else (1, "FAILED")), errors
    assert [column["fault"] for column in matrix["columns"]] == ["quiet", "stop", "latency 1 ms"]
    assert (drill.out / quiet["run"] / "matrix.json").read_text() == output
    assert not any(cell["judgement"] in {"detected", "missed", "also"} for cell in quiet["cells"])
    assert "ApiErrorBudgetSlowBurn" in matrix["unproven"]
    assert not {"ApiDown", "ApiQueueWaitHigh"} & set(matrix["unproven"])
    down = next(cell for cell in stop["cells"] if cell["alert"] == "ApiDown")
    assert down["judgement"] == "detected"
    assert matrix["least"]["ApiDown"]["hold_seconds"] == 1 <= down["delay_seconds"]
    assert {
        "alert": "ApiErrorBudgetFastBurn",
        "judgement": "missed",
        "delay_seconds": None,
    } in latency["cells"]
    assert any(
        reason.startswith("latency 1 ms: the alert ApiErrorBudgetFastBurn did not fire")
        for reason in matrix["reasons"]
    )
    assert "3/3 latency 1 ms" in errors
    assert drill.leftovers() == []
    recorded = json.loads((drill.out / stop["run"] / "run.json").read_text())
    firings = [
        alert["firings"]
        for alert in recorded["figures"]["alerts"]
        if alert["name"] == "ApiDown" and alert["firings"]
    ]
    begun = recorded["window"]["start"] + min(spans[0][0] for spans in firings)
    assert begun - recorded["faults"][0]["start"] == pytest.approx(down["delay_seconds"])
    window = recorded["window"]
    assert window["end"] - window["start"] < 3 + 30, (
        "the load of a fault ends when its alerts have fired"
    )
