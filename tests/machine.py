"""Set a machine up for the suite: `python -m tests.machine`, which `make test` runs first.

Find or install the Docker engine, Chromium and a font, and build the images that the tests run.
`make setup` gets Prometheus and Alertmanager. Only root installs Debian's packages into the system.
A line names each thing that is missing, and tests that need it are skipped.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from firedrill.errors import Missing
from firedrill.processes import programs
from firedrill.stack.containers.engine import Project
from tests import required_programs
from tests.compose import base_images, docker_engine

APT_PATIENCE_SECONDS = 300.0
"""How long to wait for another apt's lock."""
APT_IS_LOCKED = re.compile(
    r"Could not get lock (\S+?)\.?(?: It is held by process (\d+).*)?$", re.MULTILINE
)


def main():
    """Set up what is missing.

    The exit code is 0 also where something stays missing, because the tests report it themselves.
    """
    with (Path(tempfile.gettempdir()) / f"firedrill-machine-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        problems = [problem for problem in (_programs(), _packages(), _images()) if problem]
    for problem in problems:
        _say(
            f"can't be had: {problem}; "
            "tests that need it are skipped, or fail the suite where CI=true"
        )


def _programs():
    missing = [name for name in programs.PACKAGES if programs.find(name) is None]
    return f"{', '.join(missing)} ({programs.HOW_TO_GET})" if missing else None


def _packages():
    """Install Debian's packages of missing programs; return what failed."""
    packages = []
    if not docker_engine.answers():
        commands = {
            "dockerd": "docker.io",
            "docker": "docker.io",
            "docker-compose": "docker-compose",
            "iptables": "iptables",
        }
        packages += [package for command, package in commands.items() if not shutil.which(command)]
    packages += [] if shutil.which("debootstrap") else ["debootstrap", "ca-certificates"]
    packages += [] if required_programs.find_chromium() else ["chromium"]
    packages += [] if any(Path("/usr/share/fonts").rglob("*.[to]tf")) else ["fonts-dejavu-core"]
    packages = sorted(set(packages))
    if not packages:
        return None
    if os.geteuid():
        return f"Debian's packages {' '.join(packages)}, which only root can install"
    if not shutil.which("apt-get"):
        return f"{' '.join(packages)}: this system has no apt-get"
    _say(f"installing {' '.join(packages)} with apt-get (a minute or two)")
    return _apt("update") or _apt("install", "-y", "--no-install-recommends", *packages)


def _apt(*words):
    """Run apt-get, and repeat it while another one holds its lock; return what failed."""
    # RUNLEVEL: no service is started by its package.
    environment = {
        **os.environ,
        "DEBIAN_FRONTEND": "noninteractive",
        "RUNLEVEL": "1",
        "LC_ALL": "C",
    }
    deadline, waiting = time.monotonic() + APT_PATIENCE_SECONDS, False
    while True:
        done = subprocess.run(
            ["apt-get", "-q", *words], capture_output=True, text=True, check=False, env=environment
        )
        if not done.returncode:
            return None
        locked = APT_IS_LOCKED.search(done.stderr)
        if not locked or time.monotonic() > deadline:
            reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            return f"apt-get {words[0]} failed: {reason}"
        if not waiting:
            _say(
                f"waiting for {locked[1]}, held by process {locked[2] or 'unknown'}, "
                f"for {APT_PATIENCE_SECONDS / 60:g} minutes at most"
            )
            waiting = True
        threading.Event().wait(2)


def _images():
    """Make the base images, and build the product's images on them; return what failed."""
    try:
        with docker_engine.engine():
            if base_images.missing():
                _say("making the base images of the composed tests (a minute or two)")
            base_images.make()
            _say("building the images of docker-compose.yml")
            Project("firedrill", base_images.NAMES).build()
    except (pytest.skip.Exception, Missing) as problem:
        return str(problem).removeprefix(required_programs.MARK)
    return None


def _say(text):
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
