"""Measure the server in front of the application: its queue, its busy workers and its limits.

Each module knows one server. It changes methods of the server's classes when the server is
imported, so that every way to start it is seen, and it never breaks the server. A limit that a
server does not have, or does not tell, is not exported.
"""

from firedrill.telemetry.servers.waitress import waitress_server
from firedrill.telemetry.servers.werkzeug import development_server

__all__ = ["development_server", "waitress_server"]
