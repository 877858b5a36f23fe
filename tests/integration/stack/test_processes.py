"""Child processes of a stack are stopped with all that they started, and leave a log."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from firedrill.interrupt import Interrupt
from firedrill.processes.children import Children
from firedrill.stack.plan import Plan, Ports
from firedrill.stack.process_stack import LINGER_SECONDS, ProcessStack
from tests.waiting import PATIENCE_SECONDS, poll_until

DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); signal.pause()"
)
PARENT = (
    "import subprocess, sys; p = subprocess.Popen(['sleep', 'infinity']); "
    "print(p.pid, flush=True); p.wait()"
)


@pytest.fixture
def children(tmp_path):
    started = Children(tmp_path)
    yield started
    started.stop_all()


def test_a_process_that_ignores_sigterm_is_killed(children):
    child = children.start("deaf", [sys.executable, "-c", DEAF])
    poll_until(lambda: "deaf" in child.log.read_text(), "the child to ignore SIGTERM")
    child.stop(grace_seconds=0.2)
    assert child.exit_code() == -9


def test_stopping_a_process_stops_its_children(children):
    child = children.start("parent", [sys.executable, "-c", PARENT])
    poll_until(lambda: child.log.read_text().endswith("\n"), "the child to start its own")
    grandchild = child.log.read_text().strip()
    children.stop_all()
    poll_until(lambda: not _runs(grandchild), "the grandchild to be gone")


def _runs(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


def test_the_last_log_line_is_the_last_that_is_not_blank(children):
    child = children.start(
        "talker", [sys.executable, "-c", "print('first'); print('last'); print()"]
    )
    assert child.wait(PATIENCE_SECONDS)
    assert child.last_log_line() == "last"


def test_a_master_gets_the_time_that_it_gives_its_workers(tmp_path, children):
    with (
        Interrupt() as interrupt,
        ProcessStack(Plan(tmp_path, "id", Ports.choose({}), None, workers=2), interrupt) as stack,
    ):
        assert stack.linger_seconds == LINGER_SECONDS
        stack.workers = [children.start("locust-worker-1", [sys.executable, "-c", ""])]
        assert stack.linger_seconds >= LINGER_SECONDS + 2 + 10
