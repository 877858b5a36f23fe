"""Processes of one application find each other, and no other application."""

import os
import sys
from pathlib import Path

import pytest

from firedrill.errors import BadInput
from firedrill.telemetry import publisher
from firedrill.telemetry.application import identity
from firedrill.telemetry.application.identity import Process
from firedrill.telemetry.settings import Settings

HERE = Settings("127.0.0.1", 9464)


@pytest.fixture
def proc(monkeypatch):
    """Command lines of this process and its parent."""
    lines = {}
    monkeypatch.setattr(identity, "read", lambda path: lines.get(path.parent.name, ""))
    monkeypatch.setattr(identity, "started", lambda _: 7)
    return lines


@pytest.mark.parametrize(
    ("mine", "parents", "same"),
    [
        ("python\0app.py\0", "python\0app.py\0", True),
        ("gunicorn: worker [shop]", "gunicorn: master [shop]", True),
        ("python\0app.py\0", "bash\0", False),
        ("python\0app.py\0", "python\0other.py\0", False),
        ("", "", False),
    ],
)
def test_a_parent_of_the_same_program_is_the_master(proc, mine, parents, same):
    proc |= {"self": mine, str(os.getppid()): parents}
    assert identity.master() == (Process(os.getppid(), 7) if same else None)


def test_the_master_of_uwsgi_is_the_one_it_names(proc, monkeypatch):
    class Uwsgi:
        masterpid = staticmethod(lambda: 42)

    monkeypatch.setitem(sys.modules, "uwsgi", Uwsgi)
    assert identity.master() == Process(42, 7)


@pytest.mark.parametrize(
    "other",
    [Settings("127.0.0.1", 9465), Settings("127.0.0.2", 9464), Settings("127.0.0.1", 9464, "/d")],
)
def test_another_address_or_directory_is_another_application(other):
    assert identity.key(HERE, "shop") != identity.key(other, "shop")


def test_processes_of_one_directory_are_one_application(monkeypatch):
    shared, elsewhere = Settings("127.0.0.1", 1, "/d"), Settings("127.0.0.1", 2, "/d")
    mine = identity.key(shared, "shop")
    monkeypatch.setattr(identity, "master", lambda: Process(1, 1))
    assert identity.key(elsewhere, "shop") == mine
    assert identity.key(elsewhere, "blog") != mine


def test_an_id_that_is_used_again_is_not_the_process_that_had_it():
    mine = identity.process(os.getpid())
    assert mine.is_alive()
    assert not Process(mine.pid, mine.started + 1).is_alive()


def test_the_environment_goes_before_the_call():
    environ = {
        "FIREDRILL_METRICS_HOST": "::1",
        "FIREDRILL_METRICS_PORT": "0",
        "FIREDRILL_METRICS_DIR": "/d",
    }
    assert Settings.from_environment({}, "127.0.0.1", 9464) == HERE
    assert Settings.from_environment(environ, "127.0.0.1", 9464) == Settings("::1", 0, "/d")


@pytest.mark.parametrize("port", ["-1", "65536", "x", "³", "1" * 5000, "80 "])
def test_a_port_that_is_none_is_bad_input(port):
    with pytest.raises(BadInput, match=r"the metrics port is .*; expected a port"):
        Settings.from_environment({"FIREDRILL_METRICS_PORT": port}, "127.0.0.1", 9464)


def test_python_is_found_although_the_server_embeds_it(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/bin/uwsgi")
    assert "python" in Path(publisher.interpreter()).name
    for prefix in ("prefix", "exec_prefix", "base_prefix"):
        monkeypatch.setattr(sys, prefix, "/nowhere")
    with pytest.raises(FileNotFoundError):
        publisher.interpreter()
