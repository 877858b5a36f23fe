"""Locust's own statistics of a run, to compare with what the run recorded."""

import json


def request_totals(run):
    """Return Locust's own final counts: (requests, failures)."""
    entries = _entries(run)
    return (
        sum(entry["num_requests"] for entry in entries),
        sum(entry["num_failures"] for entry in entries),
    )


def p99_ms(run):
    """Return Locust's own 99th percentile in milliseconds, as it would print it."""
    counts = {}
    for entry in _entries(run):
        for time_ms, count in entry["response_times"].items():
            counts[float(time_ms)] = counts.get(float(time_ms), 0) + count
    rank, passed = 0.99 * sum(counts.values()), 0
    for time_ms in sorted(counts):
        passed += counts[time_ms]
        if passed >= rank:
            return time_ms
    return None


def _entries(run):
    return json.loads((run.folder / "locust_stats.json").read_text())
