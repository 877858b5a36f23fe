"""What the page about saturation asks: how near every limit is, and what is behind each of the ratios."""

from __future__ import annotations

from grafana.source import golden_signals_panels
from grafana.source.golden_signals_panels import Query, Signal, largest, of_runs, ours, rate, total

A_QUOTA = "a CPU quota of the server's container"
A_MEMORY_LIMIT = "a memory limit of the server's container"

LEFT = f"clamp_min(min by (run) ({of_runs(ours('api:headroom:ratio'))}), 0)"

LOWEST = Signal(
    "Lowest headroom",
    "How much was left of the scarcest resource at the worst moment of the time shown? 0 % is a limit that was reached.",
    "percentunit",
    (Query(LEFT, "left"),),
    "limits unknown",
)
PEAKS = Signal(
    "Highest use of each limit",
    "How near did each limit come in the time shown? The longest bar is the limit to raise first.",
    "percentunit",
    golden_signals_panels.SATURATION.queries,
    "limits unknown",
)
HEADROOM = Signal(
    "Headroom over time",
    "How much is left of the scarcest resource, as the load grows? Extend the line to 0 to see which load is the last one.",
    "percentunit",
    (Query(LEFT, "left"),),
    "limits unknown",
)
QUEUED = Signal(
    "Queue against capacity",
    "How many requests wait for each worker? From 100 % on, whoever comes waits for at least one whole request before its own.",
    "percentunit",
    (
        Query(
            f"{total(ours('http_server_queue_depth'))} / {total(ours('http_server_workers_limit'))}",
            "waiting per worker",
        ),
    ),
    "no pool",
)
WORKERS = Signal(
    "Workers",
    "How many workers serve a request, and how many are there? The mean counts what happens between two scrapes too.",
    "short",
    (
        Query(total(rate("http_server_busy_seconds_total")), "busy, mean"),
        Query(total(ours("http_server_workers_busy")), "busy, at the scrape"),
        Query(total(ours("http_server_workers_limit")), "limit"),
    ),
    "no pool",
)
CONNECTIONS = Signal(
    "Connections",
    "How many connections are open, and how many does the server accept? Beyond the limit new ones wait in the kernel; their users starve.",
    "short",
    (
        Query(total(ours("http_server_connections")), "open"),
        Query(total(ours("http_server_connections_limit")), "limit"),
    ),
    "not seen",
)
BACKLOG = Signal(
    "Accept queue of the kernel",
    "How many connections has the kernel taken that the server has not? No figure of the application knows of them.",
    "short",
    (
        Query(largest(ours("tcp_listen_backlog"), "run, port"), "waiting on port {{port}}"),
        Query(total(rate("tcp_listen_overflows_total")), "dropped a second"),
    ),
    "not seen",
)
CPU = Signal(
    "Computing",
    "How many cores does the server keep busy, and what is its quota?",
    "suffix: cores",
    (
        Query(total(rate("process_cpu_seconds_total", ', job="api"')), "in use"),
        Query(total(ours("container_cpu_limit_cores")), "quota", only_where=A_QUOTA),
    ),
)
MEMORY = Signal(
    "Memory",
    "How much memory does the server hold, and how much may its container have?",
    "bytes",
    (
        Query(largest(ours("process_resident_memory_bytes", ', job="api"')), "process"),
        Query(largest(ours("container_memory_usage_bytes")), "container"),
        Query(largest(ours("container_memory_limit_bytes")), "limit", only_where=A_MEMORY_LIMIT),
    ),
)
PRESSURE = Signal(
    "Pressure",
    "Which share of the time does some task wait for a CPU, for memory or for the disk, and in which share of its periods is the container "
    "stopped because its CPU quota is used up? It counts the whole container, or the machine.",
    "percentunit",
    (
        *(
            Query(largest(rate(f"pressure_{kind}_waiting_seconds_total")), kind)
            for kind in ("cpu", "memory", "io")
        ),
        Query(
            f"{largest(rate('container_cpu_throttled_periods_total'))} / ({largest(rate('container_cpu_periods_total'))} > 0)",
            "throttled",
            only_where=A_QUOTA,
        ),
    ),
    "this kernel does not tell",
)
