"""Names for display: names shortened to the parts that differ, and URLs without passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def distinguishing(names: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the parts of each name that not all names have.

    A name without such a part keeps its first one.
    """
    common = set.intersection(*map(set, names))
    return [[part for part in name if part not in common] or list(name[:1]) for name in names]


def shortened(name: str, width: int) -> str:
    """Return a name that is too wide with its middle left out; both ends tell names apart."""
    if len(name) <= width:
        return name
    tail = (width - 1) // 2
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"


def without_userinfo(url: str) -> str:
    """Return a URL without the name and password in it.

    Use it for every URL that is shown or recorded.
    """
    return re.sub(r"(?<=://)[^/?#]*@", "", url)
