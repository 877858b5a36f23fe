"""Shared memory has exact counts, bounded labels and consistent readers."""

import random
import threading

import pytest

from firedrill.contract import counter, histogram
from firedrill.telemetry.shared_cells import Cells, Children, Series, observe

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
    reader = Cells(cells.descriptor)
    assert reader.series() == []
    cells.values[cells.reserve(HITS, ('/"\n\\é',))] = 7
    (series,) = reader.series()
    assert series == Series(name="hits_total", labels=('/"\n\\é',), first=1, width=1)
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
        for _ in range(20):
            cells.reserve(HITS, ("x" * 65536,))

    with pytest.raises(MemoryError, match="no room for another series of hits_total"):
        fill()
