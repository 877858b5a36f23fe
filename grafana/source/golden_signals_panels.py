"""Panels of the golden signals (title, description, unit, queries), and helpers for their queries.

Data only: the report draws the same panels from this file, so that both cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SELECTION = 'job=~"$job", instance=~"$instance"'
"""Label matchers for the jobs and instances that the reader selected."""

ALL_SELECTED = {
    "$job": ".+",
    "$instance": ".+",
    "$run": ".*",
    "$quantile": "0.99",
    "$__rate_interval": "4s",
}
"""Default values of a dashboard's variables. `$__range`, which tables read, has none: it is the
length of the time shown.
"""


OPEN_WORKLOAD = "arrivals that do not wait for answers"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and the name of its series in the legend."""

    expr: str
    legend: str
    empty_when_healthy: str = ""
    """Reason why it is empty while nothing is wrong."""
    requires: str = ""
    """Requirement on the machine or the load profile, without which it is empty."""
    is_instant: bool = False
    """Whether it is evaluated at the end of the time shown only.

    A query that picks series would otherwise show every series that it ever picked.
    """
    exemplars: bool = False
    """Whether it only fetches exemplars (dots that open a trace). Recorded series have none."""
    unit: str = ""
    """Grafana's name of the unit, where it differs from the panel's."""

    def with_variables(self, values: Mapping[str, str]) -> str:
        """Return the expression with the values of variables filled in."""
        expr = self.expr
        for variable, value in values.items():
            expr = expr.replace(variable, value)
        return expr


@dataclass(frozen=True, slots=True)
class PanelContent:
    """Title, description, unit and queries of a panel."""

    title: str
    description: str
    """The question that the panel answers, and how to read the answer."""
    unit: str
    """Grafana's name of the unit."""
    queries: tuple[Query, ...]
    empty_text: str = ""
    """Text in place of a chart that has no data."""


def selected(name: str, more: str = "") -> str:
    """Return a selector of a series, of the selected jobs and instances."""
    return f"{name}{{{SELECTION}{more}}}"


def rate(counter: str, more: str = "") -> str:
    """Return the rate of a counter at the resolution of the chart."""
    return f"rate({selected(counter, more)}[$__rate_interval])"


def in_selected_runs(vector: str) -> str:
    """Exclude the runs that are not selected.

    Overlaid runs differ by the label `run`, other runs by the time at which they ran. While
    all are selected nothing is excluded, so that the server is seen without Locust.
    """
    return f'{vector} unless on (run) locust_test_info{{run_id!~"$run"}}'


def sum_by(vector: str, by: str = "run") -> str:
    """Sum up series, by default for each run."""
    return f"sum by ({by}) ({in_selected_runs(vector)})"


def max_by(vector: str, by: str = "run") -> str:
    """Return the largest of series, by default for each run."""
    return f"max by ({by}) ({in_selected_runs(vector)})"


def quantile(share: float | str, histogram: str) -> str:
    """Return a quantile of a histogram for each run."""
    return f"histogram_quantile({share}, {sum_by(rate(f'{histogram}_bucket'), 'run, le')})"


def latency_quantile(share: float | str, histogram: str) -> str:
    """Return a quantile of a histogram on the contract's latency bounds, within 3 %.

    It is the geometric middle of the bucket, of which there are 40 a decade.
    """
    return f"10 ^ ((ceil(40 * log10({quantile(share, histogram)}) - 0.002) - 0.5) / 40)"


def whole_latency_quantile(share: float, histogram: str) -> str:
    """Return a quantile over the whole time shown, within 3 %."""
    increase = f"increase({selected(f'{histogram}_bucket')}[$__range])"
    quantile_of_all = f"histogram_quantile({share}, {sum_by(increase, 'run, le')})"
    return f"10 ^ ((ceil(40 * log10({quantile_of_all}) - 0.002) - 0.5) / 40)"


def increase_over_range(counter: str, by: str, more: str = "") -> str:
    """Return the increase of a counter over the whole time shown, for a table."""
    return sum_by(f"increase({selected(counter, more)}[$__range])", by)


NOT_SCRAPED = "not scraped"
ENDED = f"max by (run) ({selected('locust:running:bool')}) == 0"
WATCHED = "a load test that goes on, or an API that is watched without one"
FINISHED = "a load test that has ended"


