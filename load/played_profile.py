"""The load profile that this process plays, whose objectives become bucket bounds.

Import it before the exporter: the bounds are fixed when firedrill.contract is imported.
"""

from __future__ import annotations

import os
import sys

from firedrill.objectives import BOUNDS_VARIABLE, bounds_text

from .profile_option import chosen_profile, or_exit

PROFILE = or_exit(lambda: chosen_profile(sys.argv[1:], os.environ))

if PROFILE:
    os.environ[BOUNDS_VARIABLE] = bounds_text(PROFILE.objective_seconds())
