"""werkzeug: Flask's development server, a thread for each connection or one thread for all.

With a thread for each connection it has no queue and no limit, so none is exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.telemetry.import_hooks import call_before
from firedrill.telemetry.servers.pool import Pool
from firedrill.telemetry.servers.server_report import UNBOUNDED, report_server, report_to

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import ModuleType

    from werkzeug.serving import BaseWSGIServer

    from firedrill.telemetry import Telemetry


def watch(module: ModuleType) -> None:
    """Measure every server of `werkzeug.serving` that serves from now on."""
    call_before(module.BaseWSGIServer, "serve_forever", report_limits)


def report_limits(server: Any, *_: object, **__: object) -> None:
    """Tell the kind of a server; without threads and processes it is a pool of one worker."""
    is_single = not (server.multithread or server.multiprocess)
    report_server("werkzeug", threads=1 if is_single else UNBOUNDED)
    if is_single and not hasattr(server, "firedrill_pool"):
        pool = server.firedrill_pool = Pool(1, has_queue=False)
        finish_request = server.finish_request

        def measured(*arguments: Any) -> None:
            worker = pool.begin()
            try:
                finish_request(*arguments)
            finally:
                pool.end(worker)

        server.finish_request = measured


def development_server(
    app: Callable[..., Any],
    telemetry: Telemetry,
    listener: socket.socket,
    *,
    backlog: int | None = None,
) -> BaseWSGIServer:
    """Return Flask's development server, threaded, on a bound socket.

    `serve_forever()` serves until KeyboardInterrupt or SystemExit. With `backlog` None, werkzeug's
    own holds.
    """
    from werkzeug.serving import make_server  # noqa: PLC0415 -- who has another server may lack it

    report_to(telemetry.cells)
    host, port = listener.getsockname()[:2]
    server = make_server(host, port, app, threaded=True, fd=listener.fileno())
    server.socket.listen(backlog or server.request_queue_size)
    return server
