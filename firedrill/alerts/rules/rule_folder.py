"""The rule files that an argument means: itself, or those in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.alerts.rules import rule_format
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ENDINGS = frozenset({".yml", ".yaml", ".json", ".rules"})


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """Rule files, and a sentence about each file of a folder that has no rules."""

    files: tuple[Path, ...]
    skipped: tuple[str, ...]


def files(arguments: Sequence[Path]) -> RuleFiles:
    """Return the files that are named, and those in the folders that are named.

    In a folder, a file that is certainly something else is skipped; one that is damaged is not.
    """
    found: list[Path] = []
    skipped: list[str] = []
    for argument in arguments:
        if not argument.is_dir():
            found.append(argument)
            continue
        before = len(found)
        for file in _in_folder(argument):
            if why := _other_file(file):
                skipped.append(f"{file} is skipped: {why}")
            else:
                found.append(file)
        if len(found) == before:
            raise BadInput(f"{argument}: no rule files; expected files that end in .yml or .yaml")
    return RuleFiles(tuple(dict.fromkeys(found)), tuple(skipped))


def _in_folder(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix in ENDINGS and not is_hidden and file.is_file():
            yield file


def _other_file(file: Path) -> str | None:
    """Return what a file is if it is not meant to have rules."""
    try:
        rule_format.split(rule_format.SourceText.decode(file.read_bytes()).text)
    except rule_format.OtherFile as error:
        return str(error).partition(": ")[2]
    except (OSError, BadInput):
        return None
    return None
