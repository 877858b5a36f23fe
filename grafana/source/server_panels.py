"""Panels about the server: responses, their times, and what requests wait for."""

from __future__ import annotations

from grafana.source.golden_signals_panels import (
    SLO_LATENCY,
    PanelContent,
    Query,
    increase_over_range,
    latency_quantile,
    max_by,
    now,
    now_and_worst,
    over_range,
    quantile,
    rate,
    selected,
    sum_by,
    worst,
)

RESPONSES = "http_server_response_time_seconds_count"
FAILED = ', http_response_status_code=~"5.."'
BY_ROUTE = "run, http_request_method, http_route"
ROUTE = "{{http_request_method}} {{http_route}}"
NO_FAILURE = "a status has no series before the first response that has it"

RATE = PanelContent(
    "Response rate",
    "How many responses a second does the server hand over: now, on average, and at most?",
    "reqps",
    (
        now(sum_by(selected("server:requests:rate10s"))),
        Query(sum_by(over_range("avg_over_time", "server:requests:rate10s")), "mean"),
        Query(worst("server:requests:rate10s"), "highest"),
    ),
    "API not scraped",
)
ERROR_SHARE = PanelContent(
    "Error ratio",
    "Which share of the responses has a status of 500 or above: now, and at the worst?",
    "percentunit",
    now_and_worst("server:errors:ratio_rate10s"),
    "API not scraped, or no traffic",
)
WORKERS_BUSY = PanelContent(
    "Workers busy",
    "Which share of the workers is busy? Requests queue before it reaches 100 %.",
    "percentunit",
    now_and_worst("api:saturation:ratio", ', resource="workers"'),
    "no limit known",
)
QUEUE_WAIT = PanelContent(
    "Queue wait",
    "How long do 95 % of the requests wait for a worker at most?",
    "s",
    now_and_worst("server:queue_wait_seconds:p95_10s"),
    "no traffic",
)
CPU = PanelContent(
    "CPU",
    "Which share of its usable CPU does the server use? A Python process computes on one core "
    "at a time.",
    "percentunit",
    now_and_worst("api:saturation:ratio", ', resource="cpu"'),
    "not scraped",
)
MEMORY = PanelContent(
    "Memory",
    "How much memory does the server's process use?",
    "bytes",
    now_and_worst("process_resident_memory_bytes", ', job="api"'),
    "not scraped",
)
RATE_BY_ROUTE = PanelContent(
    "Responses by route",
    "Which routes are requested, and how often?",
    "reqps",
    (Query(sum_by(rate(RESPONSES), BY_ROUTE), ROUTE),),
)
TIMES = PanelContent(
    "Response time and handler",
    "How long does the server take, and how much of that is the handler? The difference "
    "between the two p99 is the wait for a worker.",
    "s",
    (
        Query(max_by(selected("server:response_time_seconds:p99_10s")), "response p99"),
        Query(max_by(selected("server:request_duration_seconds:p99_10s")), "handler p99"),
        Query(max_by(selected("server:response_time_seconds:p95_10s")), "response p95"),
        Query(max_by(selected("server:response_time_seconds:p50_10s")), "response p50"),
        Query(SLO_LATENCY, "SLO"),
    ),
)
P99_BY_ROUTE = PanelContent(
    "p99 by route",
    "Which route is slow? Rough: each route has 13 buckets.",
    "s",
    (
        Query(max_by(selected("server_route:response_time_seconds:p99_10s"), BY_ROUTE), ROUTE),
        Query(SLO_LATENCY, "SLO"),
    ),
)
ERRORS_BY_ROUTE = PanelContent(
    "Errors by route",
    "Which route fails, and with which status?",
    "reqps",
    (
        Query(
            sum_by(rate(RESPONSES, FAILED), f"{BY_ROUTE}, http_response_status_code"),
            f"{ROUTE} {{{{http_response_status_code}}}}",
            empty_when_healthy=NO_FAILURE,
        ),
    ),
    "no errors",
)
_ALL_RESPONSES = increase_over_range(RESPONSES, BY_ROUTE)
_RESPONSE_TIME_BUCKETS, _HANDLER_BUCKETS = (
    increase_over_range(f"{histogram}_bucket", f"{BY_ROUTE}, le")
    for histogram in ("http_server_response_time_seconds", "http_server_request_duration_seconds")
)
ROUTES = PanelContent(
    "Routes over the time shown",
    "What did the server do on each route in the time shown? Percentiles are rough: each route "
    "has 13 buckets.",
    "none",
    (
        Query(f"{_ALL_RESPONSES} > 0", "responses", unit="short"),
        Query(
            f"({increase_over_range(RESPONSES, BY_ROUTE, FAILED)} or 0 * {_ALL_RESPONSES})"
            f" / ({_ALL_RESPONSES} > 0)",
            "failed",
            unit="percentunit",
        ),
        *(
            Query(
                f"histogram_quantile({share}, {_RESPONSE_TIME_BUCKETS}) > 0",
                f"p{share * 100:g}",
                unit="s",
            )
            for share in (0.5, 0.95, 0.99)
        ),
        Query(
            f"histogram_quantile(0.99, {_HANDLER_BUCKETS}) > 0",
            "handler p99",
            unit="s",
        ),
    ),
    "no responses",
)
QUEUE = PanelContent(
    "Queue wait over time",
    "How long does an accepted request wait for a worker? It rises first when there are too "
    "few workers.",
    "s",
    (
        Query(latency_quantile(0.99, "http_server_queue_wait_seconds"), "p99"),
        Query(latency_quantile(0.95, "http_server_queue_wait_seconds"), "p95"),
        Query(latency_quantile(0.5, "http_server_queue_wait_seconds"), "p50"),
    ),
)
INSIDE = PanelContent(
    "Requests inside the server",
    "How many requests are in the handler, and how many wait for a worker?",
    "short",
    (
        Query(sum_by(selected("http_server_queue_depth")), "waiting for a worker"),
        Query(sum_by(selected("http_server_active_requests")), "in the handler"),
        Query(sum_by(selected("http_server_workers_limit")), "limit"),
    ),
)
LAG = PanelContent(
    "Interpreter lag",
    "How late does a thread of the server wake up from a short sleep? It is late where "
    "threads compete for the interpreter or for a core.",
    "s",
    (
        Query(quantile(0.99, "python_sleep_lag_seconds"), "p99"),
        Query(quantile(0.5, "python_sleep_lag_seconds"), "p50"),
    ),
)
COMPUTING = PanelContent(
    "CPU use",
    "How many cores does the server use, and how much of that is garbage collection?",
    "suffix: cores",
    (
        Query(sum_by(rate("process_cpu_seconds_total", ', job="api"')), "CPU"),
        Query(sum_by(rate("python_gc_pause_seconds_total")), "garbage collection"),
    ),
)
THREADS = PanelContent(
    "Threads and connections",
    "Does the server accumulate threads, connections or file descriptors?",
    "short",
    (
        Query(sum_by(selected("python_threads")), "threads"),
        Query(sum_by(selected("http_server_connections")), "connections"),
        Query(sum_by(selected("process_open_fds", ', job="api"')), "file descriptors"),
    ),
)
MEMORY_OVER_TIME = PanelContent(
    "Memory over time",
    "Does the memory of the server's process grow under load, and does it shrink afterwards?",
    "bytes",
    (Query(max_by(selected("process_resident_memory_bytes", ', job="api"')), "resident"),),
)
