"""Where the command line prints: results on standard output, all else on standard error. A leaf."""

from __future__ import annotations

from rich.console import Console

ERRORS = Console(stderr=True)
OUTPUT = Console()
