"""A stack in the foreground, for `firedrill up` and `firedrill open`; Ctrl-C stops it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from firedrill import http_client
from firedrill.contract import GRAFANA_PORT, LOOPBACK, PROMETHEUS_PORT
from firedrill.interrupt import Interrupted
from firedrill.notifications.journal import Tail
from firedrill.processes import ports, programs
from firedrill.profile import load_profile
from firedrill.prometheus import overlay
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.stack import grafana, state_file
from firedrill.stack.plan import Plan
from firedrill.stack.process_stack import ProcessStack
from firedrill.stack.state_file import RunningStack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.processes.ports import HeldPort
    from firedrill.prometheus.client import Prometheus
    from firedrill.prometheus.overlay import RecordedRun
    from firedrill.serve.command import ServedCommand
    from firedrill.stack.grafana import Grafana
    from firedrill.stack.plan import Ports, Server
    from firedrill.target_paths import TargetPath
    from firedrill.terminal import Terminal

SIGNALS = (
    "client:requests:rate10s",
    "client:response_time_seconds:p99_10s",
    "server:response_time_seconds:p99_10s",
    "client:errors:ratio_rate10s",
    "api:headroom:ratio",
)

CLIENT_SIGNALS = tuple(signal for signal in SIGNALS if signal.startswith("client:"))


def run(
    out: Path,
    server: Server,
    profile: str,
    chosen: Ports,
    interrupt: Interrupt,
    console: Terminal,
    *,
    takes_faults: bool = False,
    follow: Callable[[Prometheus], None] = lambda _: None,
    serve: ServedCommand | None = None,
    paths: tuple[TargetPath, ...] = (),
) -> None:
    """Start the whole stack and keep it until the user asks to stop; its state is in `<out>/up`.

    `follow` gets the Prometheus once the stack is up.

    Raises:
        BadInput: another `firedrill up` uses that folder, or the served command cannot be used.
        Missing: a part is missing or did not start.
    """
    folder = out / state_file.NAME
    plan = Plan(
        folder=folder,
        run_id="up",
        ports=chosen,
        server=None if serve else server,
        serve=serve,
        paths=paths,
        profile=profile,
        objectives_seconds=frozenset(load_profile(profile).objective_seconds()),
        web=True,
        takes_faults=takes_faults,
    )
    with state_file.locked(folder), ProcessStack(plan, interrupt) as stack:
        tail = Tail(plan.notifications)
        try:
            _start(stack, console)
        except Interrupted:
            return
        follow(stack.prom)
        while not interrupt.pause(1.0):
            for name in stack.newly_ended():
                console.say(f"{name} ended; its log: {folder / name}.log", "red")
            for notification in tail.new():
                console.say(notification.line())


def _start(stack: ProcessStack, console: Terminal) -> None:
    began = time.time()
    stack.start_prometheus()
    RunningStack(stack.plan.prometheus_url, stack.plan.time_scale).announce(stack.plan.folder)
    if not stack.start_alerting():
        console.say(f"no notifications: there is no Alertmanager; {programs.HOW_TO_GET}")
    stack.start_api()
    stack.start_locust()
    password = stack.start_grafana()
    stack.wait_for_start()
    if stack.uninstrumented:
        console.say("the served command publishes no metrics of its requests", "dim")
    print_addresses(console, _addresses(stack, password))
    signals = CLIENT_SIGNALS if stack.uninstrumented else SIGNALS
    stack.wait_for(
        lambda: bool(stack.prom.instant(golden_signals(began, signals))),
        "the first golden signals in Prometheus",
        60,
    )
    console.say(f"golden signals after {time.time() - began:.1f} s; Ctrl-C stops everything", "dim")


def golden_signals(since: float, signals: Sequence[str] = SIGNALS) -> str:
    """Return a query that has a result once all these signals have samples after a time."""
    return " and on() ".join(f"(timestamp({signal}) > {since:.3f})" for signal in signals)


def _addresses(stack: ProcessStack, password: str | None) -> dict[str, str]:
    chosen = stack.plan.ports
    chosen_ports = {
        "API": chosen.api,
        "API metrics": chosen.metrics,
        "Locust": chosen.web,
        "Locust metrics": chosen.exporter,
        "Prometheus": chosen.prometheus,
    }
    addresses = {
        name: f"http://{LOOPBACK}:{port}{'/metrics' if 'metrics' in name else ''}"
        for name, port in chosen_ports.items()
    }
    addresses["API"] = stack.host
    if stack.uninstrumented:
        del addresses["API metrics"]
    addresses["Prometheus"] = describe_prometheus(addresses["Prometheus"])
    if stack.alertmanager:
        addresses["Alertmanager"] = f"http://{LOOPBACK}:{chosen.alertmanager}"
        addresses["Notifications"] = f"http://{LOOPBACK}:{chosen.notifications}/notifications"
    if password:
        addresses["Grafana"] = describe_grafana(chosen.grafana, password)
    return addresses


def describe_prometheus(url: str) -> str:
    """Return Prometheus's address; Debian's build has the API and no web pages."""
    try:
        has_pages = http_client.request("GET", f"{url}/graph", timeout_seconds=2).ok
    except http_client.NoAnswer:
        has_pages = False
    return url if has_pages else f"{url}/api/v1  (no pages: this build has its API only)"


def describe_grafana(port: int, password: str, page: str = "") -> str:
    """Return Grafana's address, or that of a page, and how to log in."""
    return f"http://{LOOPBACK}:{port}{page}  (to edit, log in as admin with {password})"


