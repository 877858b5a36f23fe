"""Atomic writes: a file gets its whole new content, or keeps the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(file: Path, text: str) -> None:
    """Write a file so that its readers never see half of it.

    Raises OSError and then leaves the old content as it was.
    """
    draft = file.with_name(f".{file.name}.draft")
    try:
        draft.write_text(text)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
