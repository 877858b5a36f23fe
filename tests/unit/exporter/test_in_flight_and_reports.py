"""Every request is answered, in flight or abandoned, and its age is known meanwhile."""

import contextlib
import contextvars
from dataclasses import replace

import pytest
from locust_exporter.counting.arrival_counts import START_DELAY, ArrivalCounts
from locust_exporter.counting.in_flight import InFlight, InFlightSnapshot
from locust_exporter.counting.latency_histogram import LatencyHistogram
from locust_exporter.counting.process_reports import (
    MASTER_SILENCE_SECONDS,
    ProcessReport,
    ProcessReports,
    is_orphaned,
)
from locust_exporter.counting.streamed_body import StreamedBody

from firedrill.contract import LATENCY_BOUNDS_SECONDS


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def in_flight(clock):
    return InFlight(harmless=(ValueError,), clock=clock)


def test_ages_and_starved_users_are_current(in_flight, clock):
    """Two requests of one user are one starved user."""
    seen = []

    def request(session):
        clock.seconds += 2
        if session == "first":
            tracked("second")
            tracked("second")
        else:
            seen.append(in_flight.snapshot(starvation_seconds=1))

    tracked = in_flight.tracked(request)
    tracked("first")
    assert seen == [
        InFlightSnapshot(
            requests=2, oldest_seconds=4.0, starved_users=2, ages=LatencyHistogram.of([4.0, 2.0])
        ),
        InFlightSnapshot(
            requests=2, oldest_seconds=6.0, starved_users=2, ages=LatencyHistogram.of([6.0, 2.0])
        ),
    ]
    assert in_flight.snapshot(1) == InFlightSnapshot()


@pytest.mark.parametrize(
    ("args", "kwargs", "is_excluded"),
    [
        (("GET", "/events"), {}, True),
        (("GET", "/e/7"), {"name": "/events"}, True),
        (("GET",), {"url": "/events"}, True),
        (("GET", "/events"), {"name": "/other"}, False),
        (("GET", "/shop", "/shop"), {}, False),
    ],
)
def test_excluded_requests_starve_nobody_and_are_not_abandoned(
    in_flight, clock, args, kwargs, is_excluded
):
    in_flight.is_excluded = lambda _method, name: name == "/events"
    seen = []

    def request(session, *_args, **_kwargs):
        clock.seconds += 5
        seen.append(in_flight.snapshot(1).starved_users)
        seen.append(in_flight.snapshot(1, with_excluded=True).starved_users)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        in_flight.tracked(request)("session", *args, **kwargs)
    assert seen == [0 if is_excluded else 1, 1]
    assert in_flight.abandoned["in_flight"] == (0 if is_excluded else 1)


def test_an_excluded_block_starves_nobody(in_flight, clock):
    in_flight.is_excluded = lambda _method, name: name == "poll"
    for name, starved in (("poll", 0), ("work", 1)):
        is_excluded = in_flight.excludes("TELL", name)
        with in_flight.tracked_block(contextlib.nullcontext(), "user", is_excluded=is_excluded):
            clock.seconds += 5
            assert in_flight.snapshot(1).starved_users == starved


def test_a_waiting_arrival_ages_from_its_due_time(in_flight, clock):
    """The user's second request was due when it was sent."""
    seen = []

    def request(session):
        clock.seconds += 2
        seen.append((in_flight.ages_since_due(), in_flight.snapshot(1).ages))

    def task():
        START_DELAY.set(3.0)
        in_flight.tracked(request)("user")
        START_DELAY.set(0.0)
        in_flight.tracked(request)("user")

    contextvars.Context().run(task)
    assert seen == [
        (LatencyHistogram.of([5.0]), LatencyHistogram.of([2.0])),
        (LatencyHistogram.of([2.0]), LatencyHistogram.of([2.0])),
    ]


@pytest.mark.parametrize(
    ("error", "abandoned"),
    [(SystemExit, 1), (RuntimeError, 1), (ValueError, 0)],
    ids=["user stopped", "client failed", "dropped"],
)
def test_a_hung_request_is_abandoned_at_its_age(in_flight, clock, error, abandoned):
    def request(session):
        clock.seconds += 3
        raise error

    with pytest.raises(error):
        in_flight.tracked(request)("session")
    assert in_flight.abandoned == {"in_flight": abandoned, "unreported": 0}
    assert in_flight.abandoned_ages == LatencyHistogram.of([3.0] * abandoned)
    assert in_flight.snapshot(1) == InFlightSnapshot()


