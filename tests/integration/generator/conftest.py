"""The server that tests of the load generator send load to."""

import pytest

from tests.target_server import Target


@pytest.fixture
def target():
    with Target() as target:
        yield target
