"""The time that it takes to build every dashboard."""

import time

from grafana.source.__main__ import DASHBOARDS, built


def test_all_dashboards_are_built_within_a_second(proof):
    def measure():
        began = time.perf_counter()
        for name in DASHBOARDS:
            built(name)
        return {"all dashboards (s)": time.perf_counter() - began}

    proof.holds(measure, repeats=5, at_most={"all dashboards (s)": 1.0})
