"""The journal of notifications: a file with a JSON object a line, limited in size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from firedrill.notifications.notification import Notification

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

MAX_BYTES = 4_000_000
"""Size from which on a file is renamed to `<name>.1`, so that at most twice this is on disk."""


class Journal:
    """Appends notifications to a file, and reads them."""

    def __init__(self, file: Path, max_bytes: int = MAX_BYTES) -> None:
        self.file = file
        self._max_bytes = max_bytes

    def append(self, notifications: Sequence[Notification]) -> None:
        """Write notifications to disk. Raises OSError.

        A full disk leaves an incomplete line, which `read` leaves out.
        """
        if self.file.exists() and self.file.stat().st_size > self._max_bytes:
            self.file.replace(_before(self.file))
        with self.file.open("a") as out:  # Closing it flushes it.
            out.write("".join(f"{json.dumps(entry.as_json())}\n" for entry in notifications))

    def read(self) -> list[Notification]:
        """Return all notifications that were kept, oldest first."""
        return [
            entry
            for file in (_before(self.file), self.file)
            if file.exists()
            for entry in _parsed(file.read_text(errors="replace").splitlines())
        ]


class Tail:
    """Reads the notifications that are appended to a journal's file from now on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = file.stat().st_size if file.exists() else 0

    def new(self) -> list[Notification]:
        """Return the notifications since the last call; none while there is no file."""
        try:
            with self._file.open("rb") as journal:
                if self._file.stat().st_size < self._offset:  # It moved aside.
                    self._offset = 0
                journal.seek(self._offset)
                whole, newline, _ = journal.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole) + len(newline)
        return list(_parsed(whole.decode(errors="replace").splitlines()))


def _before(file: Path) -> Path:
    return file.with_name(f"{file.name}.1")


def _parsed(lines: Iterable[str]) -> Iterator[Notification]:
    for line in lines:
        try:
            yield Notification.from_json(json.loads(line))
        except (ValueError, TypeError):  # Half a line, from a full disk or a kill.
            continue