def now(vector: str, legend: str = "now") -> Query:
    """Return a tile's query for the present; empty once the load test has ended."""
    return Query(f"({vector}) unless on (run) ({ENDED})", legend, requires=WATCHED)


def over_range(function: str, series: str) -> str:
    """Apply one of PromQL's functions of a range to the time shown."""
    return f"{function}({selected(series)}[$__range])"


def worst(series: str) -> str:
    """Return the largest value of each run in the time shown."""
    return max_by(over_range("max_over_time", series))


def worst_boolean(series: str) -> tuple[Query, Query]:
    """Return a tile's queries for a boolean whose 0 is bad: now, and at any time shown."""
    shown = in_selected_runs(over_range("min_over_time", series))
    return (
        now(f"min by (run) ({in_selected_runs(selected(series))})"),
        Query(f"min by (run) ({shown})", "worst"),
    )


def now_and_worst(series: str, more: str = "") -> tuple[Query, Query]:
    """Return a tile's queries for a gauge whose large values are bad."""
    at_most = f"max_over_time({selected(series, more)}[$__range])"
    return now(max_by(selected(series, more))), Query(max_by(at_most), "worst")


def judged(vector: str, objective: str) -> str:
    """Add the label `verdict` where there is an objective; a tile is coloured by it."""
    kept, broken = (
        f'label_replace({vector} {comparison} on (run) {objective}, "verdict", "{word}", "", "")'
        for comparison, word in (("<=", "SLO kept"), (">", "SLO broken"))
    )
    return f"{kept} or on (run) {broken} or on (run) {vector}"


CLIENT_P99_WITH_WAITING = selected("client:response_time_including_waiting_seconds:p99_10s")
CLIENT_P99_OF_ANSWERED = selected("client:response_time_seconds:p99_10s")
_OBJECTIVES = 'firedrill_slo_latency_seconds{quantile="0.99"}', "firedrill_slo_error_ratio"
SLO_LATENCY, SLO_ERRORS = map(max_by, _OBJECTIVES)
"""Objectives of the run's profile; an objective that it does not set has no line."""
SHOWN_SLO_LATENCY, SHOWN_SLO_ERRORS = (
    max_by(f"last_over_time({objective}[$__range])") for objective in _OBJECTIVES
)
"""The same for a tile, whose time may end after the run."""

