"""The terminal on which lines and tables are printed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.text import Text


class Terminal(Console):
    """Prints text as it is: brackets in names are no markup, and `:ok:` is no emoji.

    NO_COLOR, CLICOLOR=0 and TERM=dumb leave colors out; CLICOLOR_FORCE=1 keeps them in a pipe.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        without, forced = os.environ.get("NO_COLOR"), os.environ.get("CLICOLOR_FORCE", "0")
        super().__init__(
            stderr=stderr,
            markup=False,
            emoji=False,
            highlight=False,
            no_color=bool(without) or os.environ.get("CLICOLOR") == "0",
            color_system="auto" if without or forced in {"", "0"} else "standard",
        )

    def say(self, text: str | Text, style: str | None = None) -> None:
        """Print one line, however long; the terminal wraps it."""
        self.print(text, style=style, soft_wrap=True)
