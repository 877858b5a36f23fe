"""The publisher: hands a process's metrics to the endpoint of its application, or starts that.

The first process of an application that serves starts the endpoint. Each one passes its memory over
a Unix socket, whose abstract name is the application's: no file is written. Nothing here waits but
`address()`, so requests are never held up, and a lost endpoint is started again by whoever notices.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import socket
import struct
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from firedrill import inherited_sockets
from firedrill.errors import BadInput
from firedrill.telemetry.application import identity
from firedrill.telemetry.warning_once import warn_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.telemetry.settings import Settings
    from firedrill.telemetry.shared_cells import Cells

BACKLOG = 128
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60.0
ADDRESS_SECONDS = 10.0
"""Longest wait for the endpoint to say where it listens."""
STOP_SECONDS = 5.0
"""Longest wait for the endpoint to note that this process publishes no longer."""
UNSTARTED = "requests are counted, but the metrics endpoint cannot be started"
GOODBYE = b"bye\n"
REGISTRY_DESCRIPTOR = 3
LISTENER_DESCRIPTOR = 4
_CREDENTIALS = struct.Struct("3i")

DETACH = (
    "import os,sys\nif not os.fork(): os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Program that starts another and ends: the endpoint is no child on which the application waits."""

_inherited: dict[tuple[str, int], socket.socket] = {}
"""Sockets for metrics endpoints that this process inherited, kept for an endpoint's successor."""


class Address(NamedTuple):
    """Where the endpoint listens, and what kept it from the address that was asked for."""

    host: str
    port: int
    obstacle: str


def listening_socket(host: str, port: int, purpose: str) -> socket.socket:
    """Return a bound TCP listener; port 0 takes a free one.

    Raises BadInput if the address cannot be bound.
    """
    inherited = inherited_sockets.listener(host, port, BACKLOG)
    if inherited:
        return inherited
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"{host}:{port} cannot be used for {purpose}"
            f" ({getattr(error, 'strerror', None) or error}); expected a free port, or 0 for any"
        ) from error


class Publisher:
    """The link of one process to its application's metrics endpoint."""

    def __init__(self, cells: Cells, settings: Settings, key: str) -> None:
        self._cells, self._settings = cells, settings
        self._name = f"\0firedrill-{key}"
        self._lock = threading.Lock()
        self._link: socket.socket | None = None
        self._intermediate = 0
        """Process id of a DETACH that was not waited for yet."""
        self._kept = -1
        """Descriptor of the counts of ended processes, which outlive the endpoint with us."""
        self._retry_at, self._retry_seconds = 0.0, FIRST_RETRY_SECONDS
        self._address: Address | None = None
        self._closed = False

    def tend(self) -> None:
        """Join the endpoint, or join it again if it is gone, and read what it says.

        It waits for nothing. Called for the first request, and every now and then.
        """
        if self._closed or not self._lock.acquire(blocking=False):
            return
        try:
            self._reap()
            if self._link is None and time.monotonic() >= self._retry_at:
                self._retry_at = time.monotonic() + self._retry_seconds
                self._retry_seconds = min(LONGEST_RETRY_SECONDS, 2 * self._retry_seconds)
                self._join()
            if self._link is not None:
                self._listen(self._link)
        except Exception as error:  # noqa: BLE001 -- the application shall go on, whatever fails here
            self._drop_link()
            warn_once(UNSTARTED, error)
        finally:
            self._lock.release()

    def _join(self) -> None:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.setblocking(False)
        try:
            if self._connect(link):
                self._register(link)
                self._link = link
        finally:
            if self._link is not link:
                link.close()

    def _connect(self, link: socket.socket) -> bool:
        """Return whether the endpoint, started if need be, takes the connection now."""
        for _ in range(3):
            try:
                link.connect(self._name)
            except ConnectionRefusedError:  # nobody listens
                self._launch()
            except BlockingIOError:  # it does not answer
                return False
            else:
                return True
        return False

    def _register(self, link: socket.socket) -> None:
        if _user(link) not in {os.getuid(), 0}:
            raise PermissionError("another user has taken the application's name")
        mine = identity.process(os.getpid())
        message = json.dumps({"process": mine, "master": identity.master()}).encode() + b"\n"
        kept = [self._kept] if self._kept >= 0 else []
        socket.send_fds(link, [message], [self._cells.descriptor, *kept])

    def _launch(self) -> None:
        """Start the endpoint, unless another process does so at this moment."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as registry:
            try:
                registry.bind(self._name)
            except OSError:
                time.sleep(0.001)
                return
            registry.listen(BACKLOG)
            # A new endpoint shall be where the old one was, also if that was any free port.
            port = self._settings.port or (self._address.port if self._address else 0)
            settings = replace(self._settings, port=port)
            with _listener(settings) as listener:
                self._intermediate = _spawn_detached(registry, listener, settings)

    def _listen(self, link: socket.socket) -> None:
        try:
            text, descriptors, _, _ = socket.recv_fds(link, 4096, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            text, descriptors = b"", []
        if not text:
            self._drop_link()
            if self._address is None:
                warn_once(UNSTARTED, "it ended at once")
            return
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._keep(descriptors)
        said = json.loads(text)
        self._address = Address(said["host"], said["port"], said["obstacle"])
        if said["tell"]:
            wanted = f"{self._settings.host}:{self._settings.port}"
            warn_once(
                f"the metrics endpoint is {url(self._address)}, until {wanted} can be used",
                said["obstacle"],
            )

    def _keep(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            if self._kept >= 0:
                os.close(self._kept)
            self._kept = descriptor

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None

    def _reap(self) -> None:
        if self._intermediate:
            with suppress(ChildProcessError):
                if os.waitpid(self._intermediate, os.WNOHANG) == (0, 0):
                    return
            self._intermediate = 0

    def address(self, timeout_seconds: float = ADDRESS_SECONDS) -> Address | None:
        """Wait for the endpoint and return its address; None if there is none."""
        until = time.monotonic() + timeout_seconds
        while self._address is None and not self._closed and time.monotonic() < until:
            self.tend()
            time.sleep(0.005)
        return self._address

    def close(self) -> None:
        """Publish no longer, and wait until the endpoint has noted it. What was counted stays."""
        with self._lock:
            self._closed = True
            if self._link is None:
                return
            with suppress(OSError):
                self._link.settimeout(STOP_SECONDS)
                self._link.sendall(GOODBYE)
                while self._link.recv(4096):
                    pass
            self._drop_link()
            self._reap()

    def after_fork(self) -> None:
        """Leave the link to the parent."""
        self._lock = threading.Lock()
        self._closed, self._intermediate = True, 0
        with suppress(OSError):
            self._drop_link()
        if self._kept >= 0:
            with suppress(OSError):
                os.close(self._kept)
        self._kept = -1


def url(address: Address) -> str:
    """Return the address of the metrics."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}:{address.port}/metrics"