SLO_KEPT = PanelContent(
    "SLO kept?",
    "Does the API keep the profile's objectives? BROKEN while at least one is not kept over "
    "10 s, waiting requests included. `worst` is BROKEN if that happened at any moment of the "
    "time shown. An objective that the profile does not set is not judged.",
    "none",
    worst_boolean("client:slo_kept:bool"),
    "not judged",
)
TEST_VALID = PanelContent(
    "Test valid?",
    "Can you trust the measurement? INVALID while the load generator is the bottleneck, is "
    "not scraped, or does not play the load that was asked for. `worst` is INVALID if that "
    "happened at any moment of the time shown.",
    "none",
    worst_boolean("locust:run_valid:bool"),
    "no load test",
)
USERS = PanelContent(
    "Users / starved",
    "How many users run, and how many of them are starved: wait in one request that gets no "
    "answer? The second number must be 0.",
    "none",
    (
        Query(worst("locust_users"), "users at most"),
        Query(worst("locust_users_starved"), "starved at most"),
        now(sum_by(selected("locust_users_starved")), "starved now"),
    ),
    "load generator not scraped",
)
RATE = PanelContent(
    "Achieved rate",
    "How many requests a second are answered, and how many would be sent if none had to wait "
    "(offered)? Of a load test that has ended: the mean of the time shown.",
    "reqps",
    (
        now(sum_by(selected("client:requests:rate10s"))),
        Query(sum_by(over_range("avg_over_time", "client:requests:rate10s")), "mean"),
        Query(sum_by(over_range("avg_over_time", "client:requests_offered:rate10s")), "offered"),
    ),
    "load generator not scraped",
)
ERROR_SHARE = PanelContent(
    "Error ratio",
    "Which share of the requests fails, as the client sees it: now, over 10 s at the worst, "
    "and of all requests of the time shown?",
    "percentunit",
    (
        now(
            judged(max_by(selected("client:errors:ratio_rate10s")), SHOWN_SLO_ERRORS),
            "now {{verdict}}",
        ),
        Query(worst("client:errors:ratio_rate10s"), "worst"),
        Query(
            judged(
                f"({sum_by(over_range('increase', 'locust_all_request_failures_total'))}"
                f" / ({sum_by(over_range('increase', 'locust_all_requests_total'))} > 0))",
                SHOWN_SLO_ERRORS,
            ),
            "whole {{verdict}}",
        ),
    ),
    "load generator not scraped",
)
CLIENT_P99 = PanelContent(
    "p99 client",
    "Within which time are 99 % of the requests answered, waiting requests included at their "
    "age so far: now, and over 10 s at the worst? Where requests in flight cannot be seen, it "
    "includes answered requests only.",
    "s",
    (
        now(
            judged(
                max_by(f"({CLIENT_P99_WITH_WAITING} or {CLIENT_P99_OF_ANSWERED})"),
                SHOWN_SLO_LATENCY,
            ),
            "now {{verdict}}",
        ),
        Query(
            judged(
                max_by(
                    f"(max_over_time({CLIENT_P99_WITH_WAITING}[$__range])"
                    f" or max_over_time({CLIENT_P99_OF_ANSWERED}[$__range]))"
                ),
                SHOWN_SLO_LATENCY,
            ),
            "worst {{verdict}}",
        ),
        Query(whole_latency_quantile(0.99, "locust_all_request_duration_seconds"), "of answered"),
    ),
    "load generator not scraped",
)
SERVER_P99 = PanelContent(
    "p99 server",
    "Within which time does the server answer 99 % of the requests, queue wait and handler "
    "together? The client sees more where requests wait before the server accepts them.",
    "s",
    now_and_worst("server:response_time_seconds:p99_10s"),
    "API not scraped",
)
SATURATED_SECONDS = over_range("sum_over_time", "api:bottleneck:bool")
LEAST_HEADROOM = in_selected_runs(over_range("min_over_time", "api:headroom:ratio"))
BOTTLENECK = PanelContent(
    "Bottleneck",
    "Which resource held the requests up, and for how many seconds of the time shown? It is the "
    "deepest one that had nine tenths of its limit in use while requests waited for it; the "
    "resources before it only fill up behind it.",
    "s",
    (
        Query(
            f"{max_by(SATURATED_SECONDS, 'run, resource')} > 0",
            "{{resource}}",
            requires="a resource that was saturated",
        ),
        Query(
            f"max by (run) (0 * {in_selected_runs(selected('api:headroom:ratio'))})"
            f" unless on (run) ({max_by(SATURATED_SECONDS)} > 0)",
            "no known limit",
            requires="an API that never reached a limit",
        ),
    ),
    "no limit known",
)
HEADROOM = PanelContent(
    "Headroom",
    "How much is left of the resource that is closest to its limit, now and at the worst?",
    "percentunit",
    (
        Query(
            f"bottomk by (run) (1, {in_selected_runs(selected('api:headroom:ratio'))})",
            "{{resource}}",
            is_instant=True,
        ),
        Query(
            f"clamp_min(bottomk by (run) (1, {LEAST_HEADROOM}), 0)",
            "worst: {{resource}}",
            is_instant=True,
        ),
    ),
    "no limit known",
)

SEVERAL_RUNS = "no answers, or several runs: choose one run"


def in_one_run(buckets: str) -> str:
    """Return the buckets of a heatmap; nothing where several runs would be added up."""
    runs = f"count by (run) ({in_selected_runs(selected('up'))})"
    return f"{sum_by(selected(buckets), 'le')} unless on () (count({runs}) > 1)"


