"""The pooled connections of users: whether one is open, and how a user closes its own.

The check also works in processes with more than a thousand connections.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import gevent.monkey

if TYPE_CHECKING:
    from geventhttpclient.connectionpool import ConnectionPool

POLL = gevent.monkey.get_original("select", "poll")
"""The poll() that does not switch to other users."""


def is_idle(_pool: ConnectionPool, connection: Any) -> bool:
    """Return whether a pooled connection is open; if it can be read, the server closed it."""
    if connection is None or connection.fileno() < 0:
        return False
    poller = POLL()
    poller.register(connection.fileno(), select.POLLIN)
    return not poller.poll(0)


def close_connections(user: Any) -> None:
    """Close the pooled connections of an idle user of Locust's HTTP clients; others have none."""
    session = getattr(user, "client", None)
    # FastHttpSession has its pool in a user agent, requests.Session has adapters.
    pool = getattr(getattr(session, "client", None), "clientpool", None)
    close = getattr(pool or session, "close", None)
    if close:
        close()
