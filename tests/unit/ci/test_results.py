"""Results of a run for a CI service: JUnit XML, a Markdown summary, and a history."""

import dataclasses
import json
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from firedrill.ci import history, junit, markdown, trend
from firedrill.ci.checks import Outcome, checks_of
from firedrill.cli import main
from firedrill.cli.results import GITHUB_SUMMARY, append_to_job_summary
from firedrill.profile import Objectives, Slo
from firedrill.record.diagnosis import Diagnosis
from firedrill.record.outcome import Reason, ScorecardRow, Status, Verdict
from firedrill.record.run_folder import Run
from tests.unit.healthy_run import PROFILE, run_document
from tests.unit.printing import printed

SLO = Slo(
    {"p99": 0.25},
    error_ratio=0.01,
    mean_seconds=0.1,
    starved_users=0,
    achieved_ratio=0.9,
    endpoints={"/slow": Objectives({"p95": 1.0}, 0.02)},
)
JUDGED = dataclasses.replace(PROFILE, slo=SLO)


def judged(status, *reasons, **changed):
    """A run with this verdict."""
    verdict = Verdict(Status(status), tuple(Reason(*reason) for reason in reasons))
    return run_document(profile=JUDGED, verdict=verdict, **changed)


def outcomes(document):
    return {check.name: check.outcome for check in checks_of(document)}


def test_every_objective_of_a_passed_run_passes():
    assert outcomes(judged("PASSED")) == dict.fromkeys(
        [
            "p99",
            "mean",
            "errors",
            "starved users",
            "achieved load",
            "/slow: p95",
            "/slow: errors",
            "valid",
        ],
        Outcome.PASSED,
    )


@pytest.mark.parametrize(
    ("code", "text", "name", "outcome"),
    [
        ("latency_p99", "client p99 is 1 s", "p99", Outcome.FAILED),
        ("latency_mean", "the mean is 1 s", "mean", Outcome.FAILED),
        ("errors", "5 % of the requests failed", "errors", Outcome.FAILED),
        ("starved_users", "9 users got no answer", "starved users", Outcome.FAILED),
        ("achieved", "50 % were achieved", "achieved load", Outcome.FAILED),
        ("endpoint_p95", "GET /slow: p95 is 2 s", "/slow: p95", Outcome.FAILED),
        ("endpoint_errors", "GET /slow: 5 % failed", "/slow: errors", Outcome.FAILED),
        ("endpoint_p95", "GET /not/slow: p95 is 2 s", "endpoint_p95", Outcome.FAILED),
        ("unmeasured_p99", "the SLO's p99 was not measured", "p99", Outcome.ERROR),
        ("unmeasured_endpoint", "the endpoint '/slow' got none", "/slow: p95", Outcome.ERROR),
        ("regression_p95", "p95 went up", "regression_p95", Outcome.FAILED),
        ("api_ended", "the API ended", "api_ended", Outcome.FAILED),
        ("generator_cpu", "no CPU left", "generator_cpu", Outcome.ERROR),
        ("interrupted", "the run was interrupted", "interrupted", Outcome.ERROR),
    ],
)
def test_a_reason_fails_the_check_it_is_about(code, text, name, outcome):
    assert outcomes(judged("FAILED", (code, text)))[name] is outcome


def test_objectives_of_an_invalid_run_are_not_passed():
    found = outcomes(judged("INVALID", ("blind", "not scraped"), ("errors", "5 % failed")))
    assert (found["p99"], found["errors"]) == (Outcome.SKIPPED, Outcome.FAILED)
    assert found["blind"] is Outcome.ERROR


def test_an_expected_alert_is_a_check():
    rows = (
        ScorecardRow("Slow", "missed", "always", wrong=True, text="Slow did not fire"),
        ScorecardRow("Down", "expected", "always"),
        ScorecardRow("Budget", "undecided", "never", text="the load was too short"),
        ScorecardRow("Other", "detected", cause="errors 20 %"),
    )
    found = outcomes(judged("FAILED", ("alert_missed", "Slow did not fire"), scorecard=rows))
    assert [found.get(name) for name in ("Slow", "Down", "Budget", "Other")] == [
        Outcome.FAILED,
        Outcome.PASSED,
        Outcome.SKIPPED,
        None,
    ]


@pytest.mark.parametrize(
    ("status", "bottleneck", "missing", "outcome"),
    [
        ("PASSED", None, (), Outcome.PASSED),
        ("PASSED", "workers", (), Outcome.PASSED),
        ("FAILED", "workers", (), Outcome.FAILED),
        ("FAILED", None, ("no metrics endpoint of the API",), Outcome.SKIPPED),
    ],
)
def test_a_diagnosis_is_a_check(status, bottleneck, missing, outcome):
    found = Diagnosis(bottleneck, "threads", ("The workers are the bottleneck.",), missing=missing)
    assert outcomes(judged(status, diagnosis=found))["bottleneck"] is outcome


