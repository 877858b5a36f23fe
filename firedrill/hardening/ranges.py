"""The settings that `firedrill harden` may change, each with its range."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RANGES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "waitress": {"threads": (1, 256), "connection_limit": (10, 10_000)},
    "gunicorn": {"processes": (1, 64), "threads": (1, 256)},
    "uvicorn": {"processes": (1, 64)},
}
"""Settings of the bundled API's servers, with the range where none is given."""

_TRY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:=(-?\d+)\.\.(-?\d+))?")


@dataclass(frozen=True, slots=True)
class SettingRange:
    """The values of one setting that may be tried."""

    name: str
    lowest: int
    highest: int

    def clipped(self, value: int) -> int:
        """Return the nearest value in the range."""
        return min(self.highest, max(self.lowest, value))


def parse(words: Sequence[str], defaults: Mapping[str, tuple[int, int]]) -> list[SettingRange]:
    """Return the ranges of `--try NAME=LOW..HIGH`.

    Args:
        words: The values of the option.
        defaults: Ranges by the settings that are known, for `--try NAME`.

    Raises:
        BadInput: a word is no range, its name is unknown or given twice, or there is none.
    """
    ranges: dict[str, SettingRange] = {}
    for word in words:
        found = _parse_one(word, defaults)
        if found.name in ranges:
            raise BadInput(f"--try {word}: {found.name} is given twice; expected it once")
        ranges[found.name] = found
    if not ranges:
        raise BadInput(
            f"no --try; expected a setting to change, such as --try {next(iter(defaults))}=2..64"
        )
    return list(ranges.values())


def _parse_one(word: str, defaults: Mapping[str, tuple[int, int]]) -> SettingRange:
    matched = _TRY.fullmatch(word)
    if matched is None:
        raise BadInput(f"--try {word}: expected NAME or NAME=LOW..HIGH, such as threads=2..64")
    name, low, high = matched.groups()
    if name not in defaults:
        known = " or ".join(defaults)
        raise BadInput(f"--try {word}: the server has no setting {name}; expected {known}")
    lowest, highest = defaults[name] if low is None else (int(low), int(high))
    least, most = defaults[name]
    if lowest > highest:
        raise BadInput(
            f"--try {word}: the range begins above its end; expected {name}={highest}..{lowest}"
        )
    if lowest < least or highest > most:
        raise BadInput(f"--try {word}: expected values from {least} to {most}")
    return SettingRange(name, lowest, highest)
