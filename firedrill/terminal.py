"""The terminal on which lines and tables are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.text import Text


class Terminal(Console):
    """Prints text as it is: brackets in names are no markup, and `:ok:` is no emoji."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def say(self, text: str | Text, style: str | None = None) -> None:
        """Print one line, however long; the terminal wraps it."""
        self.print(text, style=style, soft_wrap=True)
