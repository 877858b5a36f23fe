"""What the page about the server asks: what it answers, how fast, and what its requests wait for."""

from __future__ import annotations

from grafana.source.golden_signals_panels import (
    SLO_LATENCY,
    Query,
    Signal,
    grown,
    largest,
    ours,
    quantile,
    rate,
    total,
)

RESPONSES = "http_server_response_time_seconds_count"
FAILED = ', http_response_status_code=~"5.."'
BY_ROUTE = "run, http_request_method, http_route"
ROUTE = "{{http_request_method}} {{http_route}}"
NO_FAILURE = "a status has no series before the first response that has it"

RATE = Signal(
    "Rate",
    "How many responses a second does the server hand over?",
    "reqps",
    (Query(total(ours("server:requests:rate10s")), "handed over"),),
    "no data",
)
ERROR_SHARE = Signal(
    "Errors",
    "Which share of the responses has a status of 500 or above?",
    "percentunit",
    (Query(largest(ours("server:errors:ratio_rate10s")), "5xx"),),
    "no traffic",
)
WORKERS_BUSY = Signal(
    "Workers busy",
    "Which share of the worker pool is in use? Requests queue before it reaches 100 %.",
    "percentunit",
    (Query(largest(ours("api:saturation:ratio", ', resource="workers"')), "busy"),),
    "no pool",
)
QUEUE_WAIT = Signal(
    "Queue wait",
    "How long does all but one request in twenty wait at most before a worker takes it?",
    "s",
    (Query(largest(ours("server:queue_wait_seconds:p95_10s")), "p95"),),
    "no traffic",
)
CPU = Signal(
    "CPU",
    "Which share of the CPU that the server can use does it use? A Python process computes on one core at a time.",
    "percentunit",
    (Query(largest(ours("api:saturation:ratio", ', resource="cpu"')), "in use"),),
    "not seen",
)
MEMORY = Signal(
    "Memory",
    "How much memory does the server's process hold?",
    "bytes",
    (Query(largest(ours("process_resident_memory_bytes", ', job="api"')), "resident"),),
    "not seen",
)
RATE_BY_ROUTE = Signal(
    "Responses by route",
    "Which routes are asked for, and how often?",
    "reqps",
    (Query(total(rate(RESPONSES), BY_ROUTE), ROUTE),),
)
TIMES = Signal(
    "Response time and handler",
    "How long does the server take, and how much of that is the handler? What lies between the two p99 is waiting for a worker.",
    "s",
    (
        Query(largest(ours("server:response_time_seconds:p99_10s")), "response p99"),
        Query(largest(ours("server:request_duration_seconds:p99_10s")), "handler p99"),
        Query(largest(ours("server:response_time_seconds:p95_10s")), "response p95"),
        Query(largest(ours("server:response_time_seconds:p50_10s")), "response p50"),
        Query(SLO_LATENCY, "SLO"),
    ),
)
P99_BY_ROUTE = Signal(
    "p99 by route",
    "Which route is the slow one?",
    "s",
    (
        Query(largest(ours("server_route:response_time_seconds:p99_10s"), BY_ROUTE), ROUTE),
        Query(SLO_LATENCY, "SLO"),
    ),
)
ERRORS_BY_ROUTE = Signal(
    "Errors by route",
    "Which route fails, and with which status?",
    "reqps",
    (
        Query(
            total(rate(RESPONSES, FAILED), f"{BY_ROUTE}, http_response_status_code"),
            f"{ROUTE} {{{{http_response_status_code}}}}",
            empty_when_healthy=NO_FAILURE,
        ),
    ),
    "no errors",
)
ROUTES = Signal(
    "Routes over the time shown",
    "What did the server do on each route, over the whole time shown?",
    "none",
    (
        Query(f"{grown(RESPONSES, BY_ROUTE)} > 0", "responses", unit="short"),
        Query(
            f"({grown(RESPONSES, BY_ROUTE, FAILED)} or 0 * {grown(RESPONSES, BY_ROUTE)}) / ({grown(RESPONSES, BY_ROUTE)} > 0)",
            "failed",
            unit="percentunit",
        ),
        *(
            Query(
                f"histogram_quantile({share}, {grown('http_server_response_time_seconds_bucket', f'{BY_ROUTE}, le')}) > 0",
                f"p{share * 100:g}",
                unit="s",
            )
            for share in (0.5, 0.95, 0.99)
        ),
        Query(
            f"histogram_quantile(0.99, {grown('http_server_request_duration_seconds_bucket', f'{BY_ROUTE}, le')}) > 0",
            "handler p99",
            unit="s",
        ),
    ),
    "no responses",
)
QUEUE = Signal(
    "Waiting for a worker",
    "How long does an accepted request wait before a worker takes it? It is the first to rise when the pool is too small.",
    "s",
    (
        Query(quantile(0.99, "http_server_queue_wait_seconds"), "p99"),
        Query(quantile(0.95, "http_server_queue_wait_seconds"), "p95"),
        Query(quantile(0.5, "http_server_queue_wait_seconds"), "p50"),
    ),
)
INSIDE = Signal(
    "Requests inside the server",
    "Where are the requests right now: at work, or waiting for one of the workers?",
    "short",
    (
        Query(total(ours("http_server_queue_depth")), "waiting for a worker"),
        Query(total(ours("http_server_active_requests")), "in the handler"),
        Query(total(ours("http_server_workers_limit")), "limit"),
    ),
)
LAG = Signal(
    "Interpreter lag",
    "How late does a thread of the server wake up from a short sleep? It is late where threads compete for the interpreter or for a core.",
    "s",
    (
        Query(quantile(0.99, "python_sleep_lag_seconds"), "p99"),
        Query(quantile(0.5, "python_sleep_lag_seconds"), "p50"),
    ),
)
COMPUTING = Signal(
    "Computing",
    "How many cores does the server keep busy, and how much of that is spent collecting garbage?",
    "suffix: cores",
    (
        Query(total(rate("process_cpu_seconds_total", ', job="api"')), "CPU"),
        Query(total(rate("python_gc_pause_seconds_total")), "garbage collection"),
    ),
)
THREADS = Signal(
    "Threads and connections",
    "Does the server gather threads or connections that it does not let go of?",
    "short",
    (
        Query(total(ours("python_threads")), "threads"),
        Query(total(ours("http_server_connections")), "connections"),
        Query(total(ours("process_open_fds", ', job="api"')), "file descriptors"),
    ),
)
MEMORY_OVER_TIME = Signal(
    "Memory over time",
    "Does the server's process grow under load, and does it shrink again?",
    "bytes",
    MEMORY.queries,
)