def print_addresses(console: Terminal, addresses: Mapping[str, str]) -> None:
    """Print names and addresses, aligned."""
    width = max(map(len, addresses))
    for name, address in addresses.items():
        console.say(f"{name:{width}}  {address}")


def reopen(
    runs: Sequence[RecordedRun],
    port: int | None,
    interrupt: Interrupt,
    console: Terminal,
    grafana_port: int | None = None,
) -> None:
    """Keep a Prometheus on recorded runs until the user asks to stop.

    Several runs are aligned on the start of the latest.

    Raises:
        BadInput: a port that was asked for is taken.
        Missing: Prometheus is missing or cannot open the data.
    """
    chosen = ports.choose(port, PROMETHEUS_PORT, "--prometheus-port")
    installed = grafana.find()
    for_grafana = ports.choose(grafana_port, GRAFANA_PORT, "--grafana-port") if installed else None
    single_run_data = runs[0].data if len(runs) == 1 else None
    try:
        with RecordedPrometheus(single_run_data, interrupt, chosen) as reopened:
            if single_run_data is None:
                overlay.fill(reopened.prom.url, runs, interrupt)
            addresses = _reopened_addresses(reopened, runs)
            if installed and for_grafana:
                addresses["Grafana"] = _start_grafana(installed, for_grafana, reopened, runs)
            print_addresses(console, addresses)
            while not interrupt.pause(1.0):
                pass
    except Interrupted:
        return


def _reopened_addresses(
    reopened: RecordedPrometheus, runs: Sequence[RecordedRun]
) -> dict[str, str]:
    start, end = _shown_window(runs)
    addresses = {
        "Prometheus": describe_prometheus(reopened.prom.url),
        "window": f"{_utc(start)} to {_utc(end)} (Unix {start:.0f} to {end:.0f})",
    }
    if len(runs) > 1:
        addresses["label run"] = ", ".join(overlay.labels([run.id for run in runs]))
    return addresses


def _start_grafana(
    installed: Grafana,
    port: HeldPort,
    reopened: RecordedPrometheus,
    runs: Sequence[RecordedRun],
) -> str:
    """Start Grafana on the recorded runs; return its address in words."""
    start, end = _shown_window(runs)
    port.share()
    _, password = installed.start(
        reopened.children, reopened.folder / "grafana", port.number, reopened.prom.url
    )
    return describe_grafana(
        port.number,
        password,
        f"/d/firedrill-golden-signals?from={start * 1000:.0f}&to={end * 1000:.0f}&refresh=",
    )


def _shown_window(runs: Sequence[RecordedRun]) -> tuple[float, float]:
    start = max(run.start for run in runs)
    return start, start + max(run.end - run.start for run in runs)


def _utc(unix_seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_seconds))
