"""How long each panel's queries take on an hour of samples, one a second.

A recorded drill of the smoke profile (three kinds of request, four routes) is repeated until it
fills an hour, in a Prometheus of its own. Every query of every dashboard is sent as Grafana sends
it for a panel of that width on a screen of 1440 pixels. The fastest of five times counts. The table
lists the five slowest queries. Aim: 50 ms. Run: `python -m bench.dashboard_queries`.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

from bench.loads import long_recording
from bench.result_tables import save, table
from firedrill import places
from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from grafana.source import alert_lab_panels
from grafana.source.dashboard_layout import panels_in
from grafana.source.golden_signals_panels import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.prometheus.client import Prometheus

HOUR_SECONDS = 3600
ROUNDS = 5
TIME_SCALE = 12.0
"""Time scale of the drill."""
SHOWN = 5
FULL_WIDTH_STEP_SECONDS, HALF_WIDTH_STEP_SECONDS = 2, 5
"""Grafana's step for an hour in a panel of full width and in a narrower one."""


def panels() -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield dashboard, panel and target of every query."""
    for file in sorted((places.GRAFANA / "dashboards").glob("*.json")):
        for panel in panels_in(json.loads(file.read_text())):
            for target in panel["targets"]:
                yield file.stem, panel, target


def milliseconds(
    prom: Prometheus, panel: Mapping[str, Any], target: Mapping[str, Any], start: float
) -> float:
    """Return the fastest of the rounds: other work of the machine only adds."""
    has_full_width = panel["gridPos"]["w"] == 24
    step = FULL_WIDTH_STEP_SECONDS if has_full_width else HALF_WIDTH_STEP_SECONDS
    choices = {
        **alert_lab_panels.variable_values(TIME_SCALE),
        "$__rate_interval": f"{max(step + 1, 4)}s",
        "$__range": f"{HOUR_SECONDS}s",
    }
    query = Query(target["expr"], "").with_variables(choices)
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        if target["instant"]:
            prom.instant(query, start + HOUR_SECONDS - 1)
        else:
            prom.range(query, start, start + HOUR_SECONDS - 1, step)
        taken.append((time.perf_counter() - began) * 1000)
    return min(taken)


def main() -> None:
    """Measure, print, save."""
    with tempfile.TemporaryDirectory() as folder, Interrupt() as interrupt:
        samples = long_recording.samples_of(long_recording.record(folder), interrupt)
        start = time.time() - HOUR_SECONDS
        with RecordedPrometheus(None, interrupt) as hour:
            long_recording.fill(hour.prom.url, samples, start, HOUR_SECONDS)
            timed = [
                (dashboard, panel, target, milliseconds(hour.prom, panel, target, start))
                for dashboard, panel, target in panels()
            ]
    slowest = sorted(timed, key=lambda row: -row[3])
    rows = [
        {
            "dashboard": dashboard,
            "panel": panel["title"],
            "series": target["legendFormat"].removesuffix(" {{run}}"),
            "ms": round(taken, 1),
        }
        for dashboard, panel, target, taken in slowest[:SHOWN]
    ]
    table(rows)
    print(f"{len(timed)} queries, median {statistics.median(row[3] for row in timed):.1f} ms")
    save("dashboard_queries", rows)


if __name__ == "__main__":
    main()
