"""The results of runs for CI: options of `run`, `drill` and `show`, and the command `history`."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firedrill import atomic_file
from firedrill.ci import history, junit, markdown, trend
from firedrill.cli.completion import complete_profile
from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.options import out_option
from firedrill.errors import BadInput
from firedrill.record import run_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from firedrill.record.run_folder import Run

GITHUB_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Environment variable of GitHub Actions with the file of the job's summary."""

FILE = click.Path(path_type=Path, dir_okay=False)

history_option = click.option(
    "--history",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FIREDRILL_HISTORY",
    metavar="DIR",
    help="Keep a small file of each run in this folder, to be cached or committed.",
)


def result_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that hand results to a CI service."""
    for option in (
        history_option,
        click.option(
            "--summary",
            type=FILE,
            metavar="FILE",
            help="Write a Markdown summary. GitHub Actions gets one without being asked.",
        ),
        click.option(
            "--junit",
            type=FILE,
            metavar="FILE",
            help="Write JUnit XML: a test case for each objective, expectation and diagnosis.",
        ),
    ):
        command = option(command)
    return command


def check_folders(junit: Path | None, summary: Path | None) -> None:
    """Raise BadInput for a file in a folder that does not exist, before a run is played."""
    for option, file in (("--junit", junit), ("--summary", summary)):
        if file and not file.absolute().parent.is_dir():
            raise BadInput(f"{option} {file}: no such folder; expected one that exists")


def write_results(
    runs: Sequence[Run],
    junit_file: Path | None,
    summary_file: Path | None,
    history_folder: Path | None,
    *,
    is_new: bool = True,
) -> None:
    """Write the files that were asked for; the summary of a GitHub job gets new runs by itself."""
    documents = [run.read() for run in runs]
    if junit_file:
        _write("--junit", junit_file, junit.text_of(documents))
    if summary_file:
        _write("--summary", summary_file, markdown.text_of(documents))
    if history_folder:
        history.write(history_folder, history.of_runs(runs))
    if is_new:
        append_to_job_summary(markdown.text_of(documents), os.environ)


def append_to_job_summary(text: str, environment: Mapping[str, str]) -> None:
    """Append Markdown to the summary of a GitHub job; a failure must not lose a verdict."""
    summary = environment.get(GITHUB_SUMMARY)
    if summary:
        with suppress(OSError), Path(summary).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def _write(option: str, file: Path, text: str) -> None:
    try:
        atomic_file.write(file, text)
    except OSError as error:
        raise BadInput(f"{option} {file}: {error.strerror}; expected a file to write") from error


@click.command("history")
@click.option(
    "--profile", metavar="NAME", shell_complete=complete_profile, help="Runs of this profile only."
)
@click.option("--last", type=click.IntRange(1), metavar="N", help="The newest N runs only.")
@history_option
@click.option("--summary", type=FILE, metavar="FILE", help="Write the trend as Markdown.")
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def history_command(
    profile: str | None,
    last: int | None,
    history: Path | None,
    summary: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """Show the trend of latency, rate and errors, by profile, server and commit.

    Takes the recorded runs, and with --history also those of which only the small file is left.
    The recorded ones get their file there.

    \b
    Examples:
      firedrill history --profile smoke --last 20
      firedrill history --history perf/ --summary trend.md
    """
    entries = _entries(out, history)
    if profile is not None:
        entries = [entry for entry in entries if entry.profile == profile]
    entries = entries[-last:] if last else entries
    if summary:
        _write("--summary", summary, trend.as_markdown(entries))
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
    elif entries:
        OUTPUT.print(trend.of_entries(entries))
    else:
        ERRORS.say("no runs")


def _entries(out: Path, folder: Path | None) -> list[history.Entry]:
    recorded = history.of_runs(run_folder.runs_in(out))
    if folder is None:
        return history.merged(recorded)
    history.write(folder, recorded)
    kept, refused = history.read(folder)
    for name in refused:
        ERRORS.say(f"firedrill: {folder / name}: no entry of a history; left out")
    return history.merged(kept, recorded)
