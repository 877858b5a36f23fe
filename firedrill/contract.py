"""The metric contract: every metric name, label, bucket and port that processes share.

Both exporters render from these declarations, dashboards and rules are tested against them, and
docs/metrics.md is generated from them. It imports the standard library and
firedrill/objectives.py only, so that every part of the bundle may import it.
"""

from __future__ import annotations

import math
import os
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

from firedrill.objectives import BOUNDS_VARIABLE, read_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["counter", "gauge", "histogram"]

BUCKETS_PER_DECADE = 40
LOWEST_BOUND_SECONDS = 1e-4
LONGEST_LATENCY_SECONDS = 600.0
"""Longest latency that an objective may name; the bounds reach a little beyond it."""

OBJECTIVES_SECONDS = frozenset(
    read_bounds(os.environ.get(BOUNDS_VARIABLE, ""), LONGEST_LATENCY_SECONDS)
)
"""Latency objectives of this run. They are bucket bounds, so that requests above are counted."""

# fmt: off
ENDPOINT_BOUNDS_SECONDS = tuple(sorted({
    0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    *OBJECTIVES_SECONDS,
}))
# fmt: on
"""Upper bounds in seconds of the latency histograms by endpoint (client) and by route (server).

Both sides have the same. They are few, because each endpoint and route has its own series.
"""


def _grid() -> Iterator[float]:
    decades = math.log10(LONGEST_LATENCY_SECONDS / LOWEST_BOUND_SECONDS)
    # One below the lowest, so that the lowest latency has a narrow bucket too.
    for step in range(-1, math.ceil(BUCKETS_PER_DECADE * decades) + 1):
        yield float(f"{LOWEST_BOUND_SECONDS * 10 ** (step / BUCKETS_PER_DECADE):.4g}")


LATENCY_BOUNDS_SECONDS = tuple(sorted({*_grid(), *ENDPOINT_BOUNDS_SECONDS}))
"""Upper bounds in seconds of every latency histogram without labels, from 0.1 ms to 631 s.

They are 40 a decade, so that each is at most 6 % above the one before. The geometric middle of a
bucket is then within 3 % of every latency in it (the estimate of DDSketch, Masson et al. 2019).
"""

ENDPOINT_BUCKET_OF = tuple(
    bisect_left(ENDPOINT_BOUNDS_SECONDS, bound) for bound in (*LATENCY_BOUNDS_SECONDS, math.inf)
)
"""The bucket of ENDPOINT_BOUNDS_SECONDS that holds each bucket of LATENCY_BOUNDS_SECONDS."""

LAG_BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds in seconds of the interpreter lag (overshoot of a short sleep)."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Content-Type of both metrics endpoints. Prometheus 3 refuses a scrape without a valid one."""

OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_CONTENT_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
"""Content-Type of the API's metrics for clients that accept it, such as Prometheus.

Only this format has exemplars.
"""

RUN_ID_HEADER = "Firedrill-Run-Id"
"""Header of the bundled users that the server counts, to tell a drill's requests from probes."""

METRICS_PATH = "/metrics"
"""Path of both metrics endpoints."""

RUN_ID_VARIABLE = "FIREDRILL_RUN_ID"
"""Environment variable that tells the parts of a run its id."""

RATES_VARIABLE = "FIREDRILL_RATES_FILE"
"""Environment variable that names the file of an open load's live rates."""

API_PORT = 8080
API_METRICS_PORT = 9464
LOCUST_WEB_PORT = 8089
EXPORTER_PORT = 9646
PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093
NOTIFICATIONS_PORT = 9095
GRAFANA_PORT = 3000
TEMPO_PORT = 3200
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric family: name, type, help text (also in docs/metrics.md), label names and buckets."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    exemplars: bool = False
    """Whether each bucket keeps the trace id of the last sampled request that fell into it."""

    def series_names(self) -> tuple[str, ...]:
        """Return the series names that Prometheus stores for this family."""
        if self.kind != "histogram":
            return (self.name,)
        return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")


def histogram(
    name: str,
    text: str,
    labels: tuple[str, ...] = (),
    bounds: tuple[float, ...] | None = None,
    *,
    exemplars: bool = False,
) -> Metric:
    """Declare a histogram family of latencies: with labels on few bounds, without on many."""
    bounds = bounds or (ENDPOINT_BOUNDS_SECONDS if labels else LATENCY_BOUNDS_SECONDS)
    return Metric(name, "histogram", text, labels, bounds, exemplars)


