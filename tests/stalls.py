"""Run a command on a machine that stands still now and then: `python -m tests.stalls make test`.

Freeze the command and everything that it starts for some seconds at random times, while the clock
goes on. A test that fails under it depends on timing. This needs root and Linux's freezer (cgroup
v1 or v2). Containers of a Docker engine that ran before are not frozen.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

V1, V2 = Path("/sys/fs/cgroup/freezer"), Path("/sys/fs/cgroup")
STALL_SECONDS = (2.0, 5.0)
PAUSE_SECONDS = (5.0, 15.0)


def main(command):
    group = (V1 if V1.is_dir() else V2) / f"stalls-{os.getpid()}"
    group.mkdir()
    switch, frozen, thawed = (
        ("freezer.state", "FROZEN", "THAWED") if V1.is_dir() else ("cgroup.freeze", "1", "0")
    )
    # The shell moves itself into the group before it becomes the command, so that every child is
    # born in it.
    process = subprocess.Popen(
        ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"), *command]
    )
    while not _ends_within(process, random.uniform(*PAUSE_SECONDS)):
        (group / switch).write_text(frozen)
        _ends_within(process, random.uniform(*STALL_SECONDS))
        (group / switch).write_text(thawed)
    return process.returncode


def _ends_within(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