TRAFFIC = PanelContent(
    "Traffic",
    "How many requests a second are answered, as the client and the server count them? The "
    "lines part where requests are lost in between. Below `offered`, requests wait.",
    "reqps",
    (
        Query(sum_by(selected("client:requests:rate10s")), "client"),
        Query(sum_by(selected("server:requests:rate10s")), "server"),
        Query(sum_by(selected("client:requests_offered:rate10s")), "offered"),
    ),
)
ERRORS = PanelContent(
    "Errors",
    "Which share of the requests fails, on either side? Errors that only the client sees "
    "(refused, timed out) never reached the application.",
    "percentunit",
    (
        Query(max_by(selected("client:errors:ratio_rate10s")), "client"),
        Query(max_by(selected("server:errors:ratio_rate10s")), "server"),
        Query(SLO_ERRORS, "SLO"),
    ),
    "no traffic",
)
LATENCY = PanelContent(
    "Latency",
    "How long do requests take, as the client and the server see it? `waiting included` rises "
    "above the other client lines where requests hang.",
    "s",
    (
        Query(max_by(CLIENT_P99_WITH_WAITING), "client p99, waiting included"),
        Query(max_by(CLIENT_P99_OF_ANSWERED), "client p99"),
        Query(max_by(selected("client:response_time_seconds:p50_10s")), "client p50"),
        Query(max_by(selected("server:response_time_seconds:p99_10s")), "server p99"),
        Query(SLO_LATENCY, "SLO"),
    ),
)
SATURATION = PanelContent(
    "Saturation",
    "How much of each limit is in use? Where several are full, the deepest one holds the others "
    "up: cpu, then workers, connections, backlog. A resource without a known limit has no line.",
    "percentunit",
    (Query(max_by(selected("api:saturation:ratio"), "run, resource"), "{{resource}}"),),
)
MEASUREMENT_QUALITY = PanelContent(
    "Measurement quality",
    "How many requests are unanswered, and how many users are starved? Latency percentiles of "
    "answered requests do not include them.",
    "short",
    (
        Query(sum_by(selected("locust_requests_in_flight")), "in flight"),
        Query(sum_by(selected("locust_users_starved")), "starved"),
        Query(
            max_by(selected("locust_requests_in_flight_oldest_seconds")),
            "oldest in flight (seconds)",
        ),
    ),
)
CLIENT_HEATMAP = PanelContent(
    "Response time distribution, client",
    "How are the response times of answered requests distributed? Two bands are two kinds of "
    "request, or a queue.",
    "s",
    (Query(in_one_run("client:response_time_seconds_bucket:rate10s"), "{{le}}"),),
    SEVERAL_RUNS,
)
SERVER_HEATMAP = PanelContent(
    "Response time distribution, server",
    "How are response times distributed inside the server, from acceptance until the response "
    "is handed over? Where requests are traced, a dot is one request and opens its trace.",
    "s",
    (
        Query(in_one_run("server:response_time_seconds_bucket:rate10s"), "{{le}}"),
        # No count is below 0, so this brings exemplars of the histogram and no series.
        Query(
            in_selected_runs(f"{selected('http_server_response_time_seconds_bucket')} < 0"),
            "{{le}}",
            exemplars=True,
        ),
    ),
    SEVERAL_RUNS,
)
GOODPUT = PanelContent(
    "Goodput",
    "How many requests a second are answered without an error and within the p99 objective? "
    "Beyond its capacity, an API answers as many as before and hardly any of them in time.",
    "reqps",
    (
        Query(sum_by(selected("client:goodput:rate10s")), "within the SLO"),
        Query(sum_by(selected("client:requests:rate10s")), "client"),
        Query(sum_by(selected("client:requests_offered:rate10s")), "offered"),
    ),
    "load generator not scraped",
)
CAPACITY_CURVE = PanelContent(
    "Latency by rate",
    "How does the p99 grow with the rate? Each point is a second. Where the points turn upwards "
    "and the rate stays, the API is at its capacity; `firedrill capacity` finds the rate.",
    "s",
    (
        Query(sum_by(selected("client:requests:rate10s")), "rate"),
        Query(max_by(f"({CLIENT_P99_WITH_WAITING} or {CLIENT_P99_OF_ANSWERED})"), "p99"),
    ),
    "load generator not scraped",
)
RUNS = PanelContent(
    "Runs over the time shown",
    "What did each run reach in the time shown: its totals, its peaks, and the share of requests "
    "that failed?",
    "none",
    (
        Query(
            sum_by(over_range("increase", "locust_all_requests_total")), "requests", unit="short"
        ),
        Query(
            f"{sum_by(over_range('increase', 'locust_all_request_failures_total'))}"
            f" / ({sum_by(over_range('increase', 'locust_all_requests_total'))} > 0)",
            "failed",
            unit="percentunit",
        ),
        Query(worst("client:requests:rate10s"), "highest rate", unit="reqps"),
        Query(worst("locust_users"), "most users", unit="short"),
        Query(worst("locust_users_starved"), "starved at most", unit="short"),
        Query(whole_latency_quantile(0.5, "locust_all_request_duration_seconds"), "p50", unit="s"),
        Query(whole_latency_quantile(0.99, "locust_all_request_duration_seconds"), "p99", unit="s"),
        Query(
            worst("client:response_time_including_waiting_seconds:p99_10s"),
            "worst p99, waiting included",
            unit="s",
        ),
        Query(worst("server:response_time_seconds:p99_10s"), "worst server p99", unit="s"),
    ),
    "load generator not scraped",
)
STATUS_CODES = PanelContent(
    "Responses by status, server",
    "Which status codes does the server answer with?",
    "reqps",
    (
        Query(
            sum_by(
                rate("http_server_response_time_seconds_count"), "run, http_response_status_code"
            ),
            "{{http_response_status_code}}",
        ),
    ),
)
ERROR_CLASSES = PanelContent(
    "Errors by class, client",
    "Which errors does the client see: a status, a refused connection, a timeout?",
    "reqps",
    (
        Query(
            sum_by(rate("locust_request_errors_total"), "run, error"),
            "{{error}}",
            empty_when_healthy="a class of error has no series before the first of its kind",
        ),
        Query(f"0 * {sum_by(rate('locust_all_requests_total'))}", "none"),
    ),
    "load generator not scraped",
)
QUEUE = PanelContent(
    "Queue wait and interpreter lag",
    "How long does an accepted request wait for a worker? A rising queue wait is the first "
    "sign that the server is at its capacity. A rising interpreter lag means that threads "
    "compete for the interpreter.",
    "s",
    (
        Query(latency_quantile(0.95, "http_server_queue_wait_seconds"), "queue wait p95"),
        Query(quantile(0.95, "python_sleep_lag_seconds"), "interpreter lag p95"),
    ),
)
GENERATOR = PanelContent(
    "Load generator",
    "Is the load generator itself at its limit? Above 90 % of a core, or late for more than 1 "
    "% of the time, its own delays are in every latency.",
    "percentunit",
    (
        Query(max_by(selected("locust_worker_cpu_ratio")), "CPU of the busiest process"),
        Query(max_by(rate("locust_worker_loop_lag_seconds_total")), "share of time late"),
    ),
)


