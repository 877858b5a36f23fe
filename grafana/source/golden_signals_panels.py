"""What the charts show: each panel's question, unit and queries. Pure data, so that whatever else draws the same panels cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = 'job=~"$job", instance=~"$instance"'
"""Selects the jobs and instances that the reader chose."""

EVERYTHING = {"$job": ".+", "$instance": ".+", "$run": ".*", "$__rate_interval": "4s"}
"""What a dashboard's variables stand for as long as nobody chooses. `$__range`, which tables read, is the length of the time shown."""


OPEN_LOOP = "arrivals that do not wait for answers"


@dataclass(frozen=True, slots=True)
class Query:
    """One expression in PromQL, and the name of its series in the legend."""

    expr: str
    legend: str
    empty_when_healthy: str = ""
    """Why it gives nothing as long as nothing is wrong."""
    only_where: str = ""
    """What the machine, or the load profile, needs to have for it to give anything."""
    only_latest: bool = False
    """Asked once, at the end of the time shown: it picks series, and over a range every series that was ever picked would stay."""
    exemplars: bool = False
    """Asked for the exemplars of its series alone: dots that open the trace of a request. Recorded series have none."""
    unit: str = ""
    """Grafana's name of the unit, where it is not its panel's."""

    def asked(self, choices: Mapping[str, str]) -> str:
        """The expression with the variables' values in their places."""
        expr = self.expr
        for variable, value in choices.items():
            expr = expr.replace(variable, value)
        return expr


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


def ours(name: str, more: str = "") -> str:
    """A series of the chosen jobs and instances."""
    return f"{name}{{{OURS}{more}}}"


def rate(counter: str, more: str = "") -> str:
    """A counter's growth per second, over as short a time as the chart resolves."""
    return f"rate({ours(counter, more)}[$__rate_interval])"


def of_runs(vector: str) -> str:
    """Without the runs that were not chosen.

    Where several are laid over each other they are told apart by the label `run`; where there is none, by the time at which each ran.
    Nothing is taken away while all are chosen, so that the server is seen when Locust is not.
    """
    return f'{vector} unless on (run) locust_test_info{{run_id!~"$run"}}'


def total(vector: str, by: str = "run") -> str:
    """Their sum, each run for itself."""
    return f"sum by ({by}) ({of_runs(vector)})"


def largest(vector: str, by: str = "run") -> str:
    """The largest of them, each run for itself."""
    return f"max by ({by}) ({of_runs(vector)})"


def quantile(share: float, histogram: str) -> str:
    """The time within which this share of the events was over."""
    return f"histogram_quantile({share}, {total(rate(f'{histogram}_bucket'), 'run, le')})"


def grown(counter: str, by: str, more: str = "") -> str:
    """A counter's growth over the whole time shown, for a table."""
    return total(f"increase({ours(counter, more)}[$__range])", by)


WAITING_INCLUDED = ours("client:response_time_including_waiting_seconds:p99_10s")
ANSWERED = ours("client:response_time_seconds:p99_10s")
SLO_LATENCY = largest('firedrill_slo_latency_seconds{quantile="0.99"}')
SLO_ERRORS = largest("firedrill_slo_error_ratio")
"""What the profile of the run asks for: where it sets no such objective there is no line."""

