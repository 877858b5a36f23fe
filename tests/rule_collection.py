"""Try `alerts check` and `scale` on a folder of rules: `python -m tests.rule_collection DIR`.

Asserts for every file that there is no traceback, that the time is bounded, that the exit code of
check is 0, 1 or 2, and that promtool accepts the scaled rules of every file that it accepts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner, Result

from firedrill.alerts.rules import promtool, rule_folder
from firedrill.cli import main as main_command
from firedrill.errors import BadInput, ExitCode

SECONDS_PER_FILE = 10.0
FACTOR = "12"
CHECKED = {ExitCode.PASSED, ExitCode.FAILED, ExitCode.BAD_INPUT}


def firedrill(*words: str | Path) -> Result:
    """Run a command of the command line, in this process; a traceback is its `exception`."""
    return CliRunner().invoke(main_command, list(map(str, words)))


def has_crashed(done: Result) -> bool:
    """Return whether a command ended with a traceback."""
    return done.exception is not None and not isinstance(done.exception, SystemExit)


def faults(files: list[Path], folder: Path) -> list[str]:
    """Return a sentence for each way in which the commands fail on rule files."""
    found = []
    began = time.monotonic()
    done = firedrill("alerts", "check", "--strict", *files)
    seconds = time.monotonic() - began
    if done.exit_code not in CHECKED or has_crashed(done):
        found.append(f"check: exit code {done.exit_code}: {done.exception!r}")
    if seconds > SECONDS_PER_FILE * len(files):
        found.append(f"check: {seconds:.0f} s for {len(files)} files")
    accepted = [file.file for file in promtool.check_files(files) if not file.mistakes]
    scaled = []
    for number, file in enumerate(accepted):
        target = folder / f"{number}-{file.name}"
        done = firedrill("alerts", "scale", "--factor", FACTOR, file, target)
        if done.exit_code:
            found.append(f"scale {file}: exit code {done.exit_code}: {done.exception!r}")
        else:
            scaled.append(target)
    for checked in promtool.check_files(scaled):
        found += [f"scaled {mistake.place}: {mistake.text}" for mistake in checked.mistakes]
    print(f"{len(files)} files checked in {seconds:.1f} s, {len(scaled)} scaled")
    return found


def main(folder: Path) -> int:
    """Report the faults on all rule files of a folder."""
    try:
        files = list(rule_folder.files([folder]).files)
    except BadInput as error:
        print(error)
        return 2
    with tempfile.TemporaryDirectory(prefix="firedrill-") as scaled:
        found = faults(files, Path(scaled))
    print("\n".join(found) or "no faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
