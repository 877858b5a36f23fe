"""The command `python -m api`: the example API on the server of your choice.

It exits with 0 on SIGTERM or SIGINT, and with 2 on bad input.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from api import servers
from api.api_settings import WORK_KINDS, Settings, port_number, work_range
from api.factory import create_app
from firedrill import inherited_sockets
from firedrill.contract import API_METRICS_PORT, API_PORT
from firedrill.errors import BadInput, FiredrillError
from firedrill.quantities import parse_seconds
from firedrill.telemetry import instrument
from firedrill.telemetry.publisher import listening_socket
from firedrill.telemetry.servers import development_server, waitress_server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from flask import Flask

    from firedrill.telemetry import Telemetry


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    try:
        serve(parser().parse_args(arguments))
    except FiredrillError as error:
        sys.stderr.write(f"api: {error}\n")
        return error.exit_code
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(
        prog="python -m api",
        description="Serve the example API, measured from inside, until SIGTERM or SIGINT.",
        epilog="Environment variables with the same meaning, also for `flask run`: API_WORK,"
        " API_WORK_KIND, API_HOST, API_METRICS_HOST, API_METRICS_PORT, API_ACCESS_LOG=1,"
        " API_FAULTS=1.",
    )
    add = options.add_argument
    add(
        "--server",
        choices=("dev", "waitress", "gunicorn", "uvicorn"),
        default="waitress",
        help="server to use; dev is Flask's development server, and uvicorn serves the twin in"
        " FastAPI (default: %(default)s)",
    )
    add(
        "--processes",
        type=positive,
        default=1,
        help="worker processes of gunicorn or uvicorn (default: %(default)s)",
    )
    add("--host", help="address to bind (default: 127.0.0.1)")
    add(
        "--port",
        help=f"port of the API, 0 for a free one (default: {API_PORT}, or a free one if taken)",
    )
    add(
        "--metrics-port",
        help=f"port of /metrics, 0 for a free one"
        f" (default: {API_METRICS_PORT}, or a free one if taken)",
    )
    add(
        "--threads",
        type=positive,
        default=4,
        help="worker threads of waitress, or of each process of gunicorn; 1 makes gunicorn's"
        " workers sync (default: %(default)s)",
    )
    add(
        "--connection-limit",
        type=positive,
        help="connections of waitress, its own two included (default: 100), of each process of"
        " gunicorn (default: 1000), or of uvicorn, which answers 503 beyond (default: no limit)",
    )
    add(
        "--backlog",
        type=positive,
        help="length of the listening socket's accept queue (default: the server's own)",
    )
    add(
        "--shed-after",
        type=seconds,
        metavar="TIME",
        help="answer 503 to requests that waited longer for a worker, such as 200ms"
        " (default: never)",
    )
    add("--work", metavar="RANGE", help="time that `GET /` takes (default: 10-100ms)")
    add(
        "--work-kind",
        choices=WORK_KINDS,
        help="sleep (waiting) or use CPU time (computing) (default: waiting)",
    )
    add(
        "--access-log",
        action="store_true",
        help="log each request of the development server, and waitress' queue warnings",
    )
    add(
        "--faults",
        action="store_true",
        help="accept faults from `firedrill fault set`, on the metrics port",
    )
    return options


def positive(text: str) -> int:
    """Return an option's whole number, 1 or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """Return an option's time in seconds, above 0."""
    try:
        if (parsed := parse_seconds(text)) > 0:
            return parsed
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}; expected a time above 0 such as 200ms")


def settings_from(options: argparse.Namespace) -> Settings:
    """Return the environment's settings, overridden by the options."""
    settings = Settings.from_environment(os.environ)
    metrics_port = (
        settings.metrics_port if options.metrics_port is None else port_number(options.metrics_port)
    )
    host = options.host or settings.host
    return replace(
        settings,
        work_seconds=work_range(options.work) if options.work else settings.work_seconds,
        work_kind=options.work_kind or settings.work_kind,
        host=host,
        metrics_port=port_or_free(settings.metrics_host or host, metrics_port, API_METRICS_PORT),
        access_log=options.access_log or settings.access_log,
        faults=options.faults or settings.faults,
        shed_after_seconds=options.shed_after,
    )


