"""After a real drill every query of every panel returns data on a real Prometheus, and what was injected is what is shown.

What is empty when all is well has to say so, with the reason, and is shown by a drill in which not all is well.
"""

import struct
import time

import pytest

from firedrill.interrupt import Interrupt
from firedrill.stack import remote
from firedrill.stack.reopened import Reopened
from grafana.source import alert_signals, client_signals, saturation_signals, server_signals, signals
from tests import dashboards, drilling

STUCK, THREADS, FAILING = 100, 200, 0.2
FAULTS = f"""\
faults:
  - {{start_time: 0s, for: 1m, errors: {FAILING:.0%}}}
  - {{start_time: 0s, for: 14s, latency: 300ms}}
  - {{start_time: 5s, for: 1m, stuck: {STUCK}}}
"""
MINE = """\
groups:
  - name: mine
    rules:
      - {alert: Now, expr: vector(1)}
      - {alert: Later, expr: vector(1), for: 1h}
"""


class Shown:
    """What the dashboards show of a run: its whole window."""

    def __init__(self, run, reopened):
        recorded = run.recorded()
        self.start, self.end = recorded.start, recorded.end
        self.faults = {each["fault"]: each for each in run.read()["faults"]}
        self._prom = reopened.prom
        self.choices = {**alert_signals.choices(run.read()["time_scale"]), "$__range": f"{self.end - self.start:.0f}s"}

    def points(self, query, once):
        """How many values a panel gets: of all times, or of the last one if it asks for no other."""
        asked = query.asked(self.choices)
        if once:
            return len(self._prom.instant(asked, self.end))
        return sum(len(series.values()) for series in self._prom.range(asked, self.start, self.end))

    def number(self, asked):
        """An expression's value at the end."""
        return self._prom.number(asked.replace("$__range", self.choices["$__range"]), self.end)

    def value(self, query, at, **labels):
        """The value of one series at a time; of a table, as if the ten seconds before were shown."""
        found = self._prom.instant(query.asked({**self.choices, "$__range": "10s"}), at)
        fitting = [sample.value for sample in found if labels.items() <= sample.labels.items()]
        assert len(fitting) == 1, f"{query.expr} at {at}: {found}"
        return fitting[0]


