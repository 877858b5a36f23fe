"""Commands of other programs run to their end, or are ended after a timeout."""

import signal
import sys
from contextlib import contextmanager

import pytest

from firedrill.interrupt import Interrupt, Interrupted
from firedrill.processes import command
from tests.waiting import PATIENCE_SECONDS


@contextmanager
def children_ignore(number):
    """Make programs that are started meanwhile ignore a signal from their first instruction."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_output_and_exit_code_of_a_command_are_returned():
    code = "import os, sys; print(os.environ['WORD']); sys.exit(3)"
    done = command.run(
        [sys.executable, "-c", code], {"WORD": "hello"}, patience_seconds=PATIENCE_SECONDS
    )
    assert (done.returncode, done.stdout) == (3, "hello\n")


def test_a_command_that_never_ends_has_failed():
    done = command.run(["sleep", "infinity"], patience_seconds=0.3)
    assert (done.returncode, done.stderr) == (1, "no answer within 0.3 s")


def test_a_command_that_ignores_sigterm_is_killed():
    with children_ignore(signal.SIGTERM):
        done = command.run(["sleep", "infinity"], patience_seconds=0.3, grace_seconds=0.3)
    assert (done.returncode, done.stderr) == (1, "no answer within 0.3 s")


def test_an_interrupt_ends_a_command_that_takes_long():
    interrupt_us = "kill -INT $PPID; exec sleep infinity"
    with Interrupt() as interrupt, pytest.raises(Interrupted, match="interrupted in sh"):
        command.run(
            ["sh", "-c", interrupt_us], interrupt=interrupt, patience_seconds=PATIENCE_SECONDS
        )