def port_or_free(host: str, asked: int | None, default: int) -> int:
    """Return the port that was asked for, else the default if it is free, else 0."""
    if asked is not None:
        return asked
    try:
        listening_socket(host, default, "this check").close()
    except BadInput:
        return 0
    return default


def check_metrics_port(settings: Settings) -> None:
    """Raise BadInput if the metrics port that was asked for is taken."""
    port = settings.metrics_port or 0
    if not inherited_sockets.has(port):
        listening_socket(
            settings.metrics_host or settings.host, port, "the metrics endpoint"
        ).close()


def serve(options: argparse.Namespace) -> None:
    """Bind, print the addresses to stderr, and serve. Raises BadInput before that."""
    settings = settings_from(options)
    if options.processes > 1 and options.server in {"dev", "waitress"}:
        raise BadInput(f"--processes {options.processes}: {options.server} is a single process")
    if options.shed_after is not None and options.server != "waitress":
        raise BadInput(f"--shed-after: expected --server waitress with it, not {options.server}")
    port = port_or_free(
        settings.host, port_number(options.port) if options.port else None, API_PORT
    )
    check_metrics_port(settings)
    with listening_socket(settings.host, port, "the API") as listener:
        if options.server in {"gunicorn", "uvicorn"}:
            become_server(options, settings, listener)
        app = create_app(settings)
        telemetry = instrument(app)
        telemetry.start()
        run = runner(options, app, telemetry, listener)
        signal.signal(signal.SIGTERM, stop)
        api_address = "{}:{}".format(*listener.getsockname())
        sys.stderr.write(
            f"api: {options.server} on http://{api_address}, metrics on {telemetry.url}\n"
        )
        run()


def become_server(
    options: argparse.Namespace, settings: Settings, listener: socket.socket
) -> NoReturn:
    """Print the addresses, and turn this process into gunicorn or uvicorn.

    Raises BadInput if it is not installed, or cannot do what was asked for.
    """
    if importlib.util.find_spec(options.server) is None:
        raise BadInput(f"--server {options.server}: not installed; pip install {options.server}")
    if settings.faults and (options.server == "uvicorn" or options.processes > 1):
        raise BadInput("--faults: expected one process of dev, waitress or gunicorn with it")
    api_address = "{}:{}".format(*listener.getsockname())
    metrics_host = settings.metrics_host or settings.host
    sys.stderr.write(
        f"api: {options.server} on http://{api_address},"
        f" metrics on http://{metrics_host}:{settings.metrics_port}/metrics\n"
    )
    sys.stderr.flush()
    number, limit = listener.fileno(), options.connection_limit
    servers.become(
        servers.gunicorn_command(number, options.processes, options.threads, limit or 1000)
        if options.server == "gunicorn"
        else servers.uvicorn_command(number, options.processes, limit),
        listener,
        settings.environment(),
    )


def runner(
    options: argparse.Namespace, app: Flask, telemetry: Telemetry, listener: socket.socket
) -> Callable[[], None]:
    """Return the function that serves until SystemExit or KeyboardInterrupt."""
    if options.server == "dev":
        return development_server(app, telemetry, listener, backlog=options.backlog).serve_forever
    if not options.access_log:
        # It warns at every request while all workers are busy.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    limits = {
        "threads": options.threads,
        "connection_limit": options.connection_limit or 100,
        "backlog": options.backlog,
    }
    serve_forever: Callable[[], None] = waitress_server(app, telemetry, listener, **limits).run
    return serve_forever


def stop(*_: object) -> NoReturn:
    """Leave the server's loop, which both servers allow from a signal handler."""
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
