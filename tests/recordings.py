"""Drills that were recorded for tests: `python -m tests.recordings faulty` plays one again, and
keeps what tests read of it.
"""

import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from firedrill.record.run_folder import Run
from tests import panel_values, replaying

DATA = Path(__file__).parent / "data"
READ = ("id", "window", "profile", "faults", "figures", "scorecard", "time_scale")
"""What tests read of run.json."""


def unpacked(name, folder):
    """A drill that was recorded."""
    with tarfile.open(DATA / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Run(folder / name)


def pack(run, name):
    """Keep of a run its samples, its rules, and what tests read of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tarfile.open(DATA / f"{name}.tar.xz", "w:xz", preset=9) as archive,
    ):
        kept = Path(folder) / name
        shutil.copytree(run.snapshot, kept / run.snapshot.relative_to(run.folder))
        shutil.copytree(run.folder / "prometheus" / "rules", kept / "prometheus" / "rules")
        (kept / "run.json").write_text(
            json.dumps({key: value for key, value in run.read().items() if key in READ})
        )
        archive.add(
            kept,
            name,
            filter=lambda member: member.replace(uid=0, gid=0, uname="", gname="", deep=False),
        )


def _replayed(folder):
    page = replaying.page()
    try:
        return replaying.drill(folder, next(page), 60)
    finally:
        page.close()


def main(names):
    """Play drills, and keep them.

    `drill_amid_stalls` is a `drill` on a machine that stands still now and then (`python -m
    tests.stalls`), but for the alerts of the group that has a namesake. `drill_amid_load` is one
    beside so many busy processes that each of Prometheus's threads waits now and then.
    """
    drills = {
        "faulty": panel_values.faulty,
        "opened": panel_values.opened,
        "drill": _replayed,
        "drill_amid_stalls": _replayed,
        "drill_amid_load": _replayed,
    }
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            pack(drills[name](Path(folder)), name)


if __name__ == "__main__":
    main(sys.argv[1:])
