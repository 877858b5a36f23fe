"""The locustfile for every load: the users with a profile's weights and think time, and its shape.

    locust -f load/locustfile.py --load-profile launch -H http://127.0.0.1:8080

Without a profile it is BasicUser under Locust's own options (`--headless -u 1 -r 1 -t 30s`).
"""

from __future__ import annotations

import os

import locust
import locust_exporter.plugin  # registers the exporter
from firedrill_load.played_profile import PROFILE  # isort: split - before the exporter
from firedrill_load.profile_option import or_exit
from firedrill_load.profile_shape import ProfileShape
from firedrill_load.profile_users import chosen_weights
from firedrill_load.users import BasicUser, BrowsingUser, ProfiledUser, task_of
from locust_exporter.profile_info import announced

from firedrill.target_paths import VARIABLE, from_variable

__all__ = ["BasicUser", "BrowsingUser", "ProfileShape", "locust_exporter"]

USERS = {user.__name__: user for user in (BasicUser, BrowsingUser)}


def choose_users() -> None:
    """Keep the users that the profile asks for, with its weights and its think time."""
    weights = chosen_weights(PROFILE, USERS)
    for name, user in USERS.items():
        user.abstract = name not in weights  # which Locust does not run
        user.weight = weights.get(name, 0)
    if PROFILE:
        ProfiledUser.wait_time = locust.between(*PROFILE.think_time_seconds)
        if not PROFILE.open_loop:
            announced().think_time_seconds = sum(PROFILE.think_time_seconds) / 2


def choose_requests() -> None:
    """Let all users send the requests of FIREDRILL_PATHS, where it names some."""
    tasks = [task_of(asked) for asked in from_variable(os.environ.get(VARIABLE))]
    for user in USERS.values():
        user.tasks = tasks or user.tasks


or_exit(choose_users)
or_exit(choose_requests)
