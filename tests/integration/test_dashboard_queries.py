"""After a real drill every query of every panel returns data on a real Prometheus, or is empty because nothing was wrong."""

import json

import pytest

from firedrill import places
from firedrill.interrupt import Interrupt
from firedrill.stack.reopened import Reopened
from grafana.source import signals
from tests import drilling

pytestmark = pytest.mark.timeout(120)

PAGES = sorted((places.GRAFANA / "dashboards").glob("*.json"))
EMPTY_WHEN_HEALTHY = {
    query.expr
    for signal in vars(signals).values()
    if isinstance(signal, signals.Signal)
    for query in signal.queries
    if query.empty_when_healthy
}
CHOICES = {"$job": ".+", "$instance": ".+", "$__rate_interval": "4s"}


def substituted(expr):
    for name, value in CHOICES.items():
        expr = expr.replace(name, value)
    return expr


def points(recorded, expr):
    """How many values an expression has over the run."""
    with Interrupt() as interrupt, Reopened(recorded.data, interrupt) as reopened:
        return {
            one: sum(len(series.values()) for series in reopened.prom.range(substituted(one), recorded.start, recorded.end)) for one in expr
        }


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    drill = drilling.start(tmp_path_factory.mktemp("healthy"), "smoke")
    assert drill.finish()[0] == 0
    return drill.run().recorded()


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """A run in which half of what the client asks for is refused with 503."""
    folder = tmp_path_factory.mktemp("refused")
    theirs = drilling.LOCUSTFILES / "theirs.py"
    drill = drilling.start(folder / "runs", drilling.profile(folder, users=4, seconds=8), "--locustfile", theirs)
    assert drill.finish()[0] == 1
    return drill.run().recorded()


def test_every_query_of_every_panel_returns_data(healthy):
    targets = {
        target["expr"]: panel["title"] for page in PAGES for panel in json.loads(page.read_text())["panels"] for target in panel["targets"]
    }
    found = points(healthy, targets)
    print(*(f"{found[expr]:6} points  {title}: {expr}" for expr, title in targets.items()), sep="\n")
    assert {targets[expr]: expr for expr, count in found.items() if not count and expr not in EMPTY_WHEN_HEALTHY} == {}


def test_what_is_empty_when_healthy_is_not_when_requests_fail(refused):
    assert EMPTY_WHEN_HEALTHY
    assert all(points(refused, EMPTY_WHEN_HEALTHY).values())
