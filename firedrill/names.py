"""Names as they are shown: short ones for things that stand beside each other, and URLs without secrets. A leaf."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def distinguishing(names: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each name the parts that not all of them have; a name without such a part keeps its first."""
    common = set.intersection(*map(set, names))
    return [[part for part in name if part not in common] or list(name[:1]) for name in names]


def without_userinfo(url: str) -> str:
    """A URL without the name and password that it may hold; whatever is shown or recorded of a target goes through this."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)
