"""A file that is there whole or not at all. A leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(file: Path, text: str) -> None:
    """Write a file whose readers never see half of it. Raises OSError; what was there before is then left as it was."""
    draft = file.with_name(f".{file.name}.draft")
    try:
        draft.write_text(text)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
