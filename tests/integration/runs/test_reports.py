"""`firedrill report` and `--baseline` through the command line."""

import json
import subprocess
from dataclasses import asdict

import pytest

from firedrill.cli.reports import written
from firedrill.profile import load_profile
from firedrill.record.run_folder import Run
from tests import firedrill_process, run_json, verdicts


def firedrill(*words):
    return subprocess.run(
        [firedrill_process.FIREDRILL, *map(str, words)], capture_output=True, text=True, check=False
    )


def earlier(folder, profile, **client):
    """Return a run of the same load that was recorded before."""
    run = Run(folder)
    run.folder.mkdir(parents=True)
    document = {
        "profile": asdict(load_profile(str(profile))),
        "verdict": {"status": "PASSED", "reasons": []},
        "figures": {"client": client},
    }
    run_json.write(run, json.loads(json.dumps(document)))
    return run


def test_a_run_that_is_worse_than_its_baseline_fails(tmp_path):
    file = firedrill_process.write_profile(
        tmp_path, users=4, seconds=8, slo=firedrill_process.PATIENT_SLO
    )
    before = earlier(tmp_path / "before", file, rate=1000.0, error_ratio=0.0)
    drill = firedrill_process.start(
        tmp_path / "runs", file, "--baseline", before.folder, "--tolerance", "50%", report=True
    )
    code, output, errors = drill.finish()
    document = run_json.content(drill.run())
    assert verdicts.status_and_reasons(code, document) == ("FAILED", ["regression_rate"]), errors
    assert "the achieved rate went from 1000.0/s to" in output
    assert document["baseline"] == {"id": "before", "tolerance": 0.5}
    page = drill.folder() / "report.html"
    assert f"report   in {page}" in output
    assert "the achieved rate went from" in page.read_text()
    again = firedrill("report", drill.folder(), before.folder, "--out", tmp_path / "runs")
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip().endswith(f"comparison-{drill.run().id[:15]}-before.html")
    assert drill.leftovers() == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("report", "nowhere"), "nowhere: no runs in"),
        (("report", *["nowhere"] * 7), "7 runs; expected 6 at most"),
        (("run", "smoke", "--baseline", "nowhere"), "nowhere: no runs in"),
        (("run", "smoke", "--tolerance", "a bit"), "'a bit' is not a percentage such as 1%"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(tmp_path, words, says):
    done = firedrill(*words, "--out", tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_that_fails_is_one_line(tmp_path, capsys):
    broken = Run(tmp_path / "broken")
    broken.folder.mkdir()
    assert written([broken], tmp_path) is None
    assert written([None], tmp_path) is None, "a mistake of ours"
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2, lines
    assert all(line.startswith("firedrill: no report was written: ") for line in lines)


def test_the_report_of_an_empty_run_says_so(tmp_path):
    run = Run(tmp_path / "empty")
    run.folder.mkdir()
    run_json.write(
        run,
        {
            "verdict": {
                "status": "INVALID",
                "reasons": [{"code": "no_requests", "text": "the load generator reported nothing"}],
            }
        },
    )
    done = firedrill("report", run.folder)
    assert (done.returncode, done.stdout.strip()) == (0, str(run.folder / "report.html"))
    assert "Nothing was recorded in this run" in (run.folder / "report.html").read_text()