SLO_KEPT = Signal(
    "SLO kept?",
    "Does the API keep the profile's objectives right now? Broken while one of them is not kept over the last 10 s, the waiting included; "
    "what the profile sets no objective for is not judged.",
    "none",
    (Query(f"min by (run) ({of_runs(ours('client:slo_kept:bool'))})", "kept"),),
    "not judged",
)
TEST_VALID = Signal(
    "Test valid?",
    "Can the measurement be trusted? INVALID while the load generator is the bottleneck, is not seen, or does other than was asked of it.",
    "none",
    (Query(f"min by (run) ({of_runs(ours('locust:run_valid:bool'))})", "valid"),),
    "no test",
)
USERS = Signal(
    "Users / starved",
    "How many users run, and how many of them wait in a request that does not come back? The second number has to be 0.",
    "none",
    (
        Query(total(ours("locust_users")), "users"),
        Query(total(ours("locust_users_starved")), "starved"),
    ),
    "not seen",
)
RATE = Signal(
    "Rate",
    "How many requests a second are answered?",
    "reqps",
    (Query(total(ours("client:requests:rate10s")), "answered"),),
    "no data",
)
ERROR_SHARE = Signal(
    "Error share",
    "Which share of the requests fails, as the client sees it?",
    "percentunit",
    (Query(largest(ours("client:errors:ratio_rate10s")), "failed"),),
    "no traffic",
)
CLIENT_P99 = Signal(
    "p99 client",
    "Below which time are 99 % of the requests answered, those still waiting included? Where nobody sees who waits, of the answered alone.",
    "s",
    (Query(largest(f"({WAITING_INCLUDED} or {ANSWERED})"), "p99"),),
    "not known",
)
SERVER_P99 = Signal(
    "p99 server",
    "The same from the server's side: queue wait and handler. The client sees more where requests wait before the server accepts them.",
    "s",
    (Query(largest(ours("server:response_time_seconds:p99_10s")), "p99"),),
    "no traffic",
)
HEADROOM = Signal(
    "Headroom",
    "How much of the scarcest resource is left, and which one runs out first?",
    "percentunit",
    (
        Query(
            f"bottomk by (run) (1, {of_runs(ours('api:headroom:ratio'))})",
            "{{resource}}",
            only_latest=True,
        ),
    ),
    "limits unknown",
)

TRAFFIC = Signal(
    "Traffic",
    "How many requests a second does the client get answered, and the server answer? They part where requests are lost between them.",
    "reqps",
    (
        Query(total(ours("client:requests:rate10s")), "client"),
        Query(total(ours("server:requests:rate10s")), "server"),
    ),
)
ERRORS = Signal(
    "Errors",
    "Which share of requests fails? Errors that only the client sees (refused, timed out) never reached the application.",
    "percentunit",
    (
        Query(largest(ours("client:errors:ratio_rate10s")), "client"),
        Query(largest(ours("server:errors:ratio_rate10s")), "server"),
        Query(SLO_ERRORS, "SLO"),
    ),
    "no traffic",
)
LATENCY = Signal(
    "Latency",
    "How long do requests take, seen from both sides? `waiting included` leaves the answered behind where requests hang.",
    "s",
    (
        Query(largest(WAITING_INCLUDED), "client p99, waiting included"),
        Query(largest(ANSWERED), "client p99"),
        Query(largest(ours("client:response_time_seconds:p50_10s")), "client p50"),
        Query(largest(ours("server:response_time_seconds:p99_10s")), "server p99"),
        Query(largest(ours("server:response_time_seconds:p50_10s")), "server p50"),
        Query(SLO_LATENCY, "SLO"),
    ),
)
SATURATION = Signal(
    "Saturation",
    "How much of each limit is in use? The line that reaches 100 % first is what to raise. A limit nobody knows has no line.",
    "percentunit",
    (Query(largest(ours("api:saturation:ratio"), "run, resource"), "{{resource}}"),),
)
HONESTY = Signal(
    "Honest test?",
    "How many requests are unanswered, and how many users starve? None of these is in any latency figure of the answered.",
    "short",
    (
        Query(total(ours("locust_users")), "users"),
        Query(total(ours("locust_requests_in_flight")), "in flight"),
        Query(total(ours("locust_users_starved")), "starved"),
        Query(
            largest(ours("locust_requests_in_flight_oldest_seconds")), "oldest in flight (seconds)"
        ),
    ),
)
CLIENT_HEATMAP = Signal(
    "Latency of answered requests, client",
    "How are response times spread? Two bands are two kinds of request, or a queue.",
    "s",
    (Query(total(ours("client:response_time_seconds_bucket:rate10s"), "le"), "{{le}}"),),
    "no traffic",
)
SERVER_HEATMAP = Signal(
    "Response time, server",
    "The same inside the server: from acceptance until the response is handed over. Where requests are traced, a dot is one of them, "
    "and opens its trace.",
    "s",
    (
        Query(total(ours("server:response_time_seconds_bucket:rate10s"), "le"), "{{le}}"),
        # No count is below 0: this brings the dots of the histogram itself, and no bucket a second time.
        Query(
            of_runs(f"{ours('http_server_response_time_seconds_bucket')} < 0"),
            "{{le}}",
            exemplars=True,
        ),
    ),
    "no traffic",
)
STATUS_CODES = Signal(
    "Responses by status, server",
    "What does the server answer with?",
    "reqps",
    (
        Query(
            total(
                rate("http_server_response_time_seconds_count"), "run, http_response_status_code"
            ),
            "{{http_response_status_code}}",
        ),
    ),
)
ERROR_CLASSES = Signal(
    "Errors by class, client",
    "What goes wrong, as the client sees it: a status, a refused connection, a timeout?",
    "reqps",
    (
        Query(
            total(rate("locust_request_errors_total"), "run, error"),
            "{{error}}",
            empty_when_healthy="a class of error has no series before the first of its kind",
        ),
    ),
    "no errors",
)
QUEUE = Signal(
    "Waiting for a worker",
    "How long does an accepted request wait before anyone works on it? The best single sign that the knee is reached.",
    "s",
    (
        Query(quantile(0.95, "http_server_queue_wait_seconds"), "queue wait p95"),
        Query(quantile(0.95, "python_sleep_lag_seconds"), "interpreter lag p95"),
    ),
)
GENERATOR = Signal(
    "Load generator",
    "Is the load generator itself at its limit? Above 90 % of a core, or late for more than 1 % of the time, its figures are its own.",
    "percentunit",
    (
        Query(largest(ours("locust_worker_cpu_ratio")), "CPU of the busiest process"),
        Query(largest(rate("locust_worker_loop_lag_seconds_total")), "share of time late"),
    ),
)


