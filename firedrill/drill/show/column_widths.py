"""Widths of a table's columns in the space that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
"""Characters between two columns."""


def distributed(narrowest: Sequence[int], wanted: Sequence[int], width: int) -> list[int]:
    """Widen columns from their narrowest to their wanted width, as far as the space goes.

    Every column gets an equal share of the free space, or what it wants if that is less.
    """
    widths = list(narrowest)
    free = width - total(widths)
    lacking = [index for index in range(len(widths)) if wanted[index] > widths[index]]
    lacking.sort(key=lambda index: wanted[index] - widths[index])
    for position, index in enumerate(lacking):
        share = max(0, free) // (len(lacking) - position)
        added = min(share, wanted[index] - widths[index])
        widths[index] += added
        free -= added
    return widths


def total(widths: Sequence[int]) -> int:
    """Return the width of a table with these columns."""
    return sum(widths) + GAP * (len(widths) - 1)


def longest_line(text: str) -> int:
    """Return the width of a text that is not wrapped."""
    return max(map(len, text.splitlines()), default=0)


def longest_word(text: str) -> int:
    """Return the width of a text that is wrapped at every space."""
    return max(map(len, text.split()), default=0)
