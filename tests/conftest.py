"""Which worker runs what: tests that share something slow stay together, and the longest begin first."""

import pytest

TOGETHER = ("tests/compose/", "tests/browser/", "tests/integration/test_dashboard_queries.py", "tests/integration/test_backtest.py")
"""Each shares a stack or a recorded drill, the longest first. By path: with pytest 9 xdist's own groups are not seen."""


def together(nodeid):
    """What a test shares with others; itself if nothing."""
    return next((path for path in TOGETHER if nodeid.startswith(path)), nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The longest first, so that nobody waits for them at the end."""
    rank = {path: number for number, path in enumerate(TOGETHER)}
    items.sort(key=lambda item: rank.get(together(item.nodeid), len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hands out what belongs together at once."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 -- only where xdist runs

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return together(nodeid)

    return Together(config, log)
