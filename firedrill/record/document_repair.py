"""Repair of a run.json that does not fit its model: an older version's, or a damaged one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic_core import ErrorDetails

    Path = tuple[str | int, ...]

SUBSTITUTES: tuple[Any, ...] = (None, {}, [])
"""The values that stand for "no figure", tried in this order."""


class Repair:
    """Replaces what does not fit with "no figure", and drops records that need what is missing."""

    def __init__(self, content: dict[str, Any], defaults: Mapping[str, Any]) -> None:
        """Take the content that is changed, and values to prefer, at the same paths, over none."""
        self.content = content
        self._defaults = defaults
        self.left_out: set[str] = set()
        """Names of the lists that records were dropped from."""
        self.damaged: set[str] = set()
        """Paths of the values that were replaced; missing ones are not damaged."""
        self._tries: dict[Path, int] = {}

    def apply(self, errors: Iterable[ErrorDetails]) -> None:
        """Change the content at the place of each error, once.

        Stops where more than a value was replaced: the places that follow may be gone.
        """
        for place in dict.fromkeys(map(self._place, errors)):
            if self._replace(place):
                return

    def _place(self, error: ErrorDetails) -> Path:
        """Return the path of the value to replace: the deepest one that exists, or a missing one.

        Pydantic's location may end in the name of a type, where a union was expected.
        """
        location = error["loc"]
        node: Any = self.content
        for depth, key in enumerate(location):
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                is_last = error["type"] == "missing" and depth == len(location) - 1
                is_missing = is_last and isinstance(node, dict)
                return location[: depth + 1] if is_missing else location[:depth]
        return location

    def _replace(self, path: Path) -> bool:
        """Try the next substitute at a path; returns whether its holder had to be changed."""
        *parents, key = path
        holder = self._holder(path)
        tried = self._tries.get(path, 0)
        self._tries[path] = tried + 1
        substitutes = self._substitutes(path)
        is_there = isinstance(holder, list) or key in holder
        if tried == 0 and is_there and holder[key] not in SUBSTITUTES:
            self._note_damage(".".join(map(str, path)))
        if tried < len(substitutes):
            holder[key] = copy.deepcopy(substitutes[tried])
            return False
        if isinstance(holder, list):
            holder.pop(int(key))
            self._forget_below(tuple(parents))
            self.left_out.add(".".join(part for part in parents if isinstance(part, str)))
            return True
        if parents:
            self._replace(tuple(parents))
            return True
        holder.pop(key)
        return True

    def _note_damage(self, name: str) -> None:
        """Note a damaged value, but no record that is replaced because of one inside it."""
        if not any(inner.startswith(f"{name}.") for inner in self.damaged):
            self.damaged.add(name)

    def _holder(self, path: Path) -> Any:
        """Return the record or list that holds the value at a path."""
        holder: Any = self.content
        for key in path[:-1]:
            holder = holder[key]
        return holder

    def _substitutes(self, path: Path) -> Sequence[Any]:
        default: Any = self._defaults
        for key in path:
            if not isinstance(default, Mapping) or key not in default:
                return SUBSTITUTES
            default = default[key]
        return (default, *SUBSTITUTES)

    def _forget_below(self, path: Path) -> None:
        """Forget what was tried below a list whose indexes have changed."""
        self._tries = {
            place: tries for place, tries in self._tries.items() if place[: len(path)] != path
        }
