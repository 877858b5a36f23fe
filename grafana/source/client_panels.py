"""What the page about the client asks: what Locust asked for, what it got, and whether it could."""

from __future__ import annotations

from grafana.source.golden_signals_panels import (
    SLO_LATENCY,
    Query,
    Signal,
    grown,
    largest,
    of_open_loop,
    ours,
    rate,
    total,
)

NAME = "{{method}} {{name}}"
BY_NAME = "run, method, name"
ALL_AGES = ', le="+Inf"'


def waiting_longer(bound: str) -> str:
    """Requests in flight for longer than a bucket's bound."""
    all_of_them, younger = (
        ours("locust_requests_in_flight_age", f', le="{le}"') for le in ("+Inf", bound)
    )
    return largest(f"{all_of_them} - ignoring (le) {younger}")


OLDEST = Signal(
    "Oldest in flight",
    "How long has the oldest request been waiting for its answer? It grows with the clock where a server has stopped answering somebody.",
    "s",
    (Query(largest(ours("locust_requests_in_flight_oldest_seconds")), "oldest"),),
    "not seen",
)
GENERATOR_CPU = Signal(
    "Generator CPU",
    "How much of a core does the busiest process of the load generator use? From 90 % on it measures itself.",
    "percentunit",
    (Query(largest(ours("locust_worker_cpu_ratio")), "busiest"),),
    "not known yet",
)
USERS = Signal(
    "Users",
    "Do as many users run as the profile asks for, and do any of them starve?",
    "short",
    (
        Query(total(ours("locust_users_target")), "asked for"),
        Query(total(ours("locust_users")), "running"),
        Query(total(ours("locust_users_starved")), "starved"),
    ),
)
RATE_BY_NAME = Signal(
    "Requests by name",
    "Which requests are answered, and how many a second?",
    "reqps",
    (Query(total(rate("locust_requests_total"), BY_NAME), NAME),),
)
PERCENTILES = Signal(
    "Response time",
    "How long do answered requests take, and how much longer is it when those still waiting count?",
    "s",
    (
        Query(
            largest(ours("client:response_time_including_waiting_seconds:p99_10s")),
            "p99, waiting included",
        ),
        Query(largest(ours("client:response_time_seconds:p99_10s")), "p99"),
        Query(largest(ours("client:response_time_seconds:p95_10s")), "p95"),
        Query(largest(ours("client:response_time_seconds:p50_10s")), "p50"),
        Query(SLO_LATENCY, "SLO"),
    ),
)
P99_BY_NAME = Signal(
    "p99 by name",
    "Which request is the slow one?",
    "s",
    (
        Query(largest(ours("client_request:response_time_seconds:p99_10s"), BY_NAME), NAME),
        Query(SLO_LATENCY, "SLO"),
    ),
)
FAILURES_BY_NAME = Signal(
    "Failed share by name",
    "Which request fails, and how often?",
    "percentunit",
    (
        Query(
            f"{total(rate('locust_request_failures_total'), BY_NAME)} / ({total(rate('locust_requests_total'), BY_NAME)} > 0)",
            NAME,
        ),
    ),
    "no traffic",
)
WAITING = Signal(
    "Requests in flight",
    "How many requests wait for their answer, and since when? Those that wait for long are in no figure of the answered.",
    "short",
    (
        Query(total(ours("locust_requests_in_flight")), "all"),
        Query(waiting_longer("1.0"), "longer than 1 s"),
        Query(waiting_longer("5.0"), "longer than 5 s"),
    ),
    "not seen",
)
REQUESTS = Signal(
    "Requests over the time shown",
    "What did the client see of each kind of request, over the whole time shown?",
    "none",
    (
        Query(f"{grown('locust_requests_total', BY_NAME)} > 0", "requests", unit="short"),
        Query(
            f"{grown('locust_request_failures_total', BY_NAME)} / ({grown('locust_requests_total', BY_NAME)} > 0)",
            "failed",
            unit="percentunit",
        ),
        *(
            Query(
                f"histogram_quantile({share}, {grown('locust_request_duration_seconds_bucket', f'{BY_NAME}, le')}) > 0",
                f"p{share * 100:g}",
                unit="s",
            )
            for share in (0.5, 0.95, 0.99)
        ),
        Query(
            f"{grown('locust_response_body_bytes_total', BY_NAME)} / ({grown('locust_requests_total', BY_NAME)} > 0)",
            "body",
            unit="bytes",
        ),
    ),
    "no requests",
)
INVALID = Signal(
    "Why the test would be invalid",
    "Which condition of an honest measurement is broken, and when? The longest of them tells what to mend first.",
    "none",
    (Query(largest(ours("locust:run_invalid_reason:bool"), "run, reason"), "{{reason}}"),),
    "no test",
)
GENERATOR_BY_PROCESS = Signal(
    "CPU of the load generator",
    "Is a process of the load generator near its one core? From 90 % on the run is invalid.",
    "percentunit",
    (Query(largest(ours("locust_worker_cpu_ratio"), "run, worker"), "{{worker}}"),),
    "not known yet",
)
LATENESS = Signal(
    "Lateness of the load generator",
    "How late does its event loop wake up? What it is late is added to every response time that it measures.",
    "s",
    (Query(largest(ours("locust_worker_loop_lag_max_seconds"), "run, worker"), "{{worker}}"),),
)
GIVEN_UP = Signal(
    "Requests that no statistic shows",
    "How many requests were given up unanswered, and how many exceptions escaped the users? Locust counts neither as a failure.",
    "cps",
    (
        Query(total(rate("locust_requests_abandoned_total"), "run, stage"), "given up {{stage}}"),
        Query(total(rate("locust_user_exceptions_total")), "exceptions of users"),
    ),
)
BY_WORKER = Signal(
    "Users by worker",
    "Is the load spread evenly over the processes of the load generator?",
    "short",
    (Query(total(ours("locust_worker_users"), "run, worker"), "{{worker}}"),),
)
MEMORY = Signal(
    "Memory of the load generator",
    "Does a process of the load generator grow?",
    "bytes",
    (Query(largest(ours("locust_worker_memory_bytes"), "run, worker"), "{{worker}}"),),
)
IN_FLIGHT = total(ours("locust_requests_in_flight"))
WITHOUT_SLOT = f"{total(ours('locust_arrivals_waiting_age', ALL_AGES))} - {IN_FLIGHT}"
SLOTS = Signal(
    "Slots of the open loop",
    "How many requests are in flight of as many as may be? Where the limit is reached, arrivals wait, and the API no longer gets the rate.",
    "short",
    (
        of_open_loop(IN_FLIGHT, "in flight"),
        of_open_loop(WITHOUT_SLOT, "waiting for a slot"),
        of_open_loop(total(ours("locust_users")), "limit"),
    ),
    "closed loop: no slots",
)
