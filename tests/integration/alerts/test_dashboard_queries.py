"""Every panel has data after a drill, and shows what was injected into recorded drills."""

import struct
import time

import pytest

from firedrill.interrupt import Interrupt
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus
from grafana.source import (
    alert_lab_panels,
    client_panels,
    golden_signals_panels,
    saturation_panels,
)
from tests import dashboards, firedrill_process, recorded_drills, required_programs
from tests.integration.alerts import panel_values
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    drill = firedrill_process.start(tmp_path_factory.mktemp("healthy"), "smoke")
    code, output, errors = drill.finish(5 * PATIENCE_SECONDS)
    assert code in {0, 1, 4}, (
        output + errors
    )  # A stall makes requests slow, and the run says so; the panels show all the same.
    with panel_values.open_run(drill.run()) as values:
        yield values


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The recorded drill of `recorded_drills.play_faulty`, so that no clock decides its figures."""
    required_programs.require("prometheus")
    run = recorded_drills.unpack("faulty", tmp_path_factory.mktemp("faulty"))
    with panel_values.open_run(run) as values:
        yield values


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The recorded drill of `recorded_drills.play_open_loop_without_slots`."""
    required_programs.require("prometheus")
    run = recorded_drills.unpack("opened", tmp_path_factory.mktemp("opened"))
    with panel_values.open_run(run) as values:
        yield values


def test_every_query_of_every_panel_returns_data(healthy):
    points_by_panel = [
        (dashboard, title, query, healthy.points(query, once))
        for dashboard, title, query, once in dashboards.PANEL_QUERIES
    ]
    print("\n   points  dashboard       panel: series")
    for dashboard, title, query, points in points_by_panel:
        print(f"{points:9}  {dashboard:14}  {title}: {query.legend}  {_excused(query) or ''}")
    assert [
        (dashboard, title, query.expr)
        for dashboard, title, query, points in points_by_panel
        if not points and not _excused(query)
    ] == []


def _excused(query):
    return (
        query.empty_when_healthy
        or query.requires
        or (query.exemplars and "exemplars, and no series")
    )


def test_panels_are_empty_only_for_their_reason(healthy, faulty):
    excused = [
        (query, once) for _, _, query, once in dashboards.PANEL_QUERIES if query.empty_when_healthy
    ]
    assert excused
    for query, once in excused:
        assert healthy.failures or not healthy.points(query, once), f"it is not: {query.expr}"
        assert faulty.points(query, once), query.expr


def test_windows_of_the_lab_are_those_of_the_rules(healthy):
    for name in alert_lab_panels.variables():
        expression = (
            alert_lab_panels.variable_query(name).removeprefix("query_result(").removesuffix(")")
        )
        assert healthy.number(expression) == float(healthy.choices[f"${{{name}}}"])


@pytest.mark.parametrize("panel", panel_values.FAILED_SHARES)
def test_the_failed_share_is_the_injected_one(faulty, panel):
    query, labels = panel_values.FAILED_SHARES[panel]
    assert faulty.value(query, faulty.end, **labels) == pytest.approx(
        recorded_drills.FAILED_SHARE, rel=0.1
    )


@pytest.mark.parametrize("panel", panel_values.FAILURE_RATES)
def test_the_rate_of_failures_is_the_injected_one(faulty, panel):
    rate = panel_values.FAILURE_RATES[panel]
    requests = faulty.value(rate.requests, faulty.end, **rate.requests_labels)
    assert faulty.value(rate.failures, faulty.end, **rate.failures_labels) == pytest.approx(
        recorded_drills.FAILED_SHARE * requests, rel=0.1
    )


@pytest.mark.parametrize("panel", panel_values.SATURATION_FIGURES)
def test_stuck_workers_and_starved_users_are_counted(faulty, panel):
    query, labels, truth = panel_values.SATURATION_FIGURES[panel]
    assert faulty.value(query, faulty.end, **labels) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize(
    "heatmap",
    [golden_signals_panels.CLIENT_HEATMAP, golden_signals_panels.SERVER_HEATMAP],
    ids=lambda content: content.title,
)
def test_the_heatmaps_show_the_injected_latency(faulty, heatmap):
    """The latency is 300 ms, and the time that the request takes by itself."""
    at = faulty.faults["latency"]["end"]
    below, up_to, every = (
        faulty.value(heatmap.queries[0], at, le=bound) for bound in ("0.25", "0.5", "+Inf")
    )
    assert up_to - below > 0.9 * every


def made_up(name, at, value_at, **labels):
    """Return a series of twenty seconds."""
    series = remote.series({"__name__": name, "job": "api", "instance": "a", **labels})
    for second in range(21):
        series.samples.add(value=value_at(second), timestamp=round((at - 20 + second) * 1000))
    return series


