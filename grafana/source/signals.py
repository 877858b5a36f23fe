"""What the charts show: each panel's question, unit and queries. Pure data, so that whatever else draws the same panels cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass

OURS = 'job=~"$job", instance=~"$instance"'
"""Selects the jobs and instances that the reader chose."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression in PromQL, and the name of its series in the legend."""

    expr: str
    legend: str
    empty_when_healthy: bool = False
    """It gives nothing as long as nothing is wrong."""
    only_latest: bool = False
    """Asked once, at the end of the time shown: it picks series, and over a range every series that was ever picked would stay."""
    exemplars: bool = False
    """The series have exemplars: dots that open the trace of a request. Recorded series and quantiles of them have none."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One panel's content."""

    title: str
    question: str
    """What a reader asks of it, and how to read the answer."""
    unit: str
    """Grafana's name of the unit."""
    queries: tuple[Query, ...]
    when_empty: str = ""
    """Shown in place of a chart that has no data."""


def recorded(name: str, by: str = "") -> str:
    """A recorded series of the chosen jobs and instances."""
    return f"{name}{{{OURS}{by}}}"


SLO_KEPT = Signal(
    "SLO kept?",
    "Does the API keep its objective right now? Broken while the client's p99 (the waiting included) or the error share is above it, "
    "or a user starves.",
    "none",
    (
        Query(
            f"(max({recorded('client:response_time_including_waiting_seconds:p99_10s')}) <= bool scalar(api:slo_latency:seconds))"
            f" * (max({recorded('client:errors:ratio_rate10s')}) <= bool scalar(api:slo_errors:ratio))"
            f" * (sum({recorded('locust_users_starved')}) == bool 0)",
            "kept",
        ),
    ),
    "not known",
)
TEST_VALID = Signal(
    "Test valid?",
    "Can the measurement be trusted? INVALID while the load generator itself is the bottleneck, or is not seen.",
    "none",
    (Query(f"min({recorded('locust:run_valid:bool')})", "valid"),),
    "no test",
)
USERS = Signal(
    "Users / starved",
    "How many users run, and how many of them wait in a request that does not come back? The second number has to be 0.",
    "none",
    (
        Query(f"sum({recorded('locust_users')})", "users"),
        Query(f"sum({recorded('locust_users_starved')})", "starved"),
    ),
    "not seen",
)
RATE = Signal(
    "Rate",
    "How many requests a second are answered?",
    "reqps",
    (Query(f"sum({recorded('client:requests:rate10s')})", "answered"),),
    "no data",
)
ERROR_SHARE = Signal(
    "Error share",
    "Which share of the requests fails, as the client sees it?",
    "percentunit",
    (Query(f"max({recorded('client:errors:ratio_rate10s')})", "failed"),),
    "no traffic",
)
CLIENT_P99 = Signal(
    "p99 client",
    "Below which time are 99 % of the requests answered, those still waiting included?",
    "s",
    (Query(f"max({recorded('client:response_time_including_waiting_seconds:p99_10s')})", "p99"),),
    "not known",
)
SERVER_P99 = Signal(
    "p99 server",
    "The same from the server's side: queue wait and handler. The client sees more where requests wait before the server accepts them.",
    "s",
    (Query(f"max({recorded('server:response_time_seconds:p99_10s')})", "p99"),),
    "no traffic",
)
HEADROOM = Signal(
    "Headroom",
    "How much of the scarcest resource is left, and which one runs out first?",
    "percentunit",
    (Query(f"topk(1, -{recorded('api:headroom:ratio')}) * -1", "{{resource}}", only_latest=True),),
    "limits unknown",
)