def test_only_a_body_that_is_being_read_is_awaited(in_flight, clock):
    """It is no age of a waiting request: Locust has reported the time to its head."""
    bodies, seen = [], []

    def watch_body(response, account, request):
        bodies.append(StreamedBody(account, request))
        return True

    def read():
        clock.seconds += 3
        seen.append(in_flight.snapshot(1))

    in_flight.tracked(lambda session: session, watch_body)("session")
    clock.seconds += 2
    kept = InFlightSnapshot(requests=1)
    assert in_flight.snapshot(1) == kept
    bodies[0].read(read)
    assert seen == [InFlightSnapshot(requests=1, oldest_seconds=5.0, starved_users=1)]
    assert in_flight.snapshot(1) == kept
    assert in_flight.ages_since_due() == LatencyHistogram()
    bodies[0].end()
    assert in_flight.snapshot(1) == InFlightSnapshot()


def test_a_client_that_cannot_be_watched_harms_nobody(in_flight):
    def watch_body(response, account, request):
        raise TypeError("another version")

    assert in_flight.tracked(lambda _: "answer", watch_body)("session") == "answer"
    assert in_flight.snapshot(1) == InFlightSnapshot()


class JudgedResponse:
    """A response with a catch_response block that reports to `log`."""

    _catch_response = True

    def __init__(self, log):
        self.log = log

    def __exit__(self, *exception):
        if not exception[0]:
            self._report_request()

    def _report_request(self):
        self.log("statistics", "GET", "judged", 1.0, 2)


def test_a_response_lost_with_its_body_is_abandoned_once(in_flight, clock):
    bodies = []

    def watch_body(response, account, request):
        bodies.append(StreamedBody(account, request))
        return True

    def hang():
        clock.seconds += 9
        raise SystemExit

    response = in_flight.tracked(lambda _: JudgedResponse(print), watch_body)("session")
    with pytest.raises(SystemExit):
        bodies[0].read(hang)
    response.__exit__(SystemExit, None, None)
    assert in_flight.abandoned == {"in_flight": 1, "unreported": 0}
    assert in_flight.abandoned_ages == LatencyHistogram.of([9.0])


def test_a_report_is_seen_to_begin_once(in_flight):
    """Also in its block, and not by another's hand, even inside a tracked request."""
    logged, unseen = [], []
    log = in_flight.tracked_log(
        lambda _stats, _method, name, *_: logged.append(name),
        on_unseen=lambda _method, name: unseen.append(name),
    )

    def fire(name):
        log("statistics", "GET", name, 1.0, 2)

    @contextlib.contextmanager
    def measure(name):
        yield
        fire(name)

    def request(session, *names):
        for name in names:
            fire(name)

    in_flight.tracked(request)("session", "request")
    in_flight.tracked(lambda _: JudgedResponse(log))("session").__exit__(None)
    with in_flight.tracked_block(measure("measured"), "user"):
        fire("in the block")
    in_flight.tracked(request)("session", "first", "second")
    fire("by hand")
    assert logged == [
        *("request", "judged", "in the block", "measured", "first", "second", "by hand")
    ]
    assert unseen == ["in the block", "second", "by hand"]
    assert in_flight.abandoned == {"in_flight": 0, "unreported": 0}


def test_a_bound_holds_the_ages_up_to_it():
    ages = LatencyHistogram.of([0.25, 0.26, 700.0])
    at = LATENCY_BOUNDS_SECONDS.index(0.25)
    assert ages.cumulative()[at - 1 : at + 3] == (0, 1, 1, 2)
    assert ages.cumulative()[-2:] == (2, 3)
    assert ages.seconds == pytest.approx(700.51)


def test_a_report_arrives_as_it_was_sent():
    """Locust's protocol makes lists of tuples."""
    report = ProcessReport(
        in_flight=InFlightSnapshot(
            requests=1, oldest_seconds=2.0, starved_users=1, ages=LatencyHistogram.of([2.0])
        ),
        abandoned={"in_flight": 3, "unreported": 1},
        abandoned_ages=LatencyHistogram.of([4.0]),
        user_exceptions=5,
        cpu_ratio=0.5,
        memory_bytes=6,
        lag_seconds=0.7,
        lag_max_seconds=0.8,
        received=0,
    )
    message = report.to_message()
    message["in_flight"]["ages"]["counts"] = list(message["in_flight"]["ages"]["counts"])
    message["abandoned_ages"]["counts"] = list(message["abandoned_ages"]["counts"])
    arrived = ProcessReport.from_message(message)
    assert (arrived.in_flight, arrived.abandoned_ages, arrived.lag_max_seconds) == (
        report.in_flight,
        report.abandoned_ages,
        0.8,
    )
    assert arrived.received > 0


