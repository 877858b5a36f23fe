"""Panels about the client: requests, their answers, and the load generator."""

from __future__ import annotations

from grafana.source.golden_signals_panels import (
    SLO_LATENCY,
    PanelContent,
    Query,
    in_open_workload,
    increase_over_range,
    latency_quantile,
    max_by,
    now_and_worst,
    rate,
    selected,
    sum_by,
)

NAME = "{{method}} {{name}}"
BY_NAME = "run, method, name"
ALL_AGES = ', le="+Inf"'


def waiting_longer(bound: str) -> str:
    """Return the query for requests in flight for longer than a bucket bound."""
    all_of_them, younger = (
        selected("locust_requests_in_flight_age", f', le="{le}"') for le in ("+Inf", bound)
    )
    return max_by(f"{all_of_them} - ignoring (le) {younger}")


OLDEST = PanelContent(
    "Oldest in flight",
    "How long has the oldest request in flight waited for its answer? It grows with the clock "
    "while the server does not answer.",
    "s",
    now_and_worst("locust_requests_in_flight_oldest_seconds"),
    "not scraped",
)
GENERATOR_CPU = PanelContent(
    "Generator CPU",
    "How much of a core does the busiest process of the load generator use? From 90 % on, its "
    "own delays are in every latency.",
    "percentunit",
    now_and_worst("locust_worker_cpu_ratio"),
    "not known yet",
)
USERS = PanelContent(
    "Users",
    "Do as many users run as the profile asks for, and how many are starved?",
    "short",
    (
        Query(sum_by(selected("locust_users_target")), "target"),
        Query(sum_by(selected("locust_users")), "running"),
        Query(sum_by(selected("locust_users_starved")), "starved"),
    ),
)
RATE_BY_NAME = PanelContent(
    "Requests by name",
    "Which requests are answered, and how many a second?",
    "reqps",
    (Query(sum_by(rate("locust_requests_total"), BY_NAME), NAME),),
)
PERCENTILES = PanelContent(
    "Response time",
    "How long do answered requests take, and how long with waiting requests included?",
    "s",
    (
        Query(
            max_by(selected("client:response_time_including_waiting_seconds:p99_10s")),
            "p99, waiting included",
        ),
        Query(max_by(selected("client:response_time_seconds:p99_10s")), "p99"),
        Query(max_by(selected("client:response_time_seconds:p95_10s")), "p95"),
        Query(max_by(selected("client:response_time_seconds:p50_10s")), "p50"),
        Query(SLO_LATENCY, "SLO"),
    ),
)
CHOSEN_PERCENTILE = PanelContent(
    "Response time at the chosen percentile",
    "How long do answered requests take at the percentile that you choose on top of the page, as "
    "the client and the server see it?",
    "s",
    (
        Query(latency_quantile("$quantile", "locust_all_request_duration_seconds"), "client"),
        Query(latency_quantile("$quantile", "http_server_all_response_time_seconds"), "server"),
    ),
)
P99_BY_NAME = PanelContent(
    "p99 by name",
    "Which request is slow? Rough: each kind of request has 13 buckets.",
    "s",
    (
        Query(max_by(selected("client_request:response_time_seconds:p99_10s"), BY_NAME), NAME),
        Query(SLO_LATENCY, "SLO"),
    ),
)
FAILURES_BY_NAME = PanelContent(
    "Error ratio by name",
    "Which request fails, and how often?",
    "percentunit",
    (
        Query(
            f"{sum_by(rate('locust_request_failures_total'), BY_NAME)}"
            f" / ({sum_by(rate('locust_requests_total'), BY_NAME)} > 0)",
            NAME,
        ),
    ),
    "no traffic",
)
WAITING = PanelContent(
    "Requests in flight",
    "How many requests wait for their answer, and for how long? Latency percentiles of "
    "answered requests do not include them.",
    "short",
    (
        Query(sum_by(selected("locust_requests_in_flight")), "all"),
        Query(waiting_longer("1.0"), "longer than 1 s"),
        Query(waiting_longer("5.0"), "longer than 5 s"),
    ),
    "not scraped",
)
_ALL_REQUESTS = increase_over_range("locust_requests_total", BY_NAME)


