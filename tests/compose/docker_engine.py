"""A Docker engine for the tests.

An engine that answers is used as it is. Where none does, and we are root, the installed one is
started for the session.
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
"""Locked by each test process that uses the engine; holds the process id of one that was started
for the tests.
"""
POOL = ("--default-address-pool", "base=10.213.0.0/16,size=26")
"""Addresses for a thousand networks: the engine's own choice ends after thirty, and each stack has
seven.
"""
PREPARING = USERS.with_suffix(".preparing")
DAEMON_LOG = USERS.with_suffix(".log")


def docker(*words, check=True, merged=False, **options):
    """Run `docker WORDS…`; returns its standard output, with standard error behind it if merged."""
    done = subprocess.run(
        ["docker", *map(str, words)], capture_output=True, text=True, check=False, **options
    )
    assert not check or done.returncode == 0, (
        f"docker {' '.join(map(str, words))}: {done.stderr or done.stdout}"
    )
    return (done.stdout + done.stderr if merged else done.stdout).strip()


@contextmanager
def engine():
    """An engine that answers until the end of the block; where there can be none, skip with the
    reason, or fail in CI.

    Several test processes share one: the first starts it, and the last to leave ends it.
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
    """What is made once for all test processes: one at a time."""
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
    """Whether it does; whose parent is another test process stays a zombie until that one ends."""
    with suppress(psutil.NoSuchProcess):
        return daemon.status() != psutil.STATUS_ZOMBIE
    return False


def _last_to_leave(users):
    """The daemon that we started, if nobody else uses it any more."""
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
    """Where the engine listens that Docker's client asks."""
    return docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").removeprefix(
        "unix://"
    )


class Gateway(socketserver.ThreadingUnixStreamServer):
    """A way to the engine that can be silenced, as an engine that hangs is, or closed, as one that
    is gone; a context manager.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, silent_on=None):
        """`silent_on` is a pattern of bytes: the first request that has it, and all that comes
        after, gets no answer.
        """
        self.engine = _socket()
        self.silent_on = silent_on
        self.silenced = threading.Event()
        """Whether such a request came."""
        self._folder = tempfile.TemporaryDirectory(prefix="engine-")
        self.passing = threading.Event()
        self.passing.set()
        super().__init__(f"{self._folder.name}/socket", _Passage)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def environment(self):
        """By which Docker's client goes this way."""
        return {"DOCKER_HOST": f"unix://{self.server_address}"}

    def close(self):
        """Take no more connections."""
        self.shutdown()
        self.server_close()

    def silence(self):
        """Pass nothing on."""
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