def counter(name: str, text: str, *labels: str) -> Metric:
    """Declare a counter family; its name has to end in `_total`."""
    return Metric(name, "counter", text, labels)


def gauge(name: str, text: str, *labels: str) -> Metric:
    """Declare a gauge family."""
    return Metric(name, "gauge", text, labels)


ROUTE_LABELS = ("http_request_method", "http_route", "http_response_status_code")


class Server:
    """Metrics of job `api`, with names from OpenTelemetry's stable HTTP semantic conventions."""

    REQUEST_DURATION = histogram(
        "http_server_request_duration_seconds",
        "Time inside the handler, without queue wait.",
        ROUTE_LABELS,
        exemplars=True,
    )
    RESPONSE_TIME = histogram(
        "http_server_response_time_seconds",
        "Time from acceptance by the server until the response is handed over: queue wait and "
        "handler.",
        ROUTE_LABELS,
        exemplars=True,
    )
    ALL_REQUEST_DURATION = histogram(
        "http_server_all_request_duration_seconds",
        "Time inside the handler of all requests together, in buckets 6 % wide.",
    )
    ALL_RESPONSE_TIME = histogram(
        "http_server_all_response_time_seconds",
        "Response time of all requests together, in buckets 6 % wide.",
    )
    ACTIVE_REQUESTS = gauge(
        "http_server_active_requests", "Requests inside the handler.", "http_request_method"
    )
    ACTIVE_WEBSOCKETS = gauge(
        "http_server_active_websocket_sessions",
        "Open websocket sessions; absent before the first.",
    )
    WEBSOCKET_SESSIONS = counter(
        "http_server_websocket_sessions_total",
        "Websocket sessions that were accepted. Their handshakes are requests with status 101.",
        "http_route",
    )
    UNFINISHED = counter(
        "http_server_unfinished_requests_total",
        "Requests that were inside the handler when their process ended; no other metric counts "
        "them.",
    )
    QUEUE_WAIT = histogram(
        "http_server_queue_wait_seconds",
        "Time from acceptance by the server until a worker takes it.",
    )
    QUEUE_DEPTH = gauge("http_server_queue_depth", "Accepted requests that wait for a worker.")
    WORKERS_BUSY = gauge("http_server_workers_busy", "Workers that are busy with a request.")
    WORKERS_LIMIT = gauge(
        "http_server_workers_limit", "Size of the worker pool; absent without a pool."
    )
    REQUESTS_SHED = counter(
        "http_server_requests_shed_total",
        "Requests refused with 503 before the handler, because they had waited for longer than "
        "shed_after.",
    )
    BUSY_SECONDS = counter(
        "http_server_busy_seconds_total",
        "Busy time of all workers; its rate is the mean number of busy workers.",
    )
    CONNECTIONS = gauge("http_server_connections", "Open connections.")
    CONNECTIONS_LIMIT = gauge(
        "http_server_connections_limit",
        "Limit of open connections; absent without a limit.",
    )
    RUN_REQUESTS = counter(
        "firedrill_run_requests_total",
        f"Finished requests that carried the {RUN_ID_HEADER} header.",
        "run_id",
    )
    LISTEN_BACKLOG = gauge(
        "tcp_listen_backlog", "Connections in the kernel's accept queue.", "port"
    )
    LISTEN_BACKLOG_LIMIT = gauge(
        "tcp_listen_backlog_limit", "Length at which the kernel's accept queue overflows.", "port"
    )
    LISTEN_OVERFLOWS = counter(
        "tcp_listen_overflows_total", "Overflows of the accept queue in this network namespace."
    )
    SLEEP_LAG = histogram(
        "python_sleep_lag_seconds",
        "Overshoot of a 10 ms sleep: threads that compete for the interpreter or a core.",
        bounds=LAG_BOUNDS_SECONDS,
    )
    EVENT_LOOP_LAG = histogram(
        "python_event_loop_lag_seconds",
        "Delay of a timer in the event loop of an ASGI application: the loop is busy, or has no "
        "core.",
        bounds=LAG_BOUNDS_SECONDS,
    )
    GC_PAUSE = counter(
        "python_gc_pause_seconds_total", "Time spent in the cyclic garbage collector."
    )
    THREADS = gauge("python_threads", "Python threads of the API's processes.")
    CPU_THROTTLED = counter(
        "container_cpu_throttled_seconds_total",
        "Time for which the container's processes were throttled by their CPU quota.",
    )
    CPU_PERIODS = counter("container_cpu_periods_total", "CPU quota periods that elapsed.")
    CPU_THROTTLED_PERIODS = counter(
        "container_cpu_throttled_periods_total", "CPU quota periods that were throttled."
    )
    CPU_LIMIT = gauge("container_cpu_limit_cores", "CPU quota in cores; absent without one.")
    MEMORY_USAGE = gauge("container_memory_usage_bytes", "Memory charged to the container.")
    MEMORY_LIMIT = gauge(
        "container_memory_limit_bytes", "Memory limit of the container; absent without one."
    )
    PRESSURE_CPU = counter(
        "pressure_cpu_waiting_seconds_total", "Time for which some task waited for a CPU."
    )
    PRESSURE_MEMORY = counter(
        "pressure_memory_waiting_seconds_total", "Time for which some task waited for memory."
    )
    PRESSURE_IO = counter(
        "pressure_io_waiting_seconds_total", "Time for which some task waited for I/O."
    )
    PROCESSES = gauge(
        "api_processes", "Processes of the application that have served a request and still run."
    )
    PROCESS_CPU = counter(
        "api_process_cpu_seconds_total",
        "CPU time of one process; a successor takes over the number of a process that ended.",
        "process",
    )
    PROCESS_MEMORY = gauge(
        "api_process_resident_memory_bytes", "Resident memory of one process.", "process"
    )
    PROCESS_WORKERS_BUSY = gauge(
        "api_process_workers_busy", "Workers of one process that are busy.", "process"
    )
    METRICS_AGE = gauge("api_metrics_age_seconds", "Age of the sampled figures in this scrape.")
    BUILD_INFO = gauge("api_build_info", "1, with the tested version as label.", "version")
    SERVER_INFO = gauge(
        "api_server_info", "1, with the tested server as labels.", "server", "threads", "processes"
    )
    FAULT_ACTIVE = gauge(
        "api_fault_active",
        "Size of an injected fault in seconds, ratio, cores, workers, bytes a second, or 1; 0 "
        "without a fault; absent where faults are off.",
        "fault",
    )


