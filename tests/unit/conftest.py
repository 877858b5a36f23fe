"""Fixtures that several folders of unit tests use."""

import socket

import pytest

from firedrill.contract import LOOPBACK


@pytest.fixture
def silent_url():
    """An address that refuses every connection: its port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield f"http://{LOOPBACK}:{taken.getsockname()[1]}"