def shown(run):
    with Interrupt() as interrupt, Reopened(run.recorded().data, interrupt) as reopened:
        yield Shown(run, reopened)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    drill = drilling.start(tmp_path_factory.mktemp("healthy"), "smoke")
    assert drill.finish()[0] == 0
    yield from shown(drill.run())


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A fifth of the requests fails; for a while all are slow, then half of the workers are stuck."""
    folder = tmp_path_factory.mktemp("faulty")
    file = drilling.profile(folder, users=140, seconds=20, slo="{errors: 50%, starved_users: 0}")
    file.write_text(file.read_text() + FAULTS)
    (folder / "mine.yml").write_text(MINE)
    drill = drilling.start(folder / "runs", file, "--threads", THREADS, "--connection-limit", "1000", "--rules", folder / "mine.yml")
    # A busy machine can make the generator late, and the run invalid: that changes no share, and no count of who is stuck.
    assert drill.finish()[0] in {1, 4}
    yield from shown(drill.run())


def test_every_query_of_every_panel_returns_data(healthy):
    found = [(page, title, query, healthy.points(query, once)) for page, title, query, once in dashboards.SHOWN]
    print("\n   points  dashboard       panel: series")
    for page, title, query, points in found:
        print(f"{points:9}  {page:14}  {title}: {query.legend}  {_excused(query) or ''}")
    assert [(page, title, query.expr) for page, title, query, points in found if not points and not _excused(query)] == []


def _excused(query):
    return query.empty_when_healthy or query.only_where or (query.exemplars and "exemplars, and no series")


def test_what_is_empty_when_healthy_is_so_for_its_reason(healthy, faulty):
    excused = [(query, once) for _, _, query, once in dashboards.SHOWN if query.empty_when_healthy]
    assert excused
    for query, once in excused:
        assert not healthy.points(query, once), f"it is not: {query.expr}"
        assert faulty.points(query, once), query.expr


def test_windows_of_the_lab_are_as_long_as_those_of_the_drill_s_rules(healthy):
    for name in alert_signals.variables():
        asked = alert_signals.looked_up(name).removeprefix("query_result(").removesuffix(")")
        assert healthy.number(asked) == float(healthy.choices[f"${{{name}}}"])


ERRORS, RATES = signals.ERRORS.queries, signals.TRAFFIC.queries
FRONT_PAGE, ROUTE = {"name": "/"}, {"http_route": "/"}
SHARES = {
    "Errors: client": (ERRORS[0], {}),
    "Errors: server": (ERRORS[1], {}),
    "Failed share by name": (client_signals.FAILURES_BY_NAME.queries[0], FRONT_PAGE),
    "Requests over the time shown: failed": (client_signals.REQUESTS.queries[1], FRONT_PAGE),
    "Routes over the time shown: failed": (server_signals.ROUTES.queries[1], ROUTE),
}
RATED = {
    "Errors by class": (signals.ERROR_CLASSES.queries[0], {"error": "HTTP 500"}, client_signals.RATE_BY_NAME.queries[0], FRONT_PAGE),
    "Responses by status": (
        signals.STATUS_CODES.queries[0],
        {"http_response_status_code": "500"},
        server_signals.RATE_BY_ROUTE.queries[0],
        ROUTE,
    ),
    "Errors by route": (server_signals.ERRORS_BY_ROUTE.queries[0], ROUTE, server_signals.RATE_BY_ROUTE.queries[0], ROUTE),
}
WORKERS = {"resource": "workers"}
STUCK_AT = {
    "Saturation": (signals.SATURATION.queries[0], WORKERS, STUCK / THREADS),
    "Headroom, and what runs out": (signals.HEADROOM.queries[0], WORKERS, 1 - STUCK / THREADS),
    "Lowest headroom": (saturation_signals.LOWEST.queries[0], {}, 1 - STUCK / THREADS),
    "Workers busy": (server_signals.WORKERS_BUSY.queries[0], {}, STUCK / THREADS),
    "Workers: busy, mean": (saturation_signals.WORKERS.queries[0], {}, STUCK),
    "Workers: limit": (saturation_signals.WORKERS.queries[2], {}, THREADS),
    "Users / starved": (signals.USERS.queries[1], {}, STUCK),
    "Requests in flight: longer than 5 s": (client_signals.WAITING.queries[2], {}, STUCK),
}


@pytest.mark.parametrize("panel", SHARES)
def test_the_share_that_fails_is_the_one_that_was_injected(faulty, panel):
    query, labels = SHARES[panel]
    assert faulty.value(query, faulty.end, **labels) == pytest.approx(FAILING, rel=0.1)


@pytest.mark.parametrize("panel", RATED)
def test_so_many_requests_a_second_fail_as_were_made_to(faulty, panel):
    failed, which, requests, of = RATED[panel]
    assert faulty.value(failed, faulty.end, **which) == pytest.approx(FAILING * faulty.value(requests, faulty.end, **of), rel=0.1)


@pytest.mark.parametrize("panel", STUCK_AT)
def test_so_many_workers_are_busy_and_users_starve_as_were_made_to(faulty, panel):
    query, labels, truth = STUCK_AT[panel]
    assert faulty.value(query, faulty.end, **labels) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("heatmap", [signals.CLIENT_HEATMAP, signals.SERVER_HEATMAP], ids=lambda signal: signal.title)
def test_the_heatmaps_show_the_latency_that_was_injected(faulty, heatmap):
    """300 ms, and what the request takes by itself."""
    at = faulty.faults["latency"]["end"]
    below, up_to, every = (faulty.value(heatmap.queries[0], at, le=bound) for bound in ("0.25", "0.5", "+Inf"))
    assert up_to - below > 0.9 * every


def made_up(name, at, value_at, **labels):
    """A series of twenty seconds."""
    series = remote._CLASS["TimeSeries"]()
    for label, value in sorted({"__name__": name, "job": "api", "instance": "a", **labels}.items()):
        series.labels.add(name=label, value=value)
    for second in range(21):
        series.samples.add(value=value_at(second), timestamp=round((at - 20 + second) * 1000))
    return series


STALE = struct.unpack(">d", bytes.fromhex("7ff0000000000002"))[0]
"""What Prometheus stores where a series ends."""


@pytest.mark.parametrize(("chosen", "users"), [(".*", {"a": 3, "b": 5}), ("a", {"a": 3}), ("a|b", {"a": 3, "b": 5})])
def test_of_runs_laid_over_each_other_the_chosen_are_shown_each_for_itself(chosen, users):
    now = time.time()
    series = [made_up("locust_users", now, lambda _, users=users: users, run=run) for run, users in (("a", 3), ("b", 5))]
    series += [made_up("locust_test_info", now, lambda _: 1, run=run, run_id=run) for run in "ab"]
    with Interrupt() as interrupt, Reopened(None, interrupt) as reopened:
        remote.write(reopened.prom.url, series)
        found = reopened.prom.instant(signals.USERS.queries[0].asked({**signals.EVERYTHING, "$run": chosen}), now)
    assert {sample.labels["run"]: sample.value for sample in found} == users


@pytest.mark.parametrize(("chosen", "users"), [(".*", {3, 5}), ("a", {3}), ("b", {5})])
def test_of_runs_after_each_other_the_time_of_the_chosen_is_shown(chosen, users):
    now = time.time()
    series = [
        made_up("locust_users", now, lambda second: 3 if second < 10 else 5),
        made_up("locust_test_info", now, lambda second: 1 if second < 10 else STALE, run_id="a"),
        made_up("locust_test_info", now, lambda second: STALE if second < 10 else 1, run_id="b"),
    ]
    with Interrupt() as interrupt, Reopened(None, interrupt) as reopened:
        remote.write(reopened.prom.url, series)
        asked = signals.USERS.queries[0].asked({**signals.EVERYTHING, "$run": chosen})
        found = reopened.prom.range(asked, now - 20, now)
    assert {value for one in found for value in one.values()} == users


def test_what_only_some_machines_have_is_shown_where_they_have_it():
    """Its container has 1.5 cores and 256 MiB, and is stopped in a quarter of its periods."""
    now = time.time()
    series = [
        made_up("container_cpu_limit_cores", now, lambda _: 1.5),
        made_up("container_memory_limit_bytes", now, lambda _: 2**28),
        made_up("container_cpu_periods_total", now, lambda second: 8 * second),
        made_up("container_cpu_throttled_periods_total", now, lambda second: 2 * second),
    ]
    # What alerts read is shown to them by the tests of their rules; an open loop by a drill of its own.
    excused = {
        query.expr: query
        for page, _, query, _ in dashboards.SHOWN
        if query.only_where not in {"", signals.OPEN_LOOP} and page != "alert-lab"
    }
    with Interrupt() as interrupt, Reopened(None, interrupt) as reopened:
        remote.write(reopened.prom.url, series)
        values = [reopened.prom.number(query.asked(signals.EVERYTHING), now) for query in excused.values()]
    assert values == [1.5, 2**28, 0.25]


OPEN = """\
name: opening
arrivals: open
max_in_flight: 20
steps: [{start_time: 0s, rate: 40}]
duration: 12s
slo: {p99: 500ms}
faults: [{start_time: 3s, for: 1m, latency: 1s}]
"""
"""From the fault on 20 slots of a second each do half of what is asked for."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open")
    (folder / "opening.yaml").write_text(OPEN)
    drill = drilling.start(folder / "runs", folder / "opening.yaml", "--threads", THREADS, "--connection-limit", "1000")
    assert drill.finish()[0] in {1, 4}  # Slow from its schedule. Arrivals are dropped, which voids a run, from 5 s of waiting on.
    yield from shown(drill.run())


