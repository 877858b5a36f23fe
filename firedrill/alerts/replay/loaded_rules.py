"""The rules that a run's own Prometheus had loaded, matched with the groups that are replayed."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePath
from typing import TYPE_CHECKING

from firedrill.alerts.rules import rule_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firedrill.alerts.rules.rule_file import Group
    from firedrill.record.run_folder import Run


def groups(run: Run) -> list[Group]:
    """Return the groups that a run had loaded, in order; none if its rule files were not kept.

    Raises:
        BadInput: a file is damaged.
    """
    return [
        group
        for file in sorted((run.folder / "prometheus" / "rules").glob("*.yml"))
        for group in rule_file.read(file)
    ]


def file_name(group: Group) -> str:
    """Return the name of the file that has a group."""
    return PurePath(group.place.rpartition(":")[0]).name


def match(replayed: Sequence[Group], loaded: Sequence[Group]) -> dict[str, Group]:
    """Return, by the place of each replayed group, the loaded group that it was.

    Groups match by file and name, as in Prometheus. A name that is unique on both sides matches
    whatever the file, because a group may have moved to another file.
    """
    matched: dict[str, Group] = {}
    loaded_by_name = _by_name(loaded)
    for name, ours in _by_name(replayed).items():
        theirs = loaded_by_name[name]
        pairs = [
            (our, their)
            for our in ours
            for their in theirs
            if _original_stem(file_name(our)) == _original_stem(file_name(their))
        ]
        # The last pair counts: the one whose file has the very same name.
        pairs.sort(key=lambda pair: file_name(pair[0]) == file_name(pair[1]))
        if not pairs and len(ours) == len(theirs) == 1:
            pairs = [(ours[0], theirs[0])]
        matched |= {our.place: their for our, their in pairs}
    return matched


def _by_name(groups: Iterable[Group]) -> defaultdict[str, list[Group]]:
    by_name: defaultdict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_name[group.name].append(group)
    return by_name


def _original_stem(file: str) -> str:
    """Return the name of a user's file from before a run took a copy of it."""
    return re.sub(r"^user-\d+-", "", PurePath(file).stem)