def test_a_run_without_verdict_has_an_error():
    assert Outcome.ERROR in outcomes(run_document(verdict=None, figures=None)).values()


def test_junit_counts_its_cases():
    text = junit.text_of([judged("FAILED", ("errors", "5 % <failed> \x00 & more"))])
    suite = ET.fromstring(text).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("8", "1", "0")
    assert suite.find(".//failure").get("message") == "5 % <failed> � & more"


def test_markdown_shows_foreign_text_as_it_is():
    text = markdown.text_of(
        [judged("FAILED", ("errors", "a | b\n<img src=x> @team **no** [l](http://x) `c`"))]
    )
    row = next(line for line in text.splitlines() if "img" in line)
    assert row.count("|") == 4
    assert not any(part in row for part in ("<img", "@team", "**", "](", "http:", "`"))


@pytest.fixture
def recorded(tmp_path):
    """Two recorded runs, and their folder."""
    runs = []
    for day, rate in ((1, 100.0), (2, 50.0)):
        run = Run(tmp_path / "runs" / f"2026120{day}-120000-launch")
        run.folder.mkdir(parents=True)
        document = judged("PASSED" if day == 1 else "FAILED")
        figures = document.figures
        client = dataclasses.replace(figures.client, rate=rate)
        run.write(
            document.model_copy(
                update={
                    "id": run.id,
                    "started": f"2026-12-0{day}T12:00:00+00:00",
                    "commit": "abcdef0123" * 4,
                    "figures": dataclasses.replace(figures, client=client),
                }
            )
        )
        runs.append(run)
    return tmp_path / "runs", runs


def firedrill(*words, **environment):
    return CliRunner().invoke(main, [str(word) for word in words], env=environment)


def test_a_history_outlives_its_runs(recorded, tmp_path):
    out, runs = recorded
    folder = tmp_path / "perf"
    assert firedrill("history", "--out", out, "--history", folder).exit_code == 0
    for run in runs:
        run.remove()
    (folder / "torn.json").write_text("{")
    listed = firedrill("history", "--out", out, "--history", folder, "--json")
    entries = json.loads(listed.stdout)
    assert [entry["rate"] for entry in entries] == [100.0, 50.0]
    assert entries[0]["commit"].startswith("abcdef")
    assert "torn.json: no entry" in listed.stderr
    assert firedrill("history", "--out", out, "--profile", "other").stdout == ""


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_trend_is_readable_at_any_width(recorded, width):
    entries = history.of_runs(recorded[1])
    text = printed(trend.of_entries(entries), width)
    assert max(map(len, text.splitlines())) <= width
    assert "rate █▅  100.0/s to 50.0/s" in text


def test_a_trend_in_markdown_has_a_chart(recorded, tmp_path):
    file = tmp_path / "trend.md"
    firedrill("history", "--out", recorded[0], "--summary", file)
    assert "line [100.0, 100.0]" in file.read_text()


def test_a_summary_goes_to_the_github_job(tmp_path):
    job = tmp_path / "job.md"
    job.write_text("before\n")
    append_to_job_summary("### PASSED", {GITHUB_SUMMARY: str(job)})
    append_to_job_summary("### FAILED", {GITHUB_SUMMARY: str(tmp_path / "none" / "job.md")})
    append_to_job_summary("### FAILED", {})
    assert job.read_text() == "before\n### PASSED\n"


@pytest.mark.parametrize("option", ["--junit", "--summary"])
def test_results_in_a_missing_folder_are_refused(option):
    done = firedrill("run", "smoke", option, "/nowhere/file")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


def test_show_prints_the_newest_run_again(recorded, tmp_path):
    out, runs = recorded
    assert runs[1].id in firedrill("show", "--out", out).stdout.replace("\n", "")
    assert json.loads(firedrill("show", runs[0].id, "--out", out, "--json").stdout)["commit"]
    assert firedrill("show", "--out", tmp_path / "empty").exit_code == 2


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ((), [1, 2]),
        (("--sort", "rate"), [2, 1]),
        (("--verdict", "failed"), [2]),
        (("--last", "1"), [2]),
        (("--profile", "launch", "--last", "9"), [1, 2]),
        (("--profile", "other"), []),
    ],
)
def test_runs_are_filtered_and_sorted(recorded, words, days):
    listed = json.loads(firedrill("runs", "--out", recorded[0], "--json", *words).stdout)
    assert [int(run["id"][7]) for run in listed] == days
