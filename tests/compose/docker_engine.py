"""A Docker engine for the tests.

An engine that answers is used as it is. Where none does, root starts the installed one for the
session.
"""

import fcntl
import os
import re
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests import required_programs
from tests.waiting import poll_until

USERS = Path(tempfile.gettempdir()) / f"firedrill-test-engine-{os.getuid()}.users"
"""A file that each test process that uses the engine locks. It holds the process id of an engine
that was started for the tests.
"""
POOL = ("--default-address-pool", "base=10.213.0.0/16,size=26")
"""Addresses for a thousand networks. The engine's default ends after thirty, and each stack has
seven.
"""
PREPARING = USERS.with_suffix(".preparing")
DAEMON_LOG = USERS.with_suffix(".log")


def docker(*words, check=True, merged=False, **options):
    """Run `docker WORDS…`; return its standard output, and standard error after it if merged."""
    done = subprocess.run(
        ["docker", *map(str, words)], capture_output=True, text=True, check=False, **options
    )
    assert not check or done.returncode == 0, (
        f"docker {' '.join(map(str, words))}: {done.stderr or done.stdout}"
    )
    return (done.stdout + done.stderr if merged else done.stdout).strip()


@contextmanager
def engine():
    """Give an engine until the end of the block; where there can be none, skip the test.

    Several test processes share one engine: the first starts it, and the last to leave ends it.
    """
    with USERS.open("a+") as users:
        with preparing():
            fcntl.flock(users, fcntl.LOCK_SH)
            if not answers():
                _start(users)
        yield
        with preparing():
            daemon = _last_to_leave(users)
            if daemon:
                daemon.terminate()
                poll_until(lambda: not _runs(daemon), "the Docker engine to end", every_seconds=0.2)


@contextmanager
def preparing():
    """Let one test process at a time make what all of them share."""
    with PREPARING.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(users):
    if os.geteuid():
        required_programs.skip_for_want_of(
            "a Docker engine that answers this user; only root could start one"
        )
    if not shutil.which("dockerd"):
        required_programs.skip_for_want_of(
            "a Docker engine (apt-get install docker.io docker-compose)"
        )
    with DAEMON_LOG.open("w") as log:
        # A session of its own, so that a Ctrl-C of the tests leaves it time to end in order.
        daemon = subprocess.Popen(
            ["dockerd", *POOL], stdout=log, stderr=log, start_new_session=True
        )
    poll_until(
        lambda: answers() or daemon.poll() is not None,
        "the Docker engine to answer",
        every_seconds=0.5,
    )
    if daemon.poll() is not None:
        required_programs.skip_for_want_of(
            "a Docker engine that runs; dockerd ended: "
            f"{DAEMON_LOG.read_text(errors='replace').splitlines()[-1:]}"
        )
    users.truncate(0)
    users.write(str(daemon.pid))
    users.flush()


def _runs(daemon):
    """Return whether the engine runs.

    A child of another test process stays a zombie until that process ends.
    """
    with suppress(psutil.NoSuchProcess):
        return daemon.status() != psutil.STATUS_ZOMBIE
    return False


def _last_to_leave(users):
    """Return the engine that the tests started, if no other test process uses it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    users.seek(0)
    pid = users.read()
    users.truncate(0)
    with suppress(psutil.NoSuchProcess, ValueError):
        daemon = psutil.Process(int(pid))
        return daemon if daemon.name() == "dockerd" else None
    return None


def _socket():
    """Return the address of the engine that Docker's client asks."""
    return docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").removeprefix(
        "unix://"
    )


class Gateway(socketserver.ThreadingUnixStreamServer):
    """A proxy of the engine's socket that can be silenced, like an engine that hangs, or closed,
    like one that is gone.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, silent_on=None):
        """Open the gateway.

        The first request that matches the pattern `silent_on`, and all that comes after it, gets no
        answer.
        """
        self.engine = _socket()
        self.silent_on = silent_on
        self.silenced = threading.Event()
        """Set once such a request came."""
        self._folder = tempfile.TemporaryDirectory(prefix="engine-")
        self.passing = threading.Event()
        self.passing.set()
        super().__init__(f"{self._folder.name}/socket", _Passage)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def environment(self):
        """Variables that make Docker's client use the gateway."""
        return {"DOCKER_HOST": f"unix://{self.server_address}"}

    def close(self):
        """Accept no more connections."""
        self.shutdown()
        self.server_close()

    def silence(self):
        """Pass nothing on any more."""
        self.passing.clear()
        self.silenced.set()

    def __exit__(self, *_):
        self.passing.set()
        self.close()
        self._folder.cleanup()


class _Passage(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.server.engine)
            back = threading.Thread(target=self._pass, args=(engine, self.request), daemon=True)
            back.start()
            self._pass(self.request, engine)
            back.join()

    def _pass(self, source, sink):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if (
                    sink is not self.request
                    and self.server.silent_on
                    and re.search(self.server.silent_on, data)
                ):
                    self.server.silence()
                self.server.passing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def answers():
    return (
        bool(shutil.which("docker"))
        and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    )