def _user(link: socket.socket) -> int:
    """Return the user id of the process at the other end."""
    size = _CREDENTIALS.size
    _, user, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(user)


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket | None]:
    """Yield the socket of the metrics port, or None where only the endpoint can wait for it.

    Scrapes wait in it until the endpoint has started.
    """
    address = (settings.host, settings.port)
    if inherited_sockets.has(settings.port):
        inherited = inherited_sockets.listener(*address, BACKLOG)
        if inherited:
            _inherited[address] = inherited
    if address in _inherited:
        yield _inherited[address]
        return
    try:
        ipaddress.ip_address(settings.host)  # to resolve a name can take seconds
        listener = listening_socket(*address, "the metrics endpoint")
    except (BadInput, ValueError):
        yield None
        return
    with listener:
        yield listener


def _spawn_detached(
    registry: socket.socket, listener: socket.socket | None, settings: Settings
) -> int:
    """Start the metrics process, and return the id of the process that does so and ends."""
    python = interpreter()
    given = [(registry.fileno(), REGISTRY_DESCRIPTOR)]
    if listener is not None:
        given.append((listener.fileno(), LISTENER_DESCRIPTOR))
    # Above the targets, so that no source is overwritten before it is moved.
    high = [
        (fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, LISTENER_DESCRIPTOR + 1), target)
        for source, target in given
    ]
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    moved = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in high]
    program = ["-P", "-s", "-m", "firedrill.telemetry.metrics_process"]
    arguments = [settings.host, str(settings.port), str(os.getpid())]
    try:
        return os.posix_spawn(
            python,
            [python, "-I", "-S", "-c", DETACH, *program, *arguments],
            {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            file_actions=[*null, *moved],
            setsid=True,
            setsigmask=[],
        )
    finally:
        for source, _ in high:
            os.close(source)


def interpreter() -> str:
    """Return the Python to start; a server that embeds Python names itself in sys.executable.

    Raises FileNotFoundError if there is none.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    names = [sys.executable or ""] if "python" in Path(sys.executable or "").name else []
    names += [
        str(Path(prefix) / "bin" / name)
        for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix)
        for name in (version, "python3", "python")
    ]
    for name in names:
        if os.access(name, os.X_OK):
            return name
    raise FileNotFoundError(f"no Python in {sys.prefix}")
