"""The store behind /items: a fixed catalogue, and a bounded number of created items."""

from __future__ import annotations

import threading
from collections import OrderedDict

CATALOGUE = 1000
"""Items 1 to 1000 always exist, so that a load test finds what it asks for."""
MAX_CREATED = 1000
"""Created items that are kept; the oldest is removed first, because load tests write for hours."""
MAX_NAME_CHARACTERS = 100


class Items:
    """Names by id, safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._created: OrderedDict[int, str] = OrderedDict()
        self._next = CATALOGUE + 1

    def name(self, number: int) -> str | None:
        """Return the item's name, None if there is none."""
        return f"item {number}" if 1 <= number <= CATALOGUE else self._created.get(number)

    def create(self, name: str) -> int:
        """Store a name; return its id."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._created[number] = name
            if len(self._created) > MAX_CREATED:
                self._created.popitem(last=False)
        return number
