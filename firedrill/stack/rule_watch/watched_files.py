"""The files that the rule watch looks at, and which of them were saved since its last look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RULE_FILES = "[!.#]*.yml"
"""Editors put files of their own beside the rule files; their names begin otherwise."""
TARGET_FILES = "[!.#]*.json"


@dataclass(slots=True)
class WatchedFiles:
    """The rule, target and configuration files of a folder that somebody edits."""

    source: Path
    rules_only: bool
    """Whether targets and configuration are left out."""
    _states: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """The state of each file at the last look."""
    _misnamed: set[Path] = field(default_factory=set)
    """Files that `newly_misnamed` has returned already."""

    @property
    def paths(self) -> list[Path]:
        """The files that existed at the last look."""
        return list(self._states)

    @property
    def patterns(self) -> dict[str, str]:
        """The file name pattern of each watched folder."""
        if self.rules_only:
            return {"rules": RULE_FILES}
        return {"rules": RULE_FILES, "targets": TARGET_FILES}

    def newly_saved(self) -> list[Path]:
        """Look at all files; return those that were saved since the last look."""
        before = self._states
        self._states = {file: state for file in self._existing() if (state := _state(file))}
        return [file for file, state in self._states.items() if before.get(file) != state]

    def newly_misnamed(self) -> list[Path]:
        """Return the new rule files whose names Prometheus's configuration does not match."""
        misnamed = set((self.source / "rules").glob("[!.#]*.yaml")) - self._misnamed
        self._misnamed |= misnamed
        return sorted(misnamed)

    def _existing(self) -> list[Path]:
        files = [
            file
            for folder, pattern in self.patterns.items()
            for file in sorted((self.source / folder).glob(pattern))
        ]
        # Last: a folder with a configuration file is complete.
        configuration = [] if self.rules_only else sorted(self.source.glob("*.yml"))
        return [*files, *configuration]


def _state(file: Path) -> tuple[int, int] | None:
    """Return values that change with every save; None while an editor is replacing the file."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    # The time of the last status change, because new permissions count too.
    return status.st_ctime_ns, status.st_size
