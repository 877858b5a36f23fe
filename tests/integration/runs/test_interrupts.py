"""Ctrl-C at good and bad moments: exit code 130, nothing left running, nothing recorded lost."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.backtest import made_up_run
from firedrill.contract import LOOPBACK
from firedrill.interrupt import Interrupt, Interrupted
from tests import firedrill_process, run_json
from tests.integration.runs import scenarios
from tests.waiting import PATIENCE_SECONDS, poll_until


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "a terminal that is closed"]
)
def test_a_run_that_is_interrupted_is_kept_and_says_so(tmp_path, number):
    drill = firedrill_process.start(
        tmp_path, firedrill_process.write_profile(tmp_path, users=10, seconds=60)
    )
    drill.wait_for_requests()
    drill.process.send_signal(number)
    code, _, errors = drill.finish()
    document = run_json.content(drill.run())
    assert code == 130, errors
    assert document["verdict"]["status"] == "INTERRUPTED"
    assert "locust_ended" not in {reason["code"] for reason in document["verdict"]["reasons"]}, (
        "it was asked to end, and did in order"
    )
    counts = document["figures"]["counts"]
    most = counts["client_requests"] + run_json.beside_the_load(document["figures"])
    assert 0 < counts["client_requests"] <= counts["server_finished"] <= most
    assert drill.run().snapshot.is_dir()
    assert drill.leftovers() == []


def test_an_interrupt_during_the_start_leaves_nothing_running(tmp_path):
    drill = firedrill_process.start(tmp_path, "smoke")
    drill.pid_of("prometheus")
    drill.interrupt()
    code, _, errors = drill.finish()
    assert code == 130, errors
    assert run_json.content(drill.run())["verdict"]["status"] == "INTERRUPTED"
    assert drill.leftovers() == []


PATIENT = """\
import sys
as_module = sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2] == "firedrill"
if as_module or sys.orig_argv[1].endswith("/firedrill"):
    import {module} as module
    assert module.{name}
    module.{name} = 3600.0
"""
"""A sitecustomize that makes `firedrill` itself wait for an hour, and none of its children."""


def test_a_second_interrupt_does_not_wait_for_stragglers(tmp_path):
    """Without it, the run would wait for the API's stuck workers."""
    (tmp_path / "sitecustomize.py").write_text(
        PATIENT.format(module="firedrill.drill.play.load_watch", name="DRAIN_SECONDS")
    )
    drill = scenarios.start_run_with_stuck_workers(
        tmp_path, environment={"PYTHONPATH": str(tmp_path)}
    )
    drill.interrupt()
    scenarios.wait_for_line(drill, "stopping the load")
    drill.interrupt()
    code, _, errors = drill.finish()
    assert code == 130, errors
    assert run_json.content(drill.run())["verdict"]["status"] == "INTERRUPTED"
    assert drill.leftovers() == []


def test_killing_firedrill_ends_its_parts(tmp_path):
    """After kill -9 of `firedrill` the kernel signals its parts."""
    drill = firedrill_process.start(
        tmp_path, firedrill_process.write_profile(tmp_path, users=5, seconds=60)
    )
    drill.wait_for_load()
    drill.process.send_signal(signal.SIGKILL)
    drill.process.communicate(timeout=PATIENCE_SECONDS)
    poll_until(lambda: not drill.leftovers(), "every part to end")


def test_a_backtest_that_is_interrupted_prints_nothing(tmp_path):
    drill = scenarios.start_long_backtest(tmp_path)
    drill.interrupt()
    code, output, errors = drill.finish()
    assert (code, output) == (130, ""), errors


def test_work_goes_on_until_somebody_asks_to_stop():
    with Interrupt() as interrupt:
        work = interrupt.until_requested(range(9))
        assert (next(work), next(work)) == (0, 1)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            next(work)


@contextmanager
def begun(*words, first_on_path=""):
    """Start `firedrill WORDS…`, with a folder whose modules come first if one is given."""
    command = [sys.executable, "-m", "firedrill", *map(str, words)]
    path = os.pathsep.join(map(str, filter(None, (first_on_path, os.environ.get("PYTHONPATH")))))
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process):
    """Send Ctrl-C; return (exit code, standard output, standard error)."""
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)  # For one that is held.
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


HELD = """\
import os, signal, sys
moments = [{moment!r}]
def hold(event, words):
    if (event, words[:1]) in moments or (event,) in moments:
        moments.clear()
        os.kill(os.getpid(), signal.SIGSTOP)
sys.addaudithook(hold)
"""
"""A sitecustomize that stops a process once: as it begins to load a module, or to remove a folder.
"""


def is_held(process):
    """Return whether the process is stopped."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize(
    "words", [("--help",), ("run", "smoke"), ("alerts", "check", "r.yml")], ids=" ".join
)
def test_an_interrupt_before_anything_has_begun_says_nothing(tmp_path, words):
    (tmp_path / "sitecustomize.py").write_text(HELD.format(moment=("import", ("click",))))
    with begun(*words, first_on_path=tmp_path) as process:
        poll_until(lambda: is_held(process), "the modules to be loading")
        assert interrupted(process) == (130, "", "")


def test_an_interrupt_while_a_command_waits_says_nothing(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        PATIENT.format(module="firedrill.fault_client", name="TIMEOUT_SECONDS")
    )
    with (
        socket.create_server((LOOPBACK, 0)) as silent,
        begun(
            "fault",
            "list",
            "--url",
            f"http://{LOOPBACK}:{silent.getsockname()[1]}",
            first_on_path=tmp_path,
        ) as one,
    ):
        silent.settimeout(PATIENCE_SECONDS)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1), "it asks"
            assert interrupted(one) == (130, "", "")


def test_a_report_that_is_interrupted_is_not_written(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with Interrupt() as interrupt:
        made_up_run(run, 60, "groups: []", interrupt)
    (tmp_path / "sitecustomize.py").write_text(HELD.format(moment=("shutil.rmtree",)))
    with begun("report", run, "--out", tmp_path, first_on_path=tmp_path) as process:
        poll_until(lambda: is_held(process), "its Prometheus to have ended")
        code, output, errors = interrupted(process)
    assert (code, output, errors) == (130, "", "firedrill: interrupted in the middle of the work\n")
    assert not (run / "report.html").exists()
