"""Where lines and tables are printed for a person. A leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.text import Text


class Terminal(Console):
    """Prints names of profiles, alerts and folders as they are: in other people's text a bracket is no markup, `:ok:` no emoji."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def say(self, text: str | Text, style: str | None = None) -> None:
        """One line, however long; where it is broken is the terminal's business."""
        self.print(text, style=style, soft_wrap=True)
