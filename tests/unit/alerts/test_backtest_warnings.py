"""A backtest warns about what it cannot see."""

import pytest

from firedrill.alerts.backtest import warnings
from firedrill.alerts.replay.environment import find_gaps
from firedrill.alerts.rules import rule_file


def test_a_time_without_any_scrape_is_reported():
    ((earlier_ms, later_ms),) = find_gaps([100_000, 101_000, 113_000, 114_000], 100.0)
    warning = warnings.gap(earlier_ms, later_ms, 100.0)
    assert warning.startswith("nothing was scraped for 12 s, 1 s after the load began")


@pytest.mark.parametrize(("stretch", "advised"), [(1, True), (12, False)])
def test_stretching_is_not_advised_where_it_cannot_help(tmp_path, stretch, advised):
    file = tmp_path / "r.yml"
    file.write_text("groups:\n- name: g\n  rules:\n  - {alert: Long, expr: 'rate(x[1h])'}\n")
    (warning,) = warnings.about_rules(rule_file.read(file), {"Long"}, {"x"}, 720.0, stretch)
    assert warning.startswith("the load lasts 720 s, less than a window or `for` of Long")
    assert ("--stretch" in warning) is advised


@pytest.mark.parametrize(
    ("recorded", "replayed", "is_said"),
    [("3.16.0", "2.42.0+ds", True), ("2.55.1", "2.42.0", False), ("", "3.1.0", False)],
)
def test_a_run_of_another_prometheus_version_is_reported(recorded, replayed, is_said):
    assert (
        any(
            f"recorded by Prometheus {recorded}" in warning
            for warning in warnings.other_version(recorded, replayed)
        )
        == is_said
    )
