"""The schedule of an open workload is a pure function.

Every arrival is sent, waits or is dropped.
"""

import itertools
import statistics
from collections import Counter
from dataclasses import replace

import pytest
from firedrill_load.open_loop.backlog import Backlog, held_by_target
from firedrill_load.open_loop.schedule import (
    BLOCK,
    Schedule,
    even_block,
    poisson_block,
    schedule_of,
)
from firedrill_load.open_loop.schedule_shards import (
    ALLOCATED_AHEAD_SECONDS,
    ALLOCATION_SECONDS,
    ProcessSchedule,
    Shard,
    ShardAllocator,
)
from hypothesis import given
from hypothesis import strategies as st
from locust_exporter.counting.arrival_counts import ArrivalCounts

from firedrill.places import ROOT
from firedrill.profile import AlertExpectations, OpenLoop, Profile, RateRamp, Step, UserShare

OPEN = Profile(
    name="open",
    title="Open",
    users=(UserShare("BasicUser"),),
    think_time_seconds=(0.0, 0.0),
    steps=(
        Step(start_seconds=0, users=10, spawn_rate=10, rate=50.0),
        Step(start_seconds=10, users=10, spawn_rate=10, rate=0.0),
        Step(start_seconds=20, users=10, spawn_rate=10, rate=200.0),
    ),
    ramp=None,
    duration_seconds=30,
    warmup_seconds=0,
    slo=None,
    alerts=AlertExpectations(),
    open_loop=OpenLoop(max_in_flight=10),
)
POISSON = replace(OPEN, open_loop=OpenLoop(10, poisson=True))


def all_due(profile):
    return [due for _, due in schedule_of(profile).arrivals_since(0)]


def evenly(rate, end=float("inf")):
    return Schedule(lambda: [(0.0, rate)], even_block, end)


def between(due, start, end):
    return [seconds for seconds in due if start <= seconds < end]


def test_even_arrivals_match_the_rate_of_every_step():
    due = all_due(OPEN)
    assert [len(between(due, *span)) for span in ((0, 10), (10, 20), (20, 30))] == [500, 0, 2000]
    assert due[0] == pytest.approx(0.01)
    assert {
        round(later - earlier, 6) for earlier, later in itertools.pairwise(between(due, 0, 10))
    } == {0.02}


def test_poisson_arrivals_have_the_rate_and_are_reproducible():
    due = all_due(POISSON)
    assert due == all_due(POISSON)
    assert due != all_due(replace(POISSON, name="another"))
    assert len(between(due, 0, 10)) == pytest.approx(500, abs=3 * 500**0.5)
    assert not between(due, 10, 20)
    assert len(between(due, 20, 30)) == pytest.approx(2000, abs=3 * 2000**0.5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(between(due, 20, 30))]
    # The gaps of a Poisson process have a deviation as large as their mean.
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.15)


def test_a_ramp_goes_on_without_end():
    ramp = replace(OPEN, steps=(), ramp=RateRamp(10, 2, 5), duration_seconds=None)
    due = list(
        itertools.takewhile(
            lambda seconds: seconds < 100, (due for _, due in schedule_of(ramp).arrivals_since(0))
        )
    )
    assert [len(between(due, start, start + 2)) for start in (0, 2, 98)] == [20, 40, 1000]


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=5), st.integers(1, 9))
def test_the_number_of_arrivals_is_the_area_below_the_rate(rates, seconds):
    spans = [(index * seconds, rate) for index, rate in enumerate(rates)] + [
        (len(rates) * seconds, 0.0)
    ]
    area = sum(rates) * seconds
    assert len(list(Schedule(lambda: spans, even_block).arrivals_since(0))) == pytest.approx(
        area, abs=0.5 + 1e-6
    )


