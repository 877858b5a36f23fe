"""Beside an open loop: an arrival waits for a user as long as it takes. A machine that stands still makes it late, and drops none."""

import sys

from firedrill.places import ROOT

sys.path.append(str(ROOT / "load"))
import backlog  # where Locust finds it as well, before the open loop has read it

backlog.PATIENCE_SECONDS = 3600.0
backlog.SETTLED_SECONDS = 3601.0
