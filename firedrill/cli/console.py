"""Where the command line prints: results on standard output, all else on standard error. A leaf."""

from __future__ import annotations

from firedrill.terminal import Terminal

ERRORS = Terminal(stderr=True)
OUTPUT = Terminal()