@pytest.mark.parametrize(
    "schedule", [evenly(10, end=30), schedule_of(POISSON)], ids=["even", "poisson"]
)
@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 3), st.sets(st.sampled_from("abc")), st.sets(st.sampled_from("abc"))
        ),
        max_size=20,
    )
)
def test_worker_changes_neither_lose_nor_repeat_an_arrival(schedule, turns):
    """In each turn the present workers get shards of the next seconds.

    Those that are awake take their due arrivals, the others stand still.
    """
    taken = {name: [] for name in "abc"}
    allocator, parts, now = (
        ShardAllocator(schedule, {}),
        {name: ProcessSchedule(schedule) for name in "abc"},
        0.0,
    )
    for seconds, present, awake in [*turns, (40, set("ab"), set("abc"))]:
        now += seconds
        for name, shard in allocator.allocate_until(now, sorted(present)).items():
            parts[name].add_shard(shard)
        for name in awake:
            taken[name] += parts[name].until(now - 1)
    for name in "abc":
        taken[name] += parts[name].until(now)
    assert sorted(itertools.chain(*taken.values())) == [
        due for _, due in schedule.arrivals_since(0)
    ]
    assert allocator.assigned_before(now) == {name: len(due) for name, due in taken.items() if due}
    assert all(due == sorted(due) for due in taken.values())


def test_workers_get_equal_shards_that_end():
    allocator = ShardAllocator(evenly(10), {})
    assert allocator.allocate_until(1.5, []) == {}
    assert allocator.allocate_until(2.0, ["a", "b"]) == {
        "a": Shard(0, 2, 0, 2),
        "b": Shard(0, 2, 1, 2),
    }
    assert allocator.allocate_until(3.0, ["b"]) == {"b": Shard(2, 3, 0, 1)}
    assert allocator.assigned_before(1.9) == {}
    assert allocator.assigned_before(2.5) == {"a": 10, "b": 10}
    assert allocator.assigned_before(2.9) == {"a": 10, "b": 10}
    assert allocator.assigned_before(9.0) == {"a": 10, "b": 20}
    assert ShardAllocator(evenly(10), {"a": 10}).assigned_before(9.0) == {"a": 10}
    part = ProcessSchedule(evenly(10))
    part.add_shard(Shard(0, 2, 1, 2))
    assert len(list(part.until(1))) == len(list(part.until(99))) == 5
    # It was left out for a while.
    part.add_shard(Shard(50, 51, 0, 1))
    assert list(part.until(99)) == pytest.approx([50.05 + number / 10 for number in range(10)])


def test_shards_outlast_one_missed_turn_of_the_master():
    assert 2 * ALLOCATION_SECONDS < ALLOCATED_AHEAD_SECONDS
    assert ALLOCATED_AHEAD_SECONDS + ALLOCATION_SECONDS <= 2
    assert (
        f"send nothing more after {ALLOCATED_AHEAD_SECONDS:g} s"
        in (ROOT / "docs" / "distributed.md").read_text()
    )


@pytest.mark.parametrize("profile", [OPEN, POISSON])
@pytest.mark.parametrize("seconds", [0.0, 3.3, 10.0, 15.0, 20.0, 29.9, 31.0])
def test_a_walk_from_any_time_finds_the_same_arrivals(profile, seconds):
    longer = replace(
        profile,
        steps=(Step(start_seconds=0, users=10, spawn_rate=10, rate=500.0), *profile.steps[1:]),
    )
    walked = [
        (number, due) for number, due in schedule_of(longer).arrivals_since(0) if due >= seconds
    ]
    assert list(schedule_of(longer).arrivals_since(seconds)) == walked


def test_no_arrival_is_bound_to_the_beginning_of_a_block():
    firsts = [next(poisson_block("any", block)) - block * BLOCK for block in range(400)]
    assert min(firsts) > 0
    assert statistics.mean(firsts) == pytest.approx(1, abs=0.2)


def test_poisson_arrivals_are_divided_into_equal_shards():
    workers = Counter(
        number % 4
        for number, _ in schedule_of(
            replace(POISSON, steps=(Step(start_seconds=0, users=10, spawn_rate=10, rate=2000.0),))
        ).arrivals_since(0)
    )
    assert max(workers.values()) - min(workers.values()) < 0.01 * sum(workers.values())


@pytest.mark.parametrize("profile", [OPEN, POISSON])
def test_a_late_worker_draws_only_its_own_arrivals(profile):
    """A walk through the hour before would draw 7.2 million."""
    schedule, drawn = (
        schedule_of(
            replace(
                profile,
                steps=(Step(start_seconds=0, users=10, spawn_rate=10, rate=2000.0),),
                duration_seconds=7200,
            )
        ),
        [],
    )

    def draw(block):
        drawn.append(block)
        return schedule.draw(block)

    part = ProcessSchedule(replace(schedule, draw=draw))
    part.add_shard(Shard(3600, 3610, 1, 2))
    assert len(list(part.until(3610))) == pytest.approx(10_000, abs=500)
    assert drawn == list(range(drawn[0], drawn[0] + len(drawn)))
    assert len(drawn) * BLOCK < 20_000 + 4 * BLOCK


