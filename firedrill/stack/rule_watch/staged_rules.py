"""Rule files loaded in two reloads, so that edited alerts lose the state of their old rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import atomic_file
from firedrill.alerts.rules import reloading
from firedrill.stack.rule_watch.watched_files import RULE_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RuleChange:
    """The effect of an edit on the rules that Prometheus has loaded."""

    restarted: frozenset[str]
    """Alerts that start again: edited ones, and readers of edited recording rules."""
    records: frozenset[str]
    """Recording rules that were edited."""
    look_back_ms: Mapping[str, int]
    """How far each alert looks back on samples of the old recording rules, in milliseconds."""


@dataclass(slots=True)
class StagedRules:
    """The rule files that Prometheus reads, written first without the alerts that start again.

    Prometheus forgets an alert's state when it reloads a file without that alert. The complete
    file is written after this reload.
    """

    folder: Path
    _complete: dict[Path, str] = field(default_factory=dict)
    """Complete texts of the files that were written without some alerts."""
    _loaded: dict[Path, str] = field(default_factory=dict)
    """Texts that Prometheus has loaded of the files that were saved since the last reload."""
    _restarting: dict[Path, set[str]] = field(default_factory=dict)
    """Alerts of each file that Prometheus has to forget."""

    def replace(self, place: Path, text: str) -> RuleChange:
        """Replace a rule file, leaving out the alerts that start again; return the change.

        Alerts of other files start again too, if they read a recording rule that was edited.
        """
        self._complete.pop(place, None)
        edit = reloading.edit(self._loaded.setdefault(place, place.read_text()), text)
        texts = {**self._complete_texts(), place: text}
        rules = {file: reloading.rules_in(content) for file, content in texts.items()}
        look_back_ms = reloading.readers(
            [rule for in_file in rules.values() for rule in in_file], edit.records
        )
        for file, in_file in rules.items():
            restarting = self._restarting.setdefault(file, set())
            restarting |= {rule.name for rule in in_file if rule.name in look_back_ms}
            if file == place:
                restarting |= edit.alerts
            if restarting & {rule.name for rule in in_file}:
                self._loaded.setdefault(file, texts[file])
                self._complete[file] = texts[file]
                atomic_file.write(file, reloading.without(texts[file], restarting))
        if place not in self._complete:
            atomic_file.write(place, text)
        return RuleChange(edit.alerts | look_back_ms.keys(), edit.records, look_back_ms)

    def complete(self) -> bool:
        """Write the complete files after a reload; return whether another reload is due."""
        complete, self._complete = self._complete, {}
        self._loaded.clear()
        self._restarting.clear()
        for file, text in complete.items():
            atomic_file.write(file, text)
        return bool(complete)

    def forget(self, file: Path) -> None:
        """Forget a file that was deleted."""
        self._complete.pop(file, None)

    def _complete_texts(self) -> dict[Path, str]:
        return {
            file: self._complete.get(file) or file.read_text()
            for file in self.folder.glob(RULE_FILES)
            if file.is_file()
        }