STALE = struct.unpack(">d", bytes.fromhex("7ff0000000000002"))[0]
"""The value that Prometheus stores where a series ends."""


@pytest.mark.parametrize(
    ("chosen", "users"), [(".*", {"a": 3, "b": 5}), ("a", {"a": 3}), ("a|b", {"a": 3, "b": 5})]
)
def test_overlaid_runs_are_shown_as_chosen(chosen, users):
    now = time.time()
    series = [
        made_up("locust_users", now, lambda _, users=users: users, run=run)
        for run, users in (("a", 3), ("b", 5))
    ]
    series += [made_up("locust_test_info", now, lambda _: 1, run=run, run_id=run) for run in "ab"]
    with Interrupt() as interrupt, RecordedPrometheus(None, interrupt) as reopened:
        remote.write(reopened.prom.url, series)
        samples = reopened.prom.instant(
            client_panels.USERS.queries[1].with_variables(
                {**golden_signals_panels.ALL_SELECTED, "$run": chosen}
            ),
            now,
        )
    assert {sample.labels["run"]: sample.value for sample in samples} == users


@pytest.mark.parametrize(("chosen", "users"), [(".*", {3, 5}), ("a", {3}), ("b", {5})])
def test_the_time_of_the_chosen_run_is_shown(chosen, users):
    now = time.time()
    series = [
        made_up("locust_users", now, lambda second: 3 if second < 10 else 5),
        made_up("locust_test_info", now, lambda second: 1 if second < 10 else STALE, run_id="a"),
        made_up("locust_test_info", now, lambda second: STALE if second < 10 else 1, run_id="b"),
    ]
    with Interrupt() as interrupt, RecordedPrometheus(None, interrupt) as reopened:
        remote.write(reopened.prom.url, series)
        expression = client_panels.USERS.queries[1].with_variables(
            {**golden_signals_panels.ALL_SELECTED, "$run": chosen}
        )
        shown = reopened.prom.range(expression, now - 20, now)
    assert {value for line in shown for value in line.values()} == users


def test_container_limits_are_shown_where_there_are_any():
    """The container has 1.5 cores and 256 MiB, and is throttled in a quarter of its periods."""
    now = time.time()
    series = [
        made_up("container_cpu_limit_cores", now, lambda _: 1.5),
        made_up("container_memory_limit_bytes", now, lambda _: 2**28),
        made_up("container_cpu_periods_total", now, lambda second: 8 * second),
        made_up("container_cpu_throttled_periods_total", now, lambda second: 2 * second),
    ]
    excused = {
        query.expr: query
        for dashboard, _, query, _ in dashboards.PANEL_QUERIES
        if query.requires in {saturation_panels.A_QUOTA, saturation_panels.A_MEMORY_LIMIT}
        and dashboard == "saturation"
    }
    with Interrupt() as interrupt, RecordedPrometheus(None, interrupt) as reopened:
        remote.write(reopened.prom.url, series)
        values = [
            reopened.prom.number(query.with_variables(golden_signals_panels.ALL_SELECTED), now)
            for query in excused.values()
        ]
    assert values == [1.5, 2**28, 0.25]


def test_panels_of_open_loops_are_empty_for_closed_ones(healthy, opened):
    of_open_loops = [
        (query, once)
        for _, _, query, once in dashboards.PANEL_QUERIES
        if query.requires == golden_signals_panels.OPEN_WORKLOAD
    ]
    assert of_open_loops
    for query, once in of_open_loops:
        assert opened.points(query, once), query.expr
        assert not healthy.points(query, once), f"it is shown of a closed one: {query.expr}"


def test_panels_tell_that_an_open_loop_found_no_slot(opened):
    at = opened.end - 2  # Every rate looks back on the load alone.
    due, begun, _ = (opened.value(query, at) for query in golden_signals_panels.ARRIVALS.queries)
    assert (due, begun) == (pytest.approx(40, rel=0.1), pytest.approx(20, rel=0.2))
    in_flight, without_slot, limit = (
        opened.value(query, at) for query in client_panels.SLOTS.queries
    )
    assert (in_flight, limit) == (pytest.approx(20, abs=1), 20)
    # The fault began 7 s ago. Since then 40 arrivals a second were due, and 20 started.
    # The metrics may be a second old.
    assert without_slot == pytest.approx(20 * 7, abs=20 + 5)
    from_schedule, from_sending, late, _ = (
        opened.value(query, at) for query in golden_signals_panels.FROM_SCHEDULE.queries
    )
    assert from_sending < 2
    assert late > 2
    assert from_schedule > from_sending + 2
