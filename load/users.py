"""The bundled Locust users, whose weights and think time a profile replaces (locustfile.py).

They are FastHttpUsers, because one core sends 3.3 times as many requests with them as with
HttpUser (1229 against 378 a second). A generator that is short of CPU reports its own delays as
the API's.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import locust

from firedrill.contract import RUN_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.target_paths import TargetPath

RUN_ID = os.environ.get("FIREDRILL_RUN_ID")


class ProfiledUser(locust.FastHttpUser):
    """A user that marks its requests with the run's id, which tells them from probes."""

    abstract = True
    default_headers = {RUN_ID_HEADER: RUN_ID} if RUN_ID else {}
    wait_time = locust.between(0.5, 1)


class BasicUser(ProfiledUser):
    """A user that requests `/`, thinks, and requests it again."""

    @locust.task
    def index(self) -> None:
        """Request the front page."""
        self.client.get("/")


class BrowsingUser(ProfiledUser):
    """A user that looks around: it mostly reads, and writes now and then."""

    @locust.task(6)
    def index(self) -> None:
        """Request the front page."""
        self.client.get("/")

    @locust.task(3)
    def item(self) -> None:
        """Request one of many items, under one name: each id would be a series of its own."""
        self.client.get(f"/items/{random.randint(1, 1000)}", name="/items/[id]")  # noqa: S311 - a visitor's whim, no secret

    @locust.task(1)
    def add_item(self) -> None:
        """Create an item: a small write."""
        self.client.post("/items", json={"name": "lantern"})


def task_of(asked: TargetPath) -> Callable[[ProfiledUser], None]:
    """Return a task that sends this request, under the name of its path."""
    headers = {} if asked.body is None else {"Content-Type": "application/json"}

    def request(user: ProfiledUser) -> None:
        user.client.request(asked.method, asked.path, data=asked.body, headers=headers)

    return request
