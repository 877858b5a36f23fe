"""The rules that a run's own Prometheus had loaded, and which of the groups that are tried were among them."""

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
    """In order; nothing where that was not kept. Raises BadInput for a file that is damaged."""
    return [
        group
        for file in sorted((run.folder / "prometheus" / "rules").glob("*.yml"))
        for group in rule_file.read(file)
    ]


def file_of(group: Group) -> str:
    """The name of the file that a group stands in."""
    return PurePath(group.place.rpartition(":")[0]).name


def origins(asked: Sequence[Group], loaded: Sequence[Group]) -> dict[str, Group]:
    """By the place of each asked group that the run had loaded: the group as it was loaded.

    Groups are told by file and name, as Prometheus does; one that alone bears its name may have moved to another file.
    """
    found: dict[str, Group] = {}
    for name, ours in _by_name(asked).items():
        theirs = _by_name(loaded)[name]
        pairs = [
            (one, other)
            for one in ours
            for other in theirs
            if _given_name(file_of(one)) == _given_name(file_of(other))
        ]
        pairs.sort(key=lambda pair: file_of(pair[0]) == file_of(pair[1]))  # The last counts.
        if not pairs and len(ours) == len(theirs) == 1:
            pairs = [(ours[0], theirs[0])]
        found |= {one.place: other for one, other in pairs}
    return found


def _by_name(listed: Iterable[Group]) -> defaultdict[str, list[Group]]:
    found: defaultdict[str, list[Group]] = defaultdict(list)
    for group in listed:
        found[group.name].append(group)
    return found


def _given_name(file: str) -> str:
    """What a user's file was called before a run took a copy of it."""
    return re.sub(r"^user-\d+-", "", PurePath(file).stem)