TRAFFIC = Signal(
    "Traffic",
    "How many requests a second does the client get answered, and the server answer? They part where requests are lost between them.",
    "reqps",
    (
        Query(f"sum({recorded('client:requests:rate10s')})", "client"),
        Query(f"sum({recorded('server:requests:rate10s')})", "server"),
    ),
)
ERRORS = Signal(
    "Errors",
    "Which share of requests fails? Errors that only the client sees (refused, timed out) never reached the application.",
    "percentunit",
    (
        Query(f"max({recorded('client:errors:ratio_rate10s')})", "client"),
        Query(f"max({recorded('server:errors:ratio_rate10s')})", "server"),
        Query("api:slo_errors:ratio", "SLO"),
    ),
    "no traffic",
)
LATENCY = Signal(
    "Latency",
    "How long do requests take, seen from both sides? `waiting included` leaves the answered behind where requests hang.",
    "s",
    (
        Query(f"max({recorded('client:response_time_including_waiting_seconds:p99_10s')})", "client p99, waiting included"),
        Query(f"max({recorded('client:response_time_seconds:p99_10s')})", "client p99"),
        Query(f"max({recorded('client:response_time_seconds:p50_10s')})", "client p50"),
        Query(f"max({recorded('server:response_time_seconds:p99_10s')})", "server p99"),
        Query(f"max({recorded('server:response_time_seconds:p50_10s')})", "server p50"),
        Query("api:slo_latency:seconds", "SLO"),
    ),
)
SATURATION = Signal(
    "Saturation",
    "How much of each limit is in use? The line that reaches 100 % first is what to raise. A limit nobody knows has no line.",
    "percentunit",
    (Query(f"max by (resource) ({recorded('api:saturation:ratio')})", "{{resource}}"),),
)
HONESTY = Signal(
    "Honest test?",
    "How many requests are unanswered, and how many users starve? None of these is in any latency figure of the answered.",
    "short",
    (
        Query(f"sum({recorded('locust_users')})", "users"),
        Query(f"sum({recorded('locust_requests_in_flight')})", "in flight"),
        Query(f"sum({recorded('locust_users_starved')})", "starved"),
        Query(f"max({recorded('locust_requests_in_flight_oldest_seconds')})", "oldest in flight (seconds)"),
    ),
)
CLIENT_HEATMAP = Signal(
    "Latency of answered requests, client",
    "How are response times spread? Two bands are two kinds of request, or a queue.",
    "s",
    (Query(f"sum by (le) (rate(locust_request_duration_seconds_bucket{{{OURS}}}[$__rate_interval]))", "{{le}}"),),
)
SERVER_HEATMAP = Signal(
    "Response time, server",
    "The same inside the server: from acceptance until the response is handed over. Where requests are traced, a dot is one of them, "
    "and opens its trace.",
    "s",
    (Query(f"sum by (le) (rate(http_server_response_time_seconds_bucket{{{OURS}}}[$__rate_interval]))", "{{le}}", exemplars=True),),
)
STATUS_CODES = Signal(
    "Responses by status, server",
    "What does the server answer with?",
    "reqps",
    (
        Query(
            f"sum by (http_response_status_code) (rate(http_server_response_time_seconds_count{{{OURS}}}[$__rate_interval]))",
            "{{http_response_status_code}}",
        ),
    ),
)
ERROR_CLASSES = Signal(
    "Errors by class, client",
    "What goes wrong, as the client sees it: a status, a refused connection, a timeout?",
    "reqps",
    (Query(f"sum by (error) (rate(locust_request_errors_total{{{OURS}}}[$__rate_interval]))", "{{error}}", empty_when_healthy=True),),
    "no errors",
)
QUEUE = Signal(
    "Waiting for a worker",
    "How long does an accepted request wait before anyone works on it? The best single sign that the knee is reached.",
    "s",
    (
        Query(
            f"histogram_quantile(0.95, sum by (le) (rate(http_server_queue_wait_seconds_bucket{{{OURS}}}[$__rate_interval])))",
            "queue wait p95",
        ),
        Query(
            f"histogram_quantile(0.95, sum by (le) (rate(python_sleep_lag_seconds_bucket{{{OURS}}}[$__rate_interval])))",
            "interpreter lag p95",
        ),
    ),
)
GENERATOR = Signal(
    "Load generator",
    "Is the load generator itself at its limit? Above 90 % of a core, or late for more than 1 % of the time, its figures are its own.",
    "percentunit",
    (
        Query(f"max({recorded('locust_worker_cpu_ratio')})", "CPU of the busiest process"),
        Query(f"max(rate(locust_worker_loop_lag_seconds_total{{{OURS}}}[$__rate_interval]))", "share of time late"),
    ),
)
