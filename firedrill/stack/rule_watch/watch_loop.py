"""The loop of `alerts watch`: look at the files, copy what was saved, have it reloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.errors import BadInput
from firedrill.stack.rule_watch import watch_messages
from firedrill.stack.rule_watch.reload_requests import ReloadRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firedrill.interrupt import Interrupt
    from firedrill.stack.rule_watch.mirror import Mirror

POLL_SECONDS = 0.5
"""Time between two looks.

Files are polled, because a folder shared with a virtual machine (Docker on a Mac) sends no events.
"""


def watch(
    mirror: Mirror, reload_urls: Sequence[str], interrupt: Interrupt, say: Callable[[str], None]
) -> None:
    """Keep a mirror up to date, and have the programs at the URLs reload, until the user stops it.

    Raises:
        BadInput: the source has no rules, or no prometheus.yml where that is mirrored.
    """
    # Without this check every loaded rule would be taken for one that was deleted.
    needed = "rules" if mirror.rules_only else "prometheus.yml"
    if not (mirror.source / needed).exists():
        raise BadInput(
            f"--source {mirror.source}: has no {needed}; "
            "expected a folder such as the bundle's prometheus/"
        )
    requests = ReloadRequests(frozenset(reload_urls), say)
    while True:
        changed, messages = mirror.update()
        for message in messages:
            say(message)
        if changed:
            requests.require()
        if requests.attempt() and mirror.settle():
            requests.require()
            requests.attempt()
        if requests.newly_up_to_date():
            say(watch_messages.up_to_date(mirror.into, mirror.source))
        # Last, because the user waits for the reload and not for remarks.
        for remark in _remarks(mirror):
            say(remark)
        if interrupt.pause(0 if mirror.awaiting_remarks else POLL_SECONDS):
            return


def _remarks(mirror: Mirror) -> list[str]:
    try:
        return list(mirror.remarks())
    except (BadInput, OSError, UnicodeDecodeError):
        return []  # The file was saved again meanwhile; the next update reports on it.
