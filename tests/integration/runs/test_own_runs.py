"""A run measures itself: its ports are its own, and its Prometheus scrapes nobody else."""

import os
import signal
import sys

import pytest

from firedrill import places
from tests import firedrill_process, required_programs, run_json, verdicts
from tests.integration.runs import concurrent_runs

THIEF = """\
#!{python}
import os, re, socket, subprocess, sys
stolen = {folder!r} + "/stolen-from-" + os.path.basename(sys.argv[0])
if not os.path.exists(stolen):
    address = re.search(r"--web.listen-address=127.0.0.1:(\\d+)", " ".join(sys.argv))
    if address:
        taken = socket.create_server(("127.0.0.1", int(address[1])))
        holder = subprocess.Popen(
            ["sleep", "600"],
            pass_fds=[taken.fileno()],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with open(stolen, "w") as file:
            file.write(str(holder.pid))
os.chdir({tools!r})
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""
"""A program that takes the port it is given for another process at its first start."""


def test_runs_started_at_once_have_their_own_figures(tmp_path):
    outcomes = concurrent_runs.play(tmp_path, 3, at_once=3)
    assert all(outcome.has_its_own_figures for outcome in outcomes), outcomes
    assert all(outcome.passed for outcome in outcomes), outcomes
    assert len({outcome.run_id for outcome in outcomes}) == 3


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_a_run_whose_port_is_taken_starts_again(tmp_path, name):
    thief, program = tmp_path / name, str(required_programs.require(name))
    folder, tools = str(tmp_path), str(places.TOOLS)
    thief.write_text(
        THIEF.format(python=sys.executable, folder=folder, tools=tools, program=program)
    )
    thief.chmod(0o755)
    profile = firedrill_process.write_profile(
        tmp_path, users=2, seconds=3, slo=firedrill_process.PATIENT_SLO
    )
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    drill = firedrill_process.start(tmp_path / "runs", profile, with_ports=False, environment=path)
    try:
        code, _, errors = drill.finish()
    finally:
        for file in tmp_path.glob("stolen-from-*"):
            os.kill(int(file.read_text()), signal.SIGKILL)
    assert f"starting again on another port: {name} ended with exit code 1 " in errors, errors
    assert "address already in use" in errors
    assert verdicts.passed(code, run_json.content(drill.run())), errors
