"""The user's own command is served, measured from outside, and ended with all its processes."""

import os
import sys
from pathlib import Path

import pytest

from firedrill.serve import process_tree
from tests import firedrill_process, run_json, verdicts

SHOP = """\
import flask
app = flask.Flask(__name__)
@app.get("/")
def index():
    return "ok"
@app.post("/orders")
def orders():
    return flask.request.get_json()
"""
ESCAPING = """\
import os, signal, sys, time
from http.server import HTTPServer, SimpleHTTPRequestHandler
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(1)
        os._exit(0)
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), SimpleHTTPRequestHandler).serve_forever()
"""
"""A server that ignores SIGTERM, and whose grandchildren have sessions of their own."""


@pytest.fixture
def profile(tmp_path):
    return firedrill_process.write_profile(
        tmp_path, users=2, seconds=3, slo=firedrill_process.PATIENT_SLO
    )


def processes_in(folder):
    """The processes that a command started in this folder left."""
    mark = f"FIREDRILL_METRICS_DIR={folder}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with (Path("/proc") / entry.name / "environ").open("rb") as environ:
                    if mark in environ.read().split(b"\0"):
                        found.append(process_tree.command_line(int(entry.name)))
            except OSError:
                continue
    return found


def test_an_application_is_measured_without_a_line_of_code(tmp_path, profile):
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.stderr.write('their own\\n')\n")
    drill = firedrill_process.start(
        tmp_path / "runs",
        profile,
        "--serve",
        f"{sys.executable} -m waitress shop:app",
        "--serve-cwd",
        str(tmp_path),
        "--env",
        f"PYTHONPATH={tmp_path}",
        "--path",
        "/",
        "--path",
        'POST /orders {"item": 1}',
        with_ports=False,
    )
    code, _, errors = drill.finish()
    document = run_json.content(drill.run())
    assert verdicts.passed(code, document), errors
    assert "uninstrumented" not in {remark["code"] for remark in document["remarks"]}
    assert (drill.folder() / "prometheus" / "targets" / "api.json").is_file()
    assert document["generator"]["paths"] == ["GET /", 'POST /orders {"item": 1}']
    assert "their own" in (drill.folder() / "api.log").read_text()
    assert processes_in(drill.folder()) == []


def test_every_process_of_a_stubborn_command_is_ended(tmp_path, profile):
    (tmp_path / "escaping.py").write_text(ESCAPING)
    command = f"{sys.executable} {tmp_path / 'escaping.py'}"
    drill = firedrill_process.start(
        tmp_path / "runs", profile, "--serve", command, with_ports=False
    )
    drill.finish()
    document = run_json.content(drill.run())
    codes = {remark["code"] for remark in document["remarks"]}
    assert {"uninstrumented", "only_front_page"} <= codes
    assert "ignored SIGTERM" in (drill.folder() / "api.log").read_text()
    assert processes_in(drill.folder()) == []


@pytest.mark.parametrize(
    ("program", "wait", "complaint"),
    [
        ("raise ValueError(3)", "240s", "before it answered: ValueError: 3"),
        ("import time; time.sleep(600)", "1s", "it listens on no TCP port after 1 s"),
    ],
)
def test_a_command_that_never_answers_is_bad_input(tmp_path, profile, program, wait, complaint):
    command = f'{sys.executable} -c "{program}"'
    drill = firedrill_process.start(
        tmp_path / "runs", profile, "--serve", command, "--serve-wait", wait, with_ports=False
    )
    code, _, errors = drill.finish()
    assert code == 2, errors
    assert complaint in errors
    assert "Traceback" not in errors
    assert drill.folder() is None