def test_what_only_an_open_loop_has_is_shown_of_one_and_of_no_other(healthy, opened):
    of_open_loops = [(query, once) for _, _, query, once in dashboards.SHOWN if query.only_where == signals.OPEN_LOOP]
    assert of_open_loops
    for query, once in of_open_loops:
        assert opened.points(query, once), query.expr
        assert not healthy.points(query, once), f"it is shown of a closed one: {query.expr}"


def test_of_an_open_loop_that_found_no_slot_the_panels_tell_so(opened):
    at = opened.end - 2  # Every rate looks back on the load alone.
    due, begun, _ = (opened.value(query, at) for query in signals.ARRIVALS.queries)
    assert (due, begun) == (pytest.approx(40, rel=0.1), pytest.approx(20, rel=0.2))
    in_flight, without_slot, limit = (opened.value(query, at) for query in client_signals.SLOTS.queries)
    assert (in_flight, limit) == (pytest.approx(20, abs=1), 20)
    # Of the 40 a second since the fault began, 7 s before, 20 a second were begun; the page may be a second old.
    assert without_slot == pytest.approx(20 * 7, abs=20 + 5)
    from_schedule, from_sending, late, _ = (opened.value(query, at) for query in signals.FROM_SCHEDULE.queries)
    assert from_sending < 2
    assert late > 2
    assert from_schedule > from_sending + 2
