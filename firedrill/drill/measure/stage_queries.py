"""Queries for the use of every stage that a request passes, and for what waits in front of it.

Every query looks back over the same time, two scrapes. The recording rules look back over four
seconds, because an alert must outlast a failed scrape; here such a window is left out.

The stages are those of `firedrill/diagnosis/evidence.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.contract import Client, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.contract import Metric


def gauge(name: str) -> str:
    """Return the query for the mean of a gauge, summed."""
    return f"sum(avg_over_time({name}[3s]))"


def rate(name: str) -> str:
    """Return the query for the rate of a counter, summed."""
    return f"sum(rate({name}[3s]))"


def mean(metric: Metric) -> str:
    """Return the query for the mean of a histogram's observations."""
    return f"{rate(f'{metric.name}_sum')} / {rate(f'{metric.name}_count')}"


CPU_SECONDS = 'process_cpu_seconds_total{job="api"}'
PROCESSES = f"(sum({Server.PROCESSES.name}) or count({CPU_SECONDS}))"
CPU_LIMIT = (
    f'min(label_replace({PROCESSES}, "limit", "processes", "", "") or {Server.CPU_LIMIT.name})'
)
CPU_USED = f"{rate(CPU_SECONDS)} / {CPU_LIMIT}"
"""The server's own use. The CPU is also full while tasks of the machine always wait for it."""
ACCEPT_QUEUE = gauge(Server.LISTEN_BACKLOG.name)
SLOTS = f"sum({Client.USERS_TARGET.name})"

USED: Mapping[str, str] = {
    "generator": f"max(avg_over_time({Client.WORKER_CPU.name}[3s]))",
    "slots": f"{gauge(Client.IN_FLIGHT.name)} / {SLOTS}",
    "backlog": (
        f"max(avg_over_time({Server.LISTEN_BACKLOG.name}[3s]) / {Server.LISTEN_BACKLOG_LIMIT.name})"
    ),
    "file_descriptors": 'max(process_open_fds{job="api"} / process_max_fds{job="api"})',
    "connections": (f"{gauge(Server.CONNECTIONS.name)} / sum({Server.CONNECTIONS_LIMIT.name})"),
    "workers": f"{rate(Server.BUSY_SECONDS.name)} / sum({Server.WORKERS_LIMIT.name})",
    "cpu": (
        f'max(label_replace({CPU_USED}, "of", "process", "", "") or'
        f' label_replace(rate({Server.PRESSURE_CPU.name}[3s]), "of", "machine", "", ""))'
    ),
}
"""Used share of the limit of each stage."""

WAITING: Mapping[str, str] = {
    "generator": f"max(rate({Client.WORKER_LAG.name}[3s]))",
    "slots": f'sum({Client.WAITING_AGE.name}{{le="+Inf"}}) - {gauge(Client.IN_FLIGHT.name)}',
    "backlog": rate(Server.LISTEN_OVERFLOWS.name),
    "file_descriptors": ACCEPT_QUEUE,
    "connections": ACCEPT_QUEUE,
    # Without a queue of its own, the kernel's is what waits for the workers.
    "workers": f"{gauge(Server.QUEUE_DEPTH.name)} or {ACCEPT_QUEUE}",
    "cpu": mean(Server.SLEEP_LAG),
}
"""What waits in front of each stage."""

LIMITS: Mapping[str, str] = {
    "slots": SLOTS,
    "backlog": f"max({Server.LISTEN_BACKLOG_LIMIT.name})",
    "file_descriptors": 'max(process_max_fds{job="api"})',
    "connections": f"sum({Server.CONNECTIONS_LIMIT.name})",
    "workers": f"sum({Server.WORKERS_LIMIT.name})",
    "cpu": CPU_LIMIT,
}


def together(queries: Mapping[str, str]) -> str:
    """Return one query for several, with the label `stage`."""
    return " or ".join(
        f'label_replace({query}, "stage", "{stage}", "", "")' for stage, query in queries.items()
    )
