"""A Locust plugin for any locustfile: the exporter and the load shape of a profile.

    locust -f yours.py,load/firedrill_plugin.py --load-profile launch

Locust loads a `-f` file as a top-level module, which replaces another of that name; so this file
has a name that no user's file has.
"""

import firedrill_load.played_profile  # noqa: F401 # isort: split - before the exporter
import locust_exporter.plugin  # noqa: F401 - registers the exporter
from firedrill_load.profile_shape import ProfileShape

__all__ = ["ProfileShape"]
