"""Requests to reload, repeated until every reader of the mirrored folder has reloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import http_client
from firedrill.stack.rule_watch import watch_messages

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class ReloadRequests:
    """Requests to the programs that read the mirrored folder, repeated until each has reloaded."""

    urls: frozenset[str]
    """Base URLs of the programs."""
    say: Callable[[str], None]
    """Prints a message."""
    _due: set[str] = field(default_factory=set)
    _changed: bool = False
    """Whether something changed that `newly_up_to_date` has not confirmed yet."""
    _refused: set[str] = field(default_factory=set)
    _silent: set[str] = field(default_factory=set)
    """Programs whose silence was reported already."""

    def require(self) -> None:
        """Make a reload due for every program."""
        self._due, self._changed = set(self.urls), True
        self._refused.clear()
        self._silent.clear()

    def attempt(self) -> bool:
        """Ask for the reloads that are due; return whether none is due any more."""
        for url in sorted(self._due):
            self._request(url)
        return not self._due

    def newly_up_to_date(self) -> bool:
        """Return whether all programs have loaded the last change; True once for a change."""
        changed = self._changed
        self._changed = changed and bool(self._due)
        return changed and not self._due and not self._refused

    def _request(self, url: str) -> None:
        try:
            answer = http_client.request("POST", f"{url}/-/reload", timeout_seconds=5)
        except http_client.NoAnswer:
            if url not in self._silent:
                self.say(watch_messages.no_answer(url))
            self._silent.add(url)
            return
        self._due.discard(url)
        if answer.ok:
            self.say(watch_messages.reloaded(url))
        else:
            self._refused.add(url)
            self.say(watch_messages.refused(url, answer.text()))
