"""The mirror of the rule watch: checked and scaled copies of edited files, for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import atomic_file
from firedrill.alerts.lint import checks, output
from firedrill.alerts.rules import promtool, reloading, yaml_document
from firedrill.alerts.scaling.shrink import scale_rules
from firedrill.errors import BadInput
from firedrill.stack import configuration
from firedrill.stack.rule_watch import watch_messages
from firedrill.stack.rule_watch.staged_rules import StagedRules
from firedrill.stack.rule_watch.watched_files import WatchedFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(slots=True)
class Mirror:
    """The folder that Prometheus reads, kept up to date with the folder that somebody edits.

    A file that becomes invalid keeps its last valid version.
    """

    source: Path
    into: Path
    time_scale: float
    rules_only: bool = False
    """Whether targets and configuration come from elsewhere and are left alone."""
    awaiting_remarks: list[Path] = field(default_factory=list)
    """Rule files that were copied, and whose remarks nobody has asked for yet."""
    _watched: WatchedFiles = field(init=False)
    _staged: StagedRules = field(init=False)
    _missing: set[Path] = field(default_factory=set)
    """Copies that had no source at the last look."""

    def __post_init__(self) -> None:
        self._watched = WatchedFiles(self.source, self.rules_only)
        self._staged = StagedRules(self.into / "rules")

    def update(self) -> tuple[bool, list[str]]:
        """Copy and delete what changed since the last call.

        Targets need no reload: Prometheus finds them by itself, and a reload at that moment would
        make it keep deleted ones (2.42).

        Returns:
            Whether Prometheus has to reload, and messages about the files.
        """
        saved = self._watched.newly_saved()
        messages = [watch_messages.misnamed(file) for file in self._watched.newly_misnamed()]
        copied = [file for file in saved if self._copy(file, messages)]
        rules = [file for file in copied if file.parent.name == "rules"]
        earlier = [file for file in self.awaiting_remarks if file not in rules]
        self.awaiting_remarks = [*earlier, *rules]
        folders = {file.parent.name for file in (*copied, *self._delete_orphans())}
        return bool(folders - {"targets"}), messages

    def settle(self) -> bool:
        """Write the edited alerts after a reload without them; return whether to reload again."""
        return self._staged.complete()

    def remarks(self) -> Iterator[str]:
        """Yield the durations that could not be shortened, and the lint's findings, for one file.

        One file a call: the lint takes a tenth of a second or more, and newly saved files go first.
        """
        if not self.awaiting_remarks:
            return
        file = self.awaiting_remarks.pop(0)
        files_with_rules = [
            path
            for path in self._watched.paths
            if path.parent.name == "rules" and reloading.rules_in(path.read_text())
        ]
        if file not in files_with_rules:
            return
        if configuration.is_scaled(file):
            scaled = scale_rules(file.read_text(), self.time_scale)
            for sentence in (*scaled.seconds, *scaled.clamped):
                yield f"{file.name}: {sentence}"
        report = checks.check_all([file], beside=files_with_rules)
        for finding in report.findings:
            yield f"{finding.place}: {finding.severity}: {finding.text}"
        if unknown := output.unknown_names(report.unknown):
            yield f"{file.name}: {unknown}"

    def _copy(self, file: Path, messages: list[str]) -> bool:
        """Copy a valid file; return False, with a message, if it is not valid."""
        try:
            text = _scaled_text(file, self.time_scale)
        except BadInput as error:
            messages.append(watch_messages.rejected(file, error))
            return False
        place = self.into / file.relative_to(self.source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.parent.name == "rules" and place.is_file():
            change = self._staged.replace(place, text)
            messages += watch_messages.rule_change(file, change)
        else:
            atomic_file.write(place, text)
        return True

    def _delete_orphans(self) -> list[Path]:
        """Delete the copies that had no source at two looks; return them.

        At one look a source may be missing because an editor is replacing it.
        """
        sources = {self.into / file.relative_to(self.source) for file in self._watched.paths}
        missing = {
            file
            for folder in self._watched.patterns
            for file in (self.into / folder).glob("[!.]*")
            if self._is_copy(file) and file not in sources
        }
        orphans = sorted(missing & self._missing)
        self._missing = missing - self._missing
        for orphan in orphans:
            orphan.unlink()
            self._staged.forget(orphan)
        return orphans

    def _is_copy(self, file: Path) -> bool:
        """Return whether a file has its source here; rules given to the stack have it elsewhere."""
        is_given = self.rules_only and file.name.startswith(configuration.USER_PREFIX)
        return file.is_file() and not is_given


def _scaled_text(file: Path, time_scale: float) -> str:
    """Check a file, and return its text with the durations of a drill.

    Raises:
        BadInput: the file is not valid, or cannot be read.
    """
    try:
        text = configuration.scaled_text(file, time_scale)
        mistake = promtool.first_mistake(file) if file.parent.name == "rules" else None
    except BadInput as error:
        raise BadInput(": ".join(yaml_document.locate(file.name, error))) from error
    except OSError as error:
        raise BadInput(f"{error.strerror}; expected a file that everybody may read") from error
    except UnicodeDecodeError as error:
        raise BadInput("no text; expected YAML or JSON") from error
    if mistake:
        raise BadInput(mistake)
    return text