def of_open_loop(vector: str, legend: str) -> Query:
    """A query that gives nothing where users wait for their answers, though its series are there."""
    return Query(
        f"{vector} and on (run) {ours('client:arrivals_offered:rate10s')}",
        legend,
        only_where=OPEN_LOOP,
    )


ARRIVALS = Signal(
    "Arrivals",
    "Is every request begun that the schedule asks for? What finds no slot waits; after 5 s it is dropped, and never sent.",
    "reqps",
    (
        Query(total(rate("locust_arrivals_offered_total")), "asked for", only_where=OPEN_LOOP),
        Query(total(rate("locust_arrivals_started_total")), "begun", only_where=OPEN_LOOP),
        Query(total(rate("locust_arrivals_unsent_total")), "dropped", only_where=OPEN_LOOP),
    ),
    "closed loop: users wait for their answers",
)
FROM_SCHEDULE = Signal(
    "Response time from schedule",
    "How long does a request take from the moment it was due? From the moment it was sent looks shorter where it was sent late.",
    "s",
    (
        Query(
            largest(ours("client:response_time_from_schedule_seconds:p99_10s")),
            "p99 from schedule",
            only_where=OPEN_LOOP,
        ),
        of_open_loop(largest(ANSWERED), "p99 from sending"),
        Query(
            quantile(0.99, "locust_arrival_lateness_seconds"),
            "p99 sent late by",
            only_where=OPEN_LOOP,
        ),
        of_open_loop(SLO_LATENCY, "SLO"),
    ),
    "closed loop: no request is due",
)
_AGE = f"time() - timestamp({ours('up')})"
TIME_SCALE = Signal(
    "Time scale",
    "How many seconds of production does a second stand for? Every window and `for` of the API's alerts is divided by it.",
    "none",
    (Query(largest(ours("firedrill_time_scale")), "scale"),),
    "not known",
)
LAST_SCRAPE = Signal(
    "Last scrape",
    "How old is what this page shows? It says so where a page that Prometheus reads does not answer.",
    "s",
    (Query(f"{largest(_AGE)} unless on (run) ({ours('up')} == 0)", "age"),),
    "no answer",
)
