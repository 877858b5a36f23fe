"""Make the instrumentation fail in many ways, and print what the application answered.

Run: `python -m tests.integration.api.failing_telemetry`. It prints a JSON object: kinds of failure,
and for each the number of right answers of REQUESTS. It changes its own process, so tests start it.
"""

import errno
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
from contextlib import suppress
from unittest import mock

import psutil
from flask import Flask

from firedrill.contract import LOOPBACK
from firedrill.telemetry import instrument

REQUESTS = 200
FULL = OSError(errno.ENOSPC, "No space left on device")


def application(**settings):
    app = Flask("failing")
    app.get("/")(lambda: "answered")
    return app, instrument(app, tracing=False, **{"port": 0, **settings})


def answers(app):
    """Return whether one request is answered as without instrumentation."""
    said = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": LOOPBACK,
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }
    body = app(environ, lambda *response: said.append(response[0]))
    text = b"".join(body)
    getattr(body, "close", bool)()
    return (said, text) == (["200 OK"], b"answered")


def in_new_processes(target, failure):
    """Every request is the first of its process, and this call fails in each."""
    app, telemetry = application()
    with mock.patch(target, side_effect=failure):
        right = 0
        for _ in range(REQUESTS):
            telemetry.cells.after_fork()
            telemetry._after_fork()
            right += answers(app)
    return right


def fresh_application(**settings):
    """Every request is the first of an application of its own, which is closed afterwards."""
    right = 0
    for _ in range(REQUESTS):
        app, telemetry = application(**settings)
        right += answers(app)
        with suppress(OSError):
            telemetry.close()
    return right


def endpoint_killed():
    app, telemetry = application()
    right = 0
    for _ in range(REQUESTS):
        right += answers(app)
        for process in psutil.process_iter(["cmdline"]):
            if (process.info["cmdline"] or [])[-1:] == [str(os.getpid())]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        telemetry._publisher._retry_at = 0.0
        telemetry._publisher.tend()
    telemetry.close()
    return right


def memory_cut_short():
    app, telemetry = application()
    right = 0
    for _ in range(REQUESTS):
        with suppress(OSError):
            os.truncate(f"/proc/self/fd/{telemetry.cells.descriptor}", 0)
        right += answers(app)
    telemetry.close()
    return right


def descriptors_closed():
    """A program that closes every descriptor it does not know, as daemons do."""
    app, telemetry = application()
    right = 0
    for _ in range(REQUESTS):
        right += answers(app)
        link = telemetry._publisher._link
        for descriptor in (telemetry.cells.descriptor, link.fileno() if link else -1):
            with suppress(OSError):
                os.close(descriptor)
        telemetry._publisher.tend()
    return right


def name_taken(answer):
    """Somebody else listens at the application's name, and answers this, or not at all."""
    app, telemetry = application()
    right = answers(app)
    publisher = telemetry._publisher
    publisher._drop_link()
    publisher._name += "-taken"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(publisher._name)
        taken.listen(1)
        taken.settimeout(0)
        for _ in range(REQUESTS - 1):
            publisher._retry_at = 0.0
            publisher.tend()
            if answer is not None:
                with suppress(OSError), taken.accept()[0] as link:
                    link.sendall(answer)
            publisher.tend()
            right += answers(app)
    telemetry.close()
    return right


def forked_while_locked():
    """A child that was forked while another thread counted answers, and ends with 0."""
    app, telemetry = application()
    right = answers(app)
    for _ in range(REQUESTS - 1):
        locked, done = threading.Event(), threading.Event()

        def hold(locked=locked, done=done):
            with telemetry.cells.lock, telemetry.cells.labels_lock:
                locked.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        locked.wait()
        child = os.fork()
        if not child:
            signal.alarm(200)
            with mock.patch("os.posix_spawn", side_effect=FULL):
                os._exit(0 if answers(app) else 1)
        done.set()
        holder.join()
        right += os.waitpid(child, 0)[1] == 0
    telemetry.close()
    return right


def no_descriptors_left():
    app, telemetry = application()
    right = answers(app) - 1  # Flask imports what it needs for its first request
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    for _ in range(REQUESTS):
        telemetry.cells.after_fork()
        telemetry._after_fork()
        right += answers(app)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    return right


def port_taken():
    with socket.create_server((LOOPBACK, 0)) as taken, mock.patch("os.posix_spawn", spawn_nothing):
        return fresh_application(port=taken.getsockname()[1])


def spawn_nothing(*arguments, **how):
    """Stand in for an endpoint that ends at once; no process is worth 200 of them."""
    return 0


def settings_wrong(**environment):
    with mock.patch.dict(os.environ, environment), mock.patch("os.posix_spawn", spawn_nothing):
        return fresh_application()


FAILURES = {
    "no memory": lambda: in_new_processes("os.memfd_create", OSError(errno.ENOMEM, "none")),
    "memory full": lambda: in_new_processes("os.posix_fallocate", FULL),
    "no memory map": lambda: in_new_processes("mmap.mmap", MemoryError()),
    "no Unix socket": lambda: in_new_processes("socket.socket", OSError(errno.EMFILE, "none")),
    "no program": lambda: in_new_processes("os.posix_spawn", FileNotFoundError("python")),
    "no thread": lambda: in_new_processes("threading.Thread.start", RuntimeError("no thread")),
    "endpoint ends at once": lambda: in_new_processes("os.posix_spawn", spawn_nothing),
    "no room for a series": lambda: in_new_processes("json.dumps", MemoryError()),
    "endpoint killed": endpoint_killed,
    "memory cut short": memory_cut_short,
    "descriptors closed": descriptors_closed,
    "no descriptors left": no_descriptors_left,
    "forked while locked": forked_while_locked,
    "port taken": port_taken,
    "name taken by a server that hangs": lambda: name_taken(None),
    "name taken by a server that hangs up": lambda: name_taken(b""),
    "name taken by a server that answers nonsense": lambda: name_taken(b"[1, 2]\n"),
    "port that is none": lambda: settings_wrong(FIREDRILL_METRICS_PORT="70000"),
    "port that is no number": lambda: settings_wrong(FIREDRILL_METRICS_PORT="³"),
    "host that is none": lambda: settings_wrong(FIREDRILL_METRICS_HOST="256.1.1.1"),
    "directory that is none": lambda: settings_wrong(FIREDRILL_METRICS_DIR="/nowhere/\n"),
}


def main():
    chosen = sys.argv[1:] or FAILURES
    warnings = []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger("firedrill").addHandler(handler)
    right = {kind: FAILURES[kind]() for kind in chosen}
    sys.stdout.write(json.dumps({"right": right, "warnings": warnings}))


if __name__ == "__main__":
    main()