def test_a_late_shard_has_no_earlier_arrivals():
    part = ProcessSchedule(evenly(1, end=3))
    assert list(part.until(1.2)) == []
    part.add_shard(Shard(2.2, 9, 0, 1))
    assert list(part.until(9)) == [2.5]


def test_the_backlog_is_served_in_order_and_expires():
    backlog = Backlog(patience_seconds=5)
    for due in (1.0, 2.0, 3.0):
        backlog.add("A", due)
    backlog.add("B", 4.0)
    assert backlog.classes() == ["A", "B"]
    assert list(backlog.ages(4.5)) == [3.5, 2.5, 1.5, 0.5]
    assert backlog.take("A") == 1.0
    assert backlog.expire(7.5) == [5]
    assert backlog.take("A") == 3.0
    assert backlog.take("A") is None
    assert backlog.clear(8.5) == [4.5]
    assert backlog.classes() == []


@pytest.mark.parametrize(
    ("busy", "awaiting", "because_of_target"),
    [(20, 20, 60), (20, 19, 57), (20, 0, 0), (3, 2, 40), (20, 25, 60), (0, 0, 0)],
    ids=[
        "all wait for it",
        "one is between two requests",
        "they compute",
        "a part",
        "two requests a user",
        "nobody is there",
    ],
)
def test_the_backlog_at_the_end_is_split_by_its_cause(busy, awaiting, because_of_target):
    assert held_by_target(60, busy, awaiting) == because_of_target


def counted(offered, delays):
    arrivals = ArrivalCounts()
    arrivals.offered = offered
    for delay in delays:
        arrivals.count_start(delay)
        arrivals.count_answer("GET", "/", delay + 0.1)
    return arrivals


def test_counts_of_workers_survive_transport_and_add_up():
    sent = counted(6, [0.001, 2.0])
    sent.count_dropped([5.0])
    sent.count_backlog_at_end([0.3, 0.2, 0.1])
    worker = ArrivalCounts.from_message(sent.to_message())
    worker.add(counted(1, [0.5]))
    assert (worker.offered, worker.started, worker.dropped) == (7, 3, 1)
    assert (
        worker.dropped_ages.snapshot().seconds,
        worker.backlog_at_end.snapshot().seconds,
    ) == pytest.approx((5.0, 0.6))
    lost = ArrivalCounts()
    lost.add(sent, assigned=9)
    assert (lost.offered, lost.started, lost.dropped) == (9, 2, 4), "three were in the backlog"
    assert worker.start_delay.snapshot().cumulative()[-1] == 3
    assert worker.response_times["GET", "/"].snapshot().seconds == pytest.approx(2.201)


def test_arrivals_that_a_lost_worker_did_not_start_are_dropped():
    everything = ArrivalCounts()
    everything.add(counted(10, [0.0] * 9), assigned=15)
    assert (everything.offered, everything.started, everything.dropped) == (15, 9, 6)


def test_arrivals_of_a_living_worker_may_still_wait():
    everything = ArrivalCounts()
    everything.add(counted(10, [0.0] * 9), assigned=10)
    assert (everything.offered, everything.started, everything.dropped) == (10, 9, 0)


def test_names_are_cleaned_and_folded_beyond_the_cap():
    arrivals = ArrivalCounts(max_names=2)
    for name in ("/a", "/b", "/c", "/d", None, 'q"\n' * 5000):
        arrivals.count_answer(None, name, 0.1)
    assert set(arrivals.response_times) == {("", "/a"), ("", "/b"), ("", "other")}
    assert arrivals.response_times["", "other"].snapshot().cumulative()[-1] == 4


def test_methods_are_folded_beyond_their_cap():
    arrivals = ArrivalCounts()
    for number in range(1000):
        arrivals.count_answer(f"call {number}", "/", 0.1)
    assert len(arrivals.response_times) == 31
    assert arrivals.response_times["other", "/"].snapshot().cumulative()[-1] == 970
