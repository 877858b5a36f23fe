"""Drills recorded for tests.

`python -m tests.recorded_drills faulty` plays a drill again and stores it in tests/data.
"""

import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from firedrill.record.run_folder import Run
from tests import firedrill_process, replaying, run_json
from tests.waiting import PATIENCE_SECONDS

DATA = Path(__file__).parent / "data"
KEPT_FIELDS = ("id", "window", "profile", "faults", "figures", "scorecard", "time_scale")
"""The fields of run.json that tests read."""


STUCK_WORKERS, THREADS, FAILED_SHARE = 100, 200, 0.2
FAULTS = f"""\
faults:
  - {{start_time: 0s, for: 1m, errors: {FAILED_SHARE:.0%}}}
  - {{start_time: 0s, for: 14s, latency: 300ms}}
  - {{start_time: 5s, for: 1m, stuck: {STUCK_WORKERS}}}
"""
RULES = """\
groups:
  - name: mine
    rules:
      - {alert: Now, expr: vector(1)}
      - {alert: Later, expr: vector(1), for: 1h}
"""
OPEN_LOOP = """\
name: opening
arrivals: open
max_in_flight: 20
steps: [{start_time: 0s, rate: 40}]
duration: 12s
slo: {p99: 500ms}
faults: [{start_time: 3s, for: 1m, latency: 1s}]
"""
"""From the fault on, 20 slots of a second each do half of the arrivals."""


def unpack(name, folder):
    """Unpack a recorded drill into the folder; return its run."""
    with tarfile.open(DATA / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Run(folder / name)


def pack(run, name):
    """Store the samples of a run, its rules, and what tests read of its run.json."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tarfile.open(DATA / f"{name}.tar.xz", "w:xz", preset=9) as archive,
    ):
        kept = Path(folder) / name
        shutil.copytree(run.snapshot, kept / run.snapshot.relative_to(run.folder))
        shutil.copytree(run.folder / "prometheus" / "rules", kept / "prometheus" / "rules")
        (kept / "run.json").write_text(
            json.dumps(
                {key: value for key, value in run_json.content(run).items() if key in KEPT_FIELDS}
            )
        )
        archive.add(
            kept,
            name,
            filter=lambda member: member.replace(uid=0, gid=0, uname="", gname="", deep=False),
        )


def play_faulty(folder):
    """Play a drill in which a fifth of the requests fails, and half of the workers get stuck.

    For the first 14 seconds every request is slow.
    """
    file = firedrill_process.write_profile(
        folder, users=140, seconds=20, slo="{errors: 50%, starved_users: 0}"
    )
    file.write_text(file.read_text() + FAULTS)
    (folder / "mine.yml").write_text(RULES)
    drill = firedrill_process.start(
        folder / "runs",
        file,
        "--threads",
        THREADS,
        "--connection-limit",
        "1000",
        "--rules",
        folder / "mine.yml",
    )
    # A busy machine can make the generator late, and the run invalid. That changes neither the
    # failed share nor the number of stuck workers.
    assert drill.finish(5 * PATIENCE_SECONDS)[0] in {1, 4}
    return drill.run()


def play_open_loop_without_slots(folder):
    """Play an open workload whose arrivals find no slot."""
    (folder / "opening.yaml").write_text(OPEN_LOOP)
    drill = firedrill_process.start(
        folder / "runs", folder / "opening.yaml", "--threads", THREADS, "--connection-limit", "1000"
    )
    # Arrivals are late, which fails the run; those that wait for 5 s are dropped, which voids it.
    assert drill.finish(5 * PATIENCE_SECONDS)[0] in {1, 4}
    return drill.run()


def _replayed(folder):
    page = replaying.slow_endpoint()
    try:
        return replaying.drill(folder, next(page), 60)
    finally:
        page.close()


def main(names):
    """Play drills and store them.

    Record `drill_amid_stalls` under `python -m tests.stalls`, and `drill_amid_load` beside so many
    busy processes that each of Prometheus's threads waits now and then. The group with a namesake
    is left out of `drill_amid_stalls`.
    """
    drills = {
        "faulty": play_faulty,
        "opened": play_open_loop_without_slots,
        "drill": _replayed,
        "drill_amid_stalls": _replayed,
        "drill_amid_load": _replayed,
    }
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            pack(drills[name](Path(folder)), name)


if __name__ == "__main__":
    main(sys.argv[1:])