def in_open_workload(vector: str, legend: str) -> Query:
    """Return a query that is empty in a closed workload, although its series exist there."""
    return Query(
        f"{vector} and on (run) {selected('client:arrivals_offered:rate10s')}",
        legend,
        requires=OPEN_WORKLOAD,
    )


ARRIVALS = PanelContent(
    "Arrivals",
    "Does every arrival of the schedule start? An arrival without a free slot waits; after 5 "
    "s it is dropped.",
    "reqps",
    (
        Query(sum_by(rate("locust_arrivals_offered_total")), "offered", requires=OPEN_WORKLOAD),
        Query(sum_by(rate("locust_arrivals_started_total")), "started", requires=OPEN_WORKLOAD),
        Query(sum_by(rate("locust_arrivals_unsent_total")), "dropped", requires=OPEN_WORKLOAD),
    ),
    "closed workload: users wait for answers",
)
FROM_SCHEDULE = PanelContent(
    "Response time from schedule",
    "How long does a request take from the moment at which it was due? Measured from sending, "
    "a request that was sent late looks faster.",
    "s",
    (
        Query(
            max_by(selected("client:response_time_from_schedule_seconds:p99_10s")),
            "p99 from schedule",
            requires=OPEN_WORKLOAD,
        ),
        in_open_workload(max_by(CLIENT_P99_OF_ANSWERED), "p99 from sending"),
        Query(
            latency_quantile(0.99, "locust_arrival_lateness_seconds"),
            "p99 start delay",
            requires=OPEN_WORKLOAD,
        ),
        in_open_workload(SLO_LATENCY, "SLO"),
    ),
    "closed workload: no request is due",
)
_AGE = f"time() - timestamp({selected('up')})"
TIME_SCALE = PanelContent(
    "Time scale",
    "How many seconds of production does one second of the drill stand for? Every window and "
    "`for` of the API's alerts is divided by it.",
    "none",
    (Query(max_by(selected("firedrill_time_scale")), "scale"),),
    "not known",
)
LAST_SCRAPE = PanelContent(
    "Last scrape",
    "How old are the figures on this page? `no answer` means that a metrics endpoint does not "
    "answer scrapes.",
    "s",
    (Query(f"{max_by(_AGE)} unless on (run) ({selected('up')} == 0)", "age"),),
    "no answer",
)