def _endpoint_latency(share: float) -> str:
    """Return the query for what the load generator itself reports once a load has ended."""
    series = selected("locust_endpoint_response_time_seconds", f', statistic="p{share * 100:g}"')
    return max_by(series, BY_NAME)


_DURATION_BUCKETS = increase_over_range("locust_request_duration_seconds_bucket", f"{BY_NAME}, le")
REQUESTS = PanelContent(
    "Requests over the time shown",
    "What did the client see of each kind of request in the time shown? Percentiles are within "
    "3 % once a load has ended, and rough before.",
    "none",
    (
        Query(f"{_ALL_REQUESTS} > 0", "requests", unit="short"),
        Query(
            f"{increase_over_range('locust_request_failures_total', BY_NAME)}"
            f" / ({_ALL_REQUESTS} > 0)",
            "failed",
            unit="percentunit",
        ),
        *(
            Query(
                f"{_endpoint_latency(share)}"
                f" or histogram_quantile({share}, {_DURATION_BUCKETS}) > 0",
                f"p{share * 100:g}",
                unit="s",
            )
            for share in (0.5, 0.95, 0.99)
        ),
        Query(
            f"{increase_over_range('locust_response_body_bytes_total', BY_NAME)}"
            f" / ({_ALL_REQUESTS} > 0)",
            "body",
            unit="bytes",
        ),
    ),
    "no requests",
)
ERRORS_BY_REQUEST = PanelContent(
    "Errors by request and class",
    "Which requests failed in the time shown, how, and how often?",
    "none",
    (
        Query(
            f"{increase_over_range('locust_request_errors_total', f'{BY_NAME}, error')} > 0",
            "failed requests",
            empty_when_healthy="no request failed",
            unit="short",
        ),
    ),
    "no request failed, or the load generator is not scraped",
)
INVALID = PanelContent(
    "Conditions of a valid test",
    "Which condition of a valid measurement is broken, and when? Start with the one that is "
    "broken for longest.",
    "none",
    (Query(max_by(selected("locust:run_invalid_reason:bool"), "run, reason"), "{{reason}}"),),
    "no test",
)
GENERATOR_BY_PROCESS = PanelContent(
    "CPU of the load generator",
    "Is a process of the load generator near a whole core? From 90 % on, the run is invalid.",
    "percentunit",
    (Query(max_by(selected("locust_worker_cpu_ratio"), "run, worker"), "{{worker}}"),),
    "not known yet",
)
LATENESS = PanelContent(
    "Event loop lag",
    "How late does the load generator's event loop wake up? Its lag is part of every response "
    "time that it measures.",
    "s",
    (Query(max_by(selected("locust_worker_loop_lag_max_seconds"), "run, worker"), "{{worker}}"),),
)
GIVEN_UP = PanelContent(
    "Abandoned requests, exceptions",
    "How many requests are abandoned without an answer, and how many exceptions escape tasks? "
    "Locust counts neither as a failure.",
    "cps",
    (
        Query(sum_by(rate("locust_requests_abandoned_total"), "run, stage"), "abandoned {{stage}}"),
        Query(sum_by(rate("locust_user_exceptions_total")), "task exceptions"),
    ),
)
BY_WORKER = PanelContent(
    "Users by worker",
    "Is the load spread evenly over the processes of the load generator?",
    "short",
    (Query(sum_by(selected("locust_worker_users"), "run, worker"), "{{worker}}"),),
)
MEMORY = PanelContent(
    "Memory of the load generator",
    "Does the memory of a load generator process grow?",
    "bytes",
    (Query(max_by(selected("locust_worker_memory_bytes"), "run, worker"), "{{worker}}"),),
)
IN_FLIGHT = sum_by(selected("locust_requests_in_flight"))
WITHOUT_SLOT = f"{sum_by(selected('locust_arrivals_waiting_age', ALL_AGES))} - {IN_FLIGHT}"
SLOTS = PanelContent(
    "Slots of the open workload",
    "How many requests are in flight, compared with the limit `max_in_flight`? At the limit, "
    "arrivals wait, and the API no longer gets the offered rate.",
    "short",
    (
        in_open_workload(IN_FLIGHT, "in flight"),
        in_open_workload(WITHOUT_SLOT, "waiting for a slot"),
        in_open_workload(sum_by(selected("locust_users")), "limit"),
    ),
    "closed workload: no slots",
)
