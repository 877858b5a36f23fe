"""Try `alerts check` and `scale` on a folder of rules: `python -m tests.rule_collection DIR`.

Asserts for every file that there is no traceback, that the time is bounded, that the exit code of
check is 0, 1 or 2, and that promtool accepts the scaled rules of every file that it accepts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from firedrill.alerts.rules import promtool, rule_folder
from firedrill.errors import BadInput, ExitCode

SECONDS_PER_FILE = 10.0
FACTOR = "12"
CHECKED = {ExitCode.PASSED, ExitCode.FAILED, ExitCode.BAD_INPUT}


def firedrill(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line."""
    return subprocess.run(
        [sys.executable, "-m", "firedrill", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def faults(files: list[Path], folder: Path) -> list[str]:
    """Return a sentence for each way in which the commands fail on rule files."""
    found = []
    began = time.monotonic()
    done = firedrill("alerts", "check", "--strict", *files)
    seconds = time.monotonic() - began
    if done.returncode not in CHECKED or "Traceback" in done.stderr:
        found.append(f"check: exit code {done.returncode}: {done.stderr[-500:]}")
    if seconds > SECONDS_PER_FILE * len(files):
        found.append(f"check: {seconds:.0f} s for {len(files)} files")
    accepted = [file.file for file in promtool.check_files(files) if not file.mistakes]
    scaled = []
    for number, file in enumerate(accepted):
        target = folder / f"{number}-{file.name}"
        done = firedrill("alerts", "scale", "--factor", FACTOR, file, target)
        if done.returncode or "Traceback" in done.stderr:
            found.append(f"scale {file}: exit code {done.returncode}: {done.stderr[-500:]}")
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
