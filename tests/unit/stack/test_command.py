"""Commands of other programs: run to their end, or given up."""

import signal
import sys
import threading
import time

import pytest

from firedrill.interrupt import Interrupt, Interrupted
from firedrill.stack import command

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"


def test_what_a_command_says_and_returns_comes_back():
    done = command.run([sys.executable, "-c", "import os, sys; print(os.environ['WORD']); sys.exit(3)"], {"WORD": "hello"})
    assert (done.returncode, done.stdout) == (3, "hello\n")


def test_a_command_that_never_ends_has_failed():
    began = time.monotonic()
    done = command.run(["sleep", "60"], patience_seconds=0.3)
    assert (done.returncode, done.stderr) == (1, "no answer within 0.3 s")
    assert time.monotonic() - began < 5


def test_one_that_heeds_no_signal_is_ended_all_the_same():
    began = time.monotonic()
    assert command.run([sys.executable, "-c", STUBBORN], patience_seconds=0.5, grace_seconds=0.3).returncode == 1
    assert time.monotonic() - began < 8


def test_an_interrupt_gives_up_what_may_take_minutes():
    with Interrupt() as interrupt:
        threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
        with pytest.raises(Interrupted, match="interrupted in sleep"):
            command.run(["sleep", "60"], interrupt=interrupt)
