"""Whether a connection that is kept for later can still be used, of processes with more than a thousand of them."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import gevent.monkey

if TYPE_CHECKING:
    from geventhttpclient.connectionpool import ConnectionPool

POLL = gevent.monkey.get_original("select", "poll")
"""The one that does not hand over to other users."""


def is_idle(_pool: ConnectionPool, connection: Any) -> bool:
    """Whether a pooled connection is open and has nothing to read, which would be its end."""
    if connection is None or connection.fileno() < 0:
        return False
    poller = POLL()
    poller.register(connection.fileno(), select.POLLIN)
    return not poller.poll(0)
