"""How many processes the kernel killed for want of memory. Standard library only."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))
"""Files with a line `oom_kill N`: of the whole machine, and of this container."""


def counter(files: tuple[Path, ...] = FILES) -> Callable[[], int]:
    """Return a function that counts the kills since now; 0 where no file can be read."""
    before = _kills(files)

    def since() -> int:
        gains = (now - then for now, then in zip(_kills(files), before, strict=True))
        return max(0, *gains)

    return since


def _kills(files: tuple[Path, ...]) -> list[int]:
    kills = []
    for file in files:
        found = None
        with suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", file.read_text(), re.MULTILINE)
        kills.append(int(found[1]) if found else 0)
    return kills