def test_a_class_that_one_worker_does_not_observe_is_unobserved():
    """Its first unseen request is a label, and stays the same."""

    def report(**unobserved):
        return replace(
            SENT,
            in_flight=None if unobserved else InFlightSnapshot(),
            unobserved=unobserved,
            received=float("inf"),
        )

    reports = ProcessReports()
    reports.receive("a", report())
    assert reports.in_flight() == InFlightSnapshot()
    reports.receive("b", report(Bus=("", "")))
    assert (reports.in_flight(), reports.unobserved()) == (None, {"Bus": ("", "")})
    reports.receive("b", report(Bus=("MQTT", "late")))
    assert reports.unobserved() == {"Bus": ("MQTT", "late")}
    reports.receive("a", report(Bus=("MQTT", "early")))
    assert reports.unobserved() == {"Bus": ("MQTT", "late")}
    arrived = ProcessReport.from_message(reports.latest["a"].to_message())
    assert arrived.unobserved == {"Bus": ("MQTT", "early")}


def test_no_counter_falls_when_a_worker_returns():
    arrivals, reports = ArrivalCounts(), ProcessReports()
    arrivals.offered, arrivals.started = 10, 9
    reports.receive(
        "w",
        ProcessReport(
            in_flight=None,
            abandoned={},
            abandoned_ages=LatencyHistogram(),
            user_exceptions=0,
            cpu_ratio=0.5,
            memory_bytes=6,
            lag_seconds=0.0,
            lag_max_seconds=0.0,
            arrivals=arrivals,
        ),
    )
    missed = reports.arrivals({"w": 15})
    assert (missed.offered, missed.dropped) == (15, 6)
    arrivals.offered = arrivals.started = 14
    back = reports.arrivals({})
    assert (back.offered, back.started, back.dropped) == (15, 14, 6)


OPEN = ArrivalCounts()
OPEN.count_answer("GET", "/", 0.1)
SENT = ProcessReport(
    in_flight=None,
    abandoned={"in_flight": 0, "unreported": 0},
    abandoned_ages=LatencyHistogram(),
    user_exceptions=0,
    cpu_ratio=0.5,
    memory_bytes=6,
    lag_seconds=0.0,
    lag_max_seconds=0.0,
    arrivals=OPEN,
    ages_since_due=LatencyHistogram(),
    pacing={"Paced": (3, 1)},
)


@pytest.mark.parametrize(
    "other",
    [
        {"in_flight": 3},
        None,
        SENT.to_message() | {"ages_since_due": {"counts": [1, 2], "seconds": 0.1}},
        SENT.to_message() | {"abandoned": {}},
        SENT.to_message() | {"pacing": {"Paced": 3}},
        SENT.to_message() | {"unobserved": {"Bus": 3}},
        SENT.to_message() | {"arrivals": OPEN.to_message() | {"start_delay": ([0] * 99, 0.0)}},
        SENT.to_message()
        | {"arrivals": OPEN.to_message() | {"response_times": [("GET", "/", [1], 0.1)]}},
    ],
)
def test_reports_of_another_version_are_ignored(other, caplog):
    reports = ProcessReports()
    reports.receive_message("same", SENT.to_message())
    for _ in range(2):
        reports.receive_message("other", other)
    assert set(reports.latest) == {"same"}
    assert sum("runs another version" in message for message in caplog.messages) == 1
    assert [response_times["GET", "/"].total for response_times in reports.response_times()] == [1]


@pytest.mark.parametrize(
    ("state", "ends"), [("spawning", True), ("running", True), ("ready", False), ("stopped", False)]
)
def test_only_a_loaded_worker_ends_soon_without_its_master(state, ends):
    assert is_orphaned(MASTER_SILENCE_SECONDS, state) is ends
    assert not is_orphaned(MASTER_SILENCE_SECONDS - 1, state)
