"""What each panel's queries take on an hour of samples, one a second.

A recorded drill of the smoke profile (three kinds of request, four routes) is repeated until it fills an hour, in a Prometheus of its own.
Every query of every dashboard is asked as Grafana asks it for a panel of that width on a screen of 1440 pixels, five times, of which the
fastest counts. Aim: 50 ms. The five slowest are listed. Run: `python -m bench.dashboard_queries`.
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
from firedrill.prometheus.recorded_data import Reopened
from grafana.source import alert_lab_panels
from grafana.source.golden_signals_panels import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.prometheus.client import Prometheus

HOUR_SECONDS = 3600
ROUNDS = 5
TIME_SCALE = 12.0
"""The drill's."""
SHOWN = 5
STEP_SECONDS = {True: 2, False: 5}
"""Grafana's step for an hour, by whether the panel is as wide as the page."""


def panels() -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Dashboard, panel and target."""
    for file in sorted((places.GRAFANA / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield file.stem, panel, target


def milliseconds(
    prom: Prometheus, panel: Mapping[str, Any], target: Mapping[str, Any], start: float
) -> float:
    """The fastest of the rounds: what else the machine does only adds."""
    step = STEP_SECONDS[panel["gridPos"]["w"] == 24]
    choices = {
        **alert_lab_panels.variable_values(TIME_SCALE),
        "$__rate_interval": f"{max(step + 1, 4)}s",
        "$__range": f"{HOUR_SECONDS}s",
    }
    asked = Query(target["expr"], "").with_variables(choices)
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        if target["instant"]:
            prom.instant(asked, start + HOUR_SECONDS - 1)
        else:
            prom.range(asked, start, start + HOUR_SECONDS - 1, step)
        taken.append((time.perf_counter() - began) * 1000)
    return min(taken)


def main() -> None:
    """Measure, print, save."""
    with tempfile.TemporaryDirectory() as folder, Interrupt() as interrupt:
        samples = long_recording.samples_of(long_recording.record(folder), interrupt)
        start = time.time() - HOUR_SECONDS
        with Reopened(None, interrupt) as hour:
            long_recording.fill(hour.prom.url, samples, start, HOUR_SECONDS)
            found = [
                (page, panel, target, milliseconds(hour.prom, panel, target, start))
                for page, panel, target in panels()
            ]
    slowest = sorted(found, key=lambda one: -one[3])
    rows = [
        {
            "dashboard": page,
            "panel": panel["title"],
            "series": target["legendFormat"].removesuffix(" {{run}}"),
            "ms": round(taken, 1),
        }
        for page, panel, target, taken in slowest[:SHOWN]
    ]
    table(rows)
    print(f"{len(found)} queries, median {statistics.median(one[3] for one in found):.1f} ms")
    save("dashboard_queries", rows)


if __name__ == "__main__":
    main()