PROCESS_METRICS = (
    counter("process_cpu_seconds_total", "CPU time of the API's processes, ended ones included."),
    gauge("process_resident_memory_bytes", "Resident memory of the API's processes."),
    gauge("process_virtual_memory_bytes", "Virtual memory of the API's processes."),
    gauge("process_start_time_seconds", "Start of the API, of its oldest process, Unix time."),
    gauge("process_open_fds", "Open file descriptors of the process that is nearest to its limit."),
    gauge("process_max_fds", "Limit of open file descriptors of that process."),
)
"""What the API's processes use of the machine, named as client libraries of Prometheus do."""

REQUEST_LABELS = ("method", "name")


class Client:
    """Metrics of job `locust`, exported by the master or the only process, never by a worker."""

    REQUEST_DURATION = histogram(
        "locust_request_duration_seconds",
        "Response time of answered and failed requests.",
        REQUEST_LABELS,
    )
    ALL_REQUEST_DURATION = histogram(
        "locust_all_request_duration_seconds",
        "Response time of all requests together, without those that the profile excludes, in "
        "buckets 6 % wide.",
    )
    ENDPOINT_LATENCY = gauge(
        "locust_endpoint_response_time_seconds",
        "Response time of an endpoint after the warm-up, by statistic (p50 to p99.9, mean, max); "
        "present once the load has ended.",
        *REQUEST_LABELS,
        "statistic",
    )
    ALL_REQUESTS = counter(
        "locust_all_requests_total",
        "Requests that were answered or failed, without those that the profile excludes.",
    )
    ALL_FAILURES = counter(
        "locust_all_request_failures_total",
        "Requests that failed, without those that the profile excludes.",
    )
    REQUESTS = counter(
        "locust_requests_total", "Requests that were answered or failed.", *REQUEST_LABELS
    )
    FAILURES = counter("locust_request_failures_total", "Requests that failed.", *REQUEST_LABELS)
    ERRORS = counter(
        "locust_request_errors_total",
        "Requests that failed, by class of error (a bounded set).",
        *REQUEST_LABELS,
        "error",
    )
    UNTIMED = counter(
        "locust_requests_untimed_total",
        "Requests that were reported without a response time.",
        *REQUEST_LABELS,
    )
    BODY_BYTES = counter(
        "locust_response_body_bytes_total", "Bytes of response bodies.", *REQUEST_LABELS
    )
    FROM_SCHEDULE = histogram(
        "locust_response_time_from_schedule_seconds",
        "Response time from the moment at which the request was due in the schedule of an open "
        "workload.",
        REQUEST_LABELS,
    )
    ALL_FROM_SCHEDULE = histogram(
        "locust_all_response_time_from_schedule_seconds",
        "Response time since the due time of all requests together, in buckets 6 % wide.",
    )
    OFFERED = counter(
        "locust_arrivals_offered_total",
        "Arrivals of an open workload that were due (offered load).",
    )
    STARTED = counter("locust_arrivals_started_total", "Arrivals that a user started.")
    FINISHED = counter(
        "locust_arrivals_finished_total", "Arrivals whose user has finished its task."
    )
    UNSENT = counter(
        "locust_arrivals_unsent_total",
        "Arrivals that were dropped: all users were busy for too long, or the worker was lost or "
        "did not know of them.",
    )
    UNSENT_AGE = histogram(
        "locust_arrivals_unsent_age_seconds",
        "Age of an arrival when it was dropped; does not include arrivals that a lost worker did "
        "not send.",
    )
    LEFT_AGE = histogram(
        "locust_arrivals_left_age_seconds",
        "Age of an arrival in the backlog at the end of the load, where requests in flight "
        "occupied the users.",
    )
    LATENESS = histogram(
        "locust_arrival_lateness_seconds",
        "Start delay: time from the moment at which an arrival was due until a user started it.",
    )
    WAITING_AGE = gauge(
        "locust_arrivals_waiting_age",
        "Requests in flight and arrivals without a free user in an open workload, with an age up "
        "to le since they were due.",
        "le",
    )
    IN_FLIGHT = gauge(
        "locust_requests_in_flight",
        "Requests that are sent and whose body was not read, closed or dropped yet.",
    )
    OLDEST = gauge(
        "locust_requests_in_flight_oldest_seconds",
        "Age of the oldest request in flight that a user waits for: for the answer, or in a read "
        "of its body.",
    )
    STARVED = gauge(
        "locust_users_starved",
        "Users that wait for an answer, or in a read of its body, and whose request is older than "
        "the starvation threshold.",
    )
    UNOBSERVED = gauge(
        "locust_user_class_unobserved",
        "1 for a class of users that may wait unseen, because it reported a request that was not "
        "seen to begin (the first one's method and name), or never told of one; else 0.",
        "user_class",
        "method",
        "name",
    )
    ABANDONED = counter(
        "locust_requests_abandoned_total",
        "Requests that were given up: in_flight before the answer or in a read of its body, "
        "unreported in a catch_response block.",
        "stage",
    )
    ABANDONED_AGE = histogram(
        "locust_requests_abandoned_age_seconds",
        "Age of a request when its user was stopped, or its connection broke, before the answer "
        "or in a read of its body; in an open workload since it was due.",
    )
    IN_FLIGHT_AGE = gauge(
        "locust_requests_in_flight_age",
        "Requests in flight whose answer has not begun, with an age up to le.",
        "le",
    )
    PACING = counter(
        "locust_pacing_intervals_total",
        "Intervals that users with a fixed pace (constant_pacing) began.",
        "user_class",
    )
    PACING_MISSED = counter(
        "locust_pacing_missed_total",
        "Intervals of users with a fixed pace that began late, because the task before had not "
        "ended.",
        "user_class",
    )
    COUNTED_BEFORE = gauge(
        "locust_counted_before_test",
        "Value of a counter when the test began, after earlier loads of the same Locust.",
        "counter",
    )
    USERS = gauge("locust_users", "Running users.", "user_class")
    USERS_TARGET = gauge("locust_users_target", "Target number of users.")
    STATE = gauge("locust_state", "1 for the state the runner is in.", "state")
    WORKER_STATE = gauge(
        "locust_worker_state", "1 for the state a worker is in.", "worker", "state"
    )
    WORKERS = gauge("locust_workers", "Workers by state.", "state")
    WORKER_CPU = gauge(
        "locust_worker_cpu_ratio",
        "CPU use of a load generator process in cores; the master is worker `master`.",
        "worker",
    )
    WORKER_MEMORY = gauge(
        "locust_worker_memory_bytes",
        "Resident memory of a load generator process; the master is worker `master`.",
        "worker",
    )
    WORKER_USERS = gauge("locust_worker_users", "Users on a worker.", "worker")
    WORKER_REPORT = gauge(
        "locust_worker_last_report_timestamp_seconds",
        "Unix time of a worker's last report.",
        "worker",
    )
    WORKER_LAG = counter(
        "locust_worker_loop_lag_seconds_total",
        "Time by which the event loop was late; the master is worker `master`.",
        "worker",
    )
    WORKER_LAG_MAX = gauge(
        "locust_worker_loop_lag_max_seconds",
        "Largest lag of the event loop in the last interval; the master is worker `master`.",
        "worker",
    )
    LOAD_STEP = gauge("locust_load_step", "Index of the active step of the load profile.")
    PROCESS_START = gauge(
        "process_start_time_seconds",
        "Start of the load generator's process, with workers of the master, Unix time.",
    )
    TEST_INFO = gauge(
        "locust_test_info",
        "1, with the running test as labels.",
        "run_id",
        "profile",
        "host",
        "version",
    )
    TEST_START = gauge(
        "locust_test_start_time_seconds",
        "Start of the load, Unix time: all listeners of test_start have returned.",
    )
    TEST_END = gauge(
        "locust_test_end_time_seconds",
        "End of the load, Unix time: Locust told the users to stop.",
    )
    SETUP_SECONDS = gauge(
        "locust_test_setup_seconds",
        "Time before the load in which listeners of test_start ran, on all workers.",
    )
    TEARDOWN_SECONDS = gauge(
        "locust_test_teardown_seconds",
        "Time after the load in which users stopped and listeners of test_stop ran.",
    )
    OUTSIDE_LOAD = counter(
        "locust_requests_outside_load_total",
        "Requests sent in a test's set-up or tear-down; no other metric counts them.",
        "phase",
    )
    STATS_RESETS = counter(
        "locust_stats_resets_total", "Resets of Locust's own statistics, by reason.", "reason"
    )
    USER_EXCEPTIONS = counter("locust_user_exceptions_total", "Exceptions that escaped a task.")
    SCRAPE_DURATION = gauge(
        "locust_exporter_scrape_duration_seconds",
        "Time that the exporter took for the previous scrape.",
    )
    FOLDED_NAMES = gauge(
        "locust_exporter_folded_names",
        "Request names that are counted as `other` because of the cap on names.",
    )
    SLO_LATENCY = gauge(
        "firedrill_slo_latency_seconds", "Latency objective of this run, by quantile.", "quantile"
    )
    SLO_ERRORS = gauge("firedrill_slo_error_ratio", "Largest error ratio that this run accepts.")
    SLO_STARVED = gauge(
        "firedrill_slo_starved_users",
        "Largest number of starved users that this run accepts at a time.",
    )
    THINK_TIME = gauge(
        "firedrill_think_time_seconds",
        "Mean think time of the bundled users of a closed workload.",
    )
    TIME_SCALE = gauge(
        "firedrill_time_scale", "Production seconds that one second of the drill stands for."
    )


BUNDLED_USERS = ("BasicUser", "BrowsingUser")
"""User classes of load/users.py that a profile may name."""


def metrics_path(run_id: str) -> str:
    """Return the path at which only the endpoints of this run show their metrics."""
    return f"{METRICS_PATH}/{quote(run_id, safe='')}"


def has_metrics(path: str, run_id: str) -> bool:
    """Return whether a path, without its query, is one of the metrics endpoint of this run."""
    return path == METRICS_PATH or (bool(run_id) and unquote(path) == f"{METRICS_PATH}/{run_id}")


def declared(group: type) -> tuple[Metric, ...]:
    """Return the metrics declared in `Server` or `Client`, in order of declaration."""
    return tuple(value for value in vars(group).values() if isinstance(value, Metric))


def exported_series() -> frozenset[str]:
    """Return every series name that either exporter may export, `process_*` included."""
    families = (*declared(Server), *PROCESS_METRICS, *declared(Client))
    return frozenset(name for family in families for name in family.series_names())


def format_bound(bound: float) -> str:
    """Return a bucket bound as both exporters write it in `le`: `0.25`, `1.0`, `+Inf`."""
    return "+Inf" if bound == float("inf") else repr(float(bound))
