"""Shared memory has exact counts, bounded labels and consistent readers."""

import os
import random
import threading

import pytest

from firedrill.contract import counter, histogram
from firedrill.telemetry.shared_cells import FIRST_CELL, Cells, Children, Series, observe

HITS = counter("hits_total", "Hits.", "path")
WAITS = histogram("wait_seconds", "Waits.", bounds=(0.1, 1.0))


def children(cells, limit=3):
    return Children(
        cells, HITS, limit=limit, fits=lambda labels: len(labels[0]) < 5, fold=lambda _: ("other",)
    )


def test_no_increment_is_lost_under_sixteen_threads():
    cells = Cells.create()
    cell, rounds = cells.reserve(HITS, ("/",)), 5000
    threads = [
        threading.Thread(target=lambda: [cells.add(cell) for _ in range(rounds)]) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cells.values[cell] == 16 * rounds


def test_threads_that_look_up_labels_create_them_once():
    cells = Cells.create()
    known, barrier, labels = (
        children(cells, limit=50),
        threading.Barrier(16),
        [(str(number),) for number in range(50)],
    )

    def look_up():
        barrier.wait()
        for label in random.sample(labels, len(labels)):
            cells.add(known[label][0])

    threads = [threading.Thread(target=look_up) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(series.labels for series in cells.series()) == sorted(labels)
    assert {tuple(cells.read(series)) for series in cells.series()} == {(16.0,)}


def test_a_second_map_reads_series_created_later():
    cells = Cells.create()
    reader = Cells.attach(os.dup(cells.descriptor))
    assert reader.series() == []
    cells.values[cells.reserve(HITS, ('/"\n\\é',))] = 7
    (series,) = reader.series()
    assert series == Series(name="hits_total", labels=('/"\n\\é',), first=FIRST_CELL, width=1)
    assert reader.read(series) == [7.0]


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.1, 0), (0.11, 1), (1.0, 1), (1.1, 2)])
def test_a_value_on_a_bound_belongs_to_the_bound(value, bucket):
    cells = Cells.create()
    first = cells.reserve(WAITS)
    observe(cells.values, first, WAITS.bounds, value)
    assert cells.read(cells.series()[0]) == [float(bucket == at) for at in range(3)] + [value]


def test_labels_beyond_the_cap_and_unfit_labels_share_one_series():
    cells = Cells.create()
    known = children(cells)
    first = [known[(name,)] for name in ("a", "b", "c")]
    folded = {known[(name,)] for name in ("d", "too long", "e")}
    assert len(folded) == 1
    assert known[("other",)] in folded
    assert [known[(name,)] for name in ("a", "b", "c")] == first
    assert len(known) == 4, (
        "what was folded must not be remembered, or clients could fill the memory"
    )


def test_full_memory_is_reported():
    cells = Cells.create()

    def fill():
        for number in range(20):
            cells.reserve(HITS, (str(number) * 65536,))

    with pytest.raises(MemoryError, match="no room for another series of hits_total"):
        fill()


def test_labels_without_room_are_served_and_counted_nowhere():
    cells = Cells.create()
    known = Children(cells, HITS, limit=100, fits=lambda _: True, fold=lambda labels: labels)
    for number in range(40):
        cells.add(known[(str(number) * 65536,)][0])
    assert 0 < len(cells.series()) < 40
    assert {tuple(cells.read(series)) for series in cells.series()} == {(1.0,)}


def test_a_series_that_is_reserved_again_keeps_its_cell():
    cells = Cells.create()
    assert cells.reserve(HITS, ("/",)) == cells.reserve(HITS, ("/",))
    assert len(cells.series()) == 1


def test_before_the_first_request_nothing_is_taken_or_counted():
    begun = []
    cells = Cells(lambda: begun.append(os.getpid()))
    cell = cells.reserve(HITS, ("/",))
    cells.set_constant(cells.reserve(HITS, ("constant",)), 7)
    cells.add(cell)
    assert (cells.descriptor, begun) == (-1, [])
    cells.enter()
    cells.enter()
    cells.add(cell)
    assert begun == [os.getpid()]
    assert [cells.read(series) for series in cells.series()] == [[1.0], [7.0]]


def test_a_forked_child_leaves_the_memory_to_its_parent():
    """A test of the child's side of a fork, without one: this process has threads."""
    cells = Cells.create()
    cell = cells.reserve(HITS, ("/",))
    cells.set_constant(cells.reserve(HITS, ("constant",)), 7)
    cells.add(cell)
    parent = Cells.attach(os.dup(cells.descriptor))
    cells.lock.acquire()  # by a thread that the child does not have
    cells.labels_lock.acquire()
    cells.after_fork()
    cells.add(cell, 5)
    cells.enter()
    cells.add(cell, 3)
    cells.add(children(cells)[("new",)][0])
    assert [cells.read(series) for series in cells.series()] == [[3.0], [7.0], [1.0]]
    assert [parent.read(series) for series in parent.series()] == [[1.0], [7.0]]


@pytest.mark.parametrize("bytes_left", [0, 4096])
def test_nobody_can_cut_the_memory_short(bytes_left):
    cells = Cells.create()
    with pytest.raises(PermissionError):
        os.truncate(cells.descriptor, bytes_left)
