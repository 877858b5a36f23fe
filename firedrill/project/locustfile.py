"""The text of a first locustfile: a task for each route that can be requested safely."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.project.openapi import Route

HEAD = '''"""The load on this application, which `firedrill run` plays. It is yours to change.

Each task is one GET request; add weights (`@task(3)`), logins and writes as your users do them.
"""

from locust import FastHttpUser, between, task


class Visitor(FastHttpUser):
    """Requests every route that can be read."""

    wait_time = between(0.5, 1)
'''

TASK = """
    @task
    def {function}(self):
        self.client.get({path}{name})
"""


def text(routes: Sequence[Route]) -> str:
    """Return the locustfile; without a route to request it requests `/`."""
    parts, used = [HEAD], {"client", "wait_time", "tasks", "host", "weight"}
    playable = [route for route in routes if route.path is not None]
    for route in playable:
        function = _function(route.name, used)
        used.add(function)
        name = "" if route.path == route.name else f", name={route.name!r}"
        parts.append(TASK.format(function=function, path=repr(route.path), name=name))
    if not playable:
        parts.append(TASK.format(function="front_page", path="'/'", name=""))
    left_out = [route for route in routes if route.path is None]
    if left_out:
        parts.append("\n    # Left out, because a parameter has no example:\n")
        parts += [
            f"    # GET {_line(route.name)}: {_line(', '.join(route.missing))}\n"
            for route in left_out
        ]
    return "".join(parts)


def _function(name: str, used: set[str]) -> str:
    """Return a name of a function that no other task has."""
    words = "_".join(re.findall(r"[a-z0-9]+", name.lower()))[:50] or "front_page"
    base = f"get_{words}" if words[0].isdigit() or keyword.iskeyword(words) else words
    if base.startswith("on_"):  # Locust calls `on_start` and `on_stop` itself.
        base = f"get_{base}"
    number, function = 2, base
    while function in used:
        function, number = f"{base}_{number}", number + 1
    return function


def _line(written: str) -> str:
    """Return a text as one line of a comment."""
    return written.encode("unicode_escape").decode()
