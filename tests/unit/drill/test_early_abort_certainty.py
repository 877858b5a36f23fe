"""A load that was ended early would have failed: simulated requests confirm it."""

import heapq
import random
from dataclasses import dataclass, replace
from math import inf

from hypothesis import event, given, settings
from hypothesis import strategies as st

from firedrill.drill.play.early_abort import (
    LATE_SECONDS,
    REPORT_SECONDS,
    ObservedRequests,
    broken_objective,
    most_to_come,
)
from firedrill.profile import AlertExpectations, OpenLoop, Profile, Slo, Step, UserShare

BOUND_SECONDS = 0.25
SLO = Slo({"p50": BOUND_SECONDS, "p95": BOUND_SECONDS}, error_ratio=0.2)
THINK_SECONDS = 0.5
PATIENCE_SECONDS = 5.0
END_SECONDS = 20


@dataclass
class Chance:
    """An API that is slow, and fails, now and then, and is perfect from some moment on."""

    seed: int
    slow: float
    failing: float
    perfect_from: float = inf

    def __post_init__(self):
        self._draw = random.Random(self.seed)

    def outcome(self, begin):
        """How long the request takes, and whether it fails."""
        slow, failing = (self._draw.random() < share for share in (self.slow, self.failing))
        took = self._draw.choice([0.26, 2.0, 8.0, 100.0]) if slow else 0.0
        return (took, failing) if begin < self.perfect_from else (0.0, False)


CHANCES = st.builds(Chance, st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 0.5))


@dataclass
class Request:
    """One request, or an arrival that was dropped; times since the load began."""

    due: float
    sent: float
    """Infinite for what was dropped."""
    end: float
    failed: bool

    def age(self, now):
        """How long it waits, or took."""
        return min(self.end, now) - self.due


def profile(*loads, think_seconds=THINK_SECONDS, slots=None):
    """Steps of equal length; of users, or of rates for so many slots."""
    length = END_SECONDS / len(loads)
    steps = (
        Step(
            start_seconds=index * length,
            users=slots or load,
            spawn_rate=1000.0,
            rate=float(load) if slots is not None else None,
        )
        for index, load in enumerate(loads)
    )
    loop = None if slots is None else OpenLoop(slots)
    think = (think_seconds, think_seconds)
    return Profile(
        name="made",
        title="",
        users=(UserShare("BasicUser"),),
        think_time_seconds=think,
        steps=tuple(steps),
        ramp=None,
        duration_seconds=END_SECONDS,
        warmup_seconds=0,
        slo=SLO,
        alerts=AlertExpectations(),
        faults=(),
        open_loop=loop,
    )


def closed(loads, late, chance):
    """Users that think as shortly as they may; those whom Locust stops late go on until then."""
    length = END_SECONDS / len(loads)

    def users_at(seconds):
        return loads[min(max(int(seconds / length), 0), len(loads) - 1)]

    for user in range(max(loads)):
        begin = 0.0
        while begin < END_SECONDS + LATE_SECONDS:
            if user >= max(users_at(begin), users_at(begin - late)):
                begin = (int(begin / length) + 1) * length
                continue
            took, failed = chance.outcome(begin)
            yield Request(begin, begin, begin + took, failed)
            begin += took + THINK_SECONDS


def opened(loads, slots, chance):
    """Evenly spaced arrivals, each of which takes the slot that is free first, or is dropped."""
    free = [0.0] * slots
    length = END_SECONDS / len(loads)
    for index, load in enumerate(loads):
        for number in range(int(load * length)):
            due = index * length + (number + 0.5) / load
            begin = max(due, free[0])
            if begin - due > PATIENCE_SECONDS:
                yield Request(due, inf, due + PATIENCE_SECONDS, failed=False)
            else:
                took, failed = chance.outcome(begin)
                heapq.heapreplace(free, begin + took)
                yield Request(due, begin, begin + took, failed)


def observed_requests(requests, counted, looked):
    """Return the requests that a metrics endpoint shows.

    It counts the answered requests at one time and the waiting ones later.
    """
    done = [request for request in requests if request.end <= counted]
    waiting = [request for request in requests if request.due <= looked < request.end]
    slow = sum(
        request.sent == inf or request.age(looked) > BOUND_SECONDS for request in (*done, *waiting)
    )
    return ObservedRequests(
        len(done) + len(waiting),
        sum(request.failed for request in done),
        dict.fromkeys(SLO.latency_seconds, slow),
    )


def hold_what_was_foregone(made, ask, chance, ends, lag):
    """Looked at again and again, each time with nothing to come but what is perfect."""
    for looked in range(5, END_SECONDS):
        requests = [
            request for request in ask(replace(chance, perfect_from=looked)) if request.due <= ends
        ]
        objective = broken_objective(
            SLO,
            observed_requests(requests, looked - lag, looked),
            most_to_come(made, looked - REPORT_SECONDS, END_SECONDS),
        )
        if objective:
            event(f"{objective} was foregone")
            whole = [
                replace(request, end=min(request.end, max(ends, request.due)))
                for request in requests
            ]
            assert broken_objective(SLO, observed_requests(whole, inf, inf), 0) is not None


LATE = st.sampled_from([0.0, 1.0, LATE_SECONDS])
LAG = st.sampled_from([0.0, 1.0, REPORT_SECONDS])


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), CHANCES, LATE, LAG)
@settings(max_examples=200)
def test_a_closed_load_ended_early_would_have_failed(loads, chance, late, lag):
    hold_what_was_foregone(
        profile(*loads), lambda chance: closed(loads, late, chance), chance, END_SECONDS + late, lag
    )


@given(st.lists(st.integers(1, 8), min_size=1, max_size=3), st.integers(1, 6), CHANCES, LAG)
@settings(max_examples=200)
def test_an_open_load_ended_early_would_have_failed(loads, slots, chance, lag):
    hold_what_was_foregone(
        profile(*loads, slots=slots),
        lambda chance: opened(loads, slots, chance),
        chance,
        END_SECONDS + 10,
        lag,
    )
