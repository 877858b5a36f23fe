"""The plan of a stack: its ports, server, profile and folder, before anything is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from firedrill import contract
from firedrill.errors import BadInput
from firedrill.processes import ports
from firedrill.stack.configuration import Scrape

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from firedrill.processes.ports import HeldPort
    from firedrill.serve.command import ServedCommand
    from firedrill.stack.remote_write import RemoteWrite
    from firedrill.target_paths import TargetPath

PORT_OPTIONS = {
    "api": ("--port", contract.API_PORT),
    "metrics": ("--metrics-port", contract.API_METRICS_PORT),
    "exporter": ("--exporter-port", contract.EXPORTER_PORT),
    "prometheus": ("--prometheus-port", contract.PROMETHEUS_PORT),
    "alertmanager": ("--alertmanager-port", contract.ALERTMANAGER_PORT),
    "notifications": ("--notifications-port", contract.NOTIFICATIONS_PORT),
    "web": ("--web-port", contract.LOCUST_WEB_PORT),
    "grafana": ("--grafana-port", contract.GRAFANA_PORT),
}
"""The command line's option of each port, and the default port."""


@dataclass(frozen=True, slots=True)
class Server:
    """How the bundled API is served."""

    kind: Literal["dev", "waitress", "gunicorn", "uvicorn"] = "waitress"
    threads: int | None = None
    """Worker threads of waitress or of a process of gunicorn; None leaves the default of 4."""
    connection_limit: int | None = None
    """Connections that the server accepts at once; None leaves its default."""
    processes: int | None = None
    """Worker processes of gunicorn or uvicorn; None leaves the default of 1."""
    shed_after_seconds: float | None = None
    """Queue wait of a request after which it is refused; None refuses none."""

    @property
    def spawns(self) -> bool:
        """Whether its processes inherit no socket but the API's."""
        return self.kind == "uvicorn" and (self.processes or 1) > 1

    def __str__(self) -> str:
        tuning = {
            name.removeprefix("--").replace("-", "_"): value for name, value in self._tuning()
        }
        return " ".join([self.kind, *(f"{name}={value}" for name, value in tuning.items())])

    def with_settings(self, settings: Mapping[str, int]) -> Server:
        """Return the server with these settings; the others stay."""
        return Server(
            self.kind,
            settings.get("threads", self.threads),
            settings.get("connection_limit", self.connection_limit),
            settings.get("processes", self.processes),
        )

    def options(self) -> list[str]:
        """Return the options of `python -m api`."""
        return ["--server", self.kind, *(word for option in self._tuning() for word in option)]

    def _tuning(self) -> Iterator[tuple[str, str]]:
        """Yield option and value of each setting that is no default."""
        if self.processes is not None:
            yield "--processes", str(self.processes)
        if self.threads is not None:
            yield "--threads", str(self.threads)
        if self.connection_limit is not None:
            yield "--connection-limit", str(self.connection_limit)
        if self.shed_after_seconds is not None:
            yield "--shed-after", f"{self.shed_after_seconds * 1000:g}ms"


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one stack, all on 127.0.0.1; a context manager that holds them."""

    api: int
    metrics: int
    exporter: int
    prometheus: int
    alertmanager: int
    notifications: int
    web: int
    grafana: int
    held: Mapping[str, HeldPort] = field(default_factory=dict, compare=False, repr=False)
    """The hold on each port that `choose` chose."""

    @classmethod
    def choose(cls, requested: Mapping[str, int | None]) -> Self:
        """Hold the ports asked for, else the default ones, else free ones.

        Raises:
            BadInput: a port that was asked for is taken.
        """
        chosen: dict[str, HeldPort] = {}
        try:
            # First what was asked for, so that no default takes it away.
            for name in sorted(PORT_OPTIONS, key=lambda name: requested.get(name) is None):
                option, default = PORT_OPTIONS[name]
                chosen[name] = ports.choose(requested.get(name), default, option)
        except BadInput:
            for held in chosen.values():
                held.release()
            raise
        return cls(**{name: held.number for name, held in chosen.items()}, held=chosen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for held in self.held.values():
            held.release()

    def lend(self, *names: str) -> list[socket.socket]:
        """Return the bound sockets for a child that listens on them."""
        return [self.held[name].lend() for name in names if name in self.held]

    def share(self, *names: str) -> None:
        """Let a child bind these ports by itself."""
        for name in names:
            if name in self.held:
                self.held[name].share()

    def hand_over(self, *names: str) -> None:
        """Let containers publish these ports."""
        for name in names:
            if name in self.held:
                self.held[name].hand_over()


@dataclass(frozen=True, slots=True)
class Plan:
    """A stack to be started."""

    folder: Path
    """Where logs, configuration and data go."""
    run_id: str
    ports: Ports
    server: Server | None
    """None where the load goes to the user's own target."""
    target: str | None = None
    serve: ServedCommand | None = None
    """The user's own command that serves the API; as processes only."""
    paths: tuple[TargetPath, ...] = ()
    """What the bundled users request; empty: the paths of the bundled API."""
    profile: str | None = None
    """Name or file of the load profile; None for Locust without one."""
    scrapes: tuple[Scrape, ...] = ()
    locustfile: Path | None = None
    rules: tuple[Path, ...] = ()
    time_scale: float = 12.0
    """How many production seconds a drill second stands for, in the alert rules of api.yml."""
    web: bool = False
    """Run Locust with its web page instead of headless."""
    takes_faults: bool = False
    """Whether faults can be set on the bundled API."""
    docker: bool = False
    """Start containers instead of processes."""
    locust_options: tuple[str, ...] = ()
    """Options for every Locust process; as processes only."""
    keeps_hosts: bool = False
    """Whether each class of users loads the host that it names, instead of the target."""
    workers: int = 1
    """Number of Locust's workers. As processes, several have a master; in containers all do."""
    objectives_seconds: frozenset[float] = frozenset()
    """Latency objectives, which the API's histograms get as bucket bounds."""
    has_live_rates: bool = False
    """Whether the load reads its rates from `rates_file`, instead of its profile's steps."""
    remote_write: RemoteWrite | None = None
    """The receiver of the samples, besides Prometheus's own data."""
    attached_prometheus: str | None = None
    """Base URL of the Prometheus of a stack that is up already."""

    @property
    def host(self) -> str:
        """Base URL of the API under load."""
        return self.target or f"http://{contract.LOOPBACK}:{self.ports.api}"

    @property
    def faults_url(self) -> str | None:
        """Base URL of the API's metrics endpoint, which takes faults; None if it is not known."""
        urls = (f"http://{scrape.address}" for scrape in self.all_scrapes() if scrape.job == "api")
        return next(urls, None)

    @property
    def prometheus_url(self) -> str:
        """Base URL of the stack's Prometheus."""
        return self.attached_prometheus or f"http://{contract.LOOPBACK}:{self.ports.prometheus}"

    @property
    def notifications(self) -> Path:
        """The file in which every notification is recorded."""
        return self.folder / "notifications.jsonl"

    @property
    def rates_file(self) -> Path:
        """The file of an open load's live rates."""
        return self.folder / "rates.txt"

    def all_scrapes(self) -> tuple[Scrape, ...]:
        """Return every endpoint that this stack's Prometheus scrapes."""
        return (
            self._own_scrape("locust", self.ports.exporter),
            *([self.api_scrape] if self.server else []),
            Scrape("prometheus", f"{contract.LOOPBACK}:{self.ports.prometheus}"),
            *self.scrapes,
        )

    @property
    def api_scrape(self) -> Scrape:
        """The metrics endpoint of an instrumented API that this stack starts."""
        return self._own_scrape("api", self.ports.metrics)

    def _own_scrape(self, job: str, port: int) -> Scrape:
        return Scrape(job, f"{contract.LOOPBACK}:{port}", contract.metrics_path(self.run_id))
