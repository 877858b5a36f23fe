"""A patient open workload: an arrival waits for a user as long as it takes.

A machine that stands still makes it late and drops none.
"""

from firedrill_load.open_loop import backlog

backlog.PATIENCE_SECONDS = 3600.0
backlog.SETTLED_SECONDS = 3601.0
