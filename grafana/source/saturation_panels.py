"""Panels about saturation: the use of every limit, and the figures behind each ratio."""

from __future__ import annotations

from grafana.source.golden_signals_panels import (
    PanelContent,
    Query,
    in_selected_runs,
    max_by,
    over_range,
    rate,
    selected,
    sum_by,
)

A_QUOTA = "a CPU quota of the server's container"
A_MEMORY_LIMIT = "a memory limit of the server's container"

HEADROOM_LEFT = f"clamp_min(min by (run) ({in_selected_runs(selected('api:headroom:ratio'))}), 0)"

LIMITS = PanelContent(
    "Limits, in the time shown",
    "How much of each limit was in use at most, for how long did requests wait for it, and for "
    "how long was it the bottleneck? A resource that is saturated and no bottleneck fills up "
    "behind a deeper one. A resource without a known limit has no row.",
    "none",
    (
        Query(
            max_by(over_range("max_over_time", "api:saturation:ratio"), "run, resource"),
            "highest use",
            unit="percentunit",
        ),
        Query(
            max_by(over_range("sum_over_time", "api:saturated:bool"), "run, resource"),
            "saturated for",
            unit="s",
        ),
        Query(
            max_by(over_range("sum_over_time", "api:bottleneck:bool"), "run, resource"),
            "bottleneck for",
            requires="a resource that was saturated",
            unit="s",
        ),
    ),
    "no limit known: the API is not scraped, or its server tells none",
)
HEADROOM = PanelContent(
    "Headroom over time",
    "How much of the scarcest resource is left as the load grows? Extend the line to 0 to "
    "estimate the highest load.",
    "percentunit",
    (Query(HEADROOM_LEFT, "left"),),
    "limits unknown",
)
QUEUED = PanelContent(
    "Queue per worker",
    "How many requests wait for each worker? From 1 on, a new request waits for at least one "
    "whole request before it.",
    "short",
    (
        Query(
            f"{sum_by(selected('http_server_queue_depth'))}"
            f" / {sum_by(selected('http_server_workers_limit'))}",
            "waiting per worker",
        ),
    ),
    "no limit known",
)
WORKERS = PanelContent(
    "Workers",
    "How many workers are busy, and how many are there? The mean includes what happens "
    "between two scrapes.",
    "short",
    (
        Query(sum_by(rate("http_server_busy_seconds_total")), "busy, mean"),
        Query(sum_by(selected("http_server_workers_busy")), "busy, at the scrape"),
        Query(sum_by(selected("http_server_workers_limit")), "limit"),
    ),
    "no limit known",
)
CONNECTIONS = PanelContent(
    "Connections",
    "How many connections are open, and how many does the server accept? Beyond the limit, "
    "new connections wait in the kernel and their users starve.",
    "short",
    (
        Query(sum_by(selected("http_server_connections")), "open"),
        Query(sum_by(selected("http_server_connections_limit")), "limit"),
    ),
    "not scraped",
)
BACKLOG = PanelContent(
    "Accept queue of the kernel",
    "How many connections wait in the kernel for the server to accept them? The application's "
    "own figures do not include them.",
    "short",
    (
        Query(max_by(selected("tcp_listen_backlog"), "run, port"), "waiting on port {{port}}"),
        Query(max_by(selected("tcp_listen_backlog_limit"), "run, port"), "limit {{port}}"),
        Query(sum_by(rate("tcp_listen_overflows_total")), "overflows a second"),
    ),
    "not scraped",
)
CPU = PanelContent(
    "CPU use",
    "How many cores does the server use, and what is its quota?",
    "suffix: cores",
    (
        Query(sum_by(rate("process_cpu_seconds_total", ', job="api"')), "in use"),
        Query(sum_by(selected("container_cpu_limit_cores")), "quota", requires=A_QUOTA),
    ),
)
MEMORY = PanelContent(
    "Memory",
    "How much memory does the server use, and how much may its container use?",
    "bytes",
    (
        Query(max_by(selected("process_resident_memory_bytes", ', job="api"')), "process"),
        Query(max_by(selected("container_memory_usage_bytes")), "container"),
        Query(max_by(selected("container_memory_limit_bytes")), "limit", requires=A_MEMORY_LIMIT),
    ),
)
PRESSURE = PanelContent(
    "Pressure",
    "For which share of the time does some task wait for CPU, memory or disk, and which share "
    "of the CPU quota periods is throttled? It counts the whole container, or the machine.",
    "percentunit",
    (
        *(
            Query(max_by(rate(f"pressure_{kind}_waiting_seconds_total")), kind)
            for kind in ("cpu", "memory", "io")
        ),
        Query(
            f"{max_by(rate('container_cpu_throttled_periods_total'))}"
            f" / ({max_by(rate('container_cpu_periods_total'))} > 0)",
            "throttled",
            requires=A_QUOTA,
        ),
    ),
    "not reported by this kernel",
)
