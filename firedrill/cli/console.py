"""Where the command line prints: results on standard output, all else on standard error. A leaf."""

from __future__ import annotations

from rich.console import Console

# Names of profiles, alerts and folders are other people's text: a square bracket in them is no markup.
ERRORS = Console(stderr=True, markup=False)
OUTPUT = Console(markup=False)
