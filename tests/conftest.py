"""The order of the whole suite."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The composed stack's tests stay on one worker and take the longest: they begin first, so that nobody waits for them at the end."""
    items.sort(key=lambda item: "/compose/" not in item.nodeid)
