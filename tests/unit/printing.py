"""Text as a terminal shows it."""

import io

from rich.console import Console


def printed(content, width=80):
    """The text of something that rich prints."""
    console = Console(width=width, file=io.StringIO())
    console.print(content)
    return console.file.getvalue()
