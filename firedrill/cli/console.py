"""The command line's output: results on standard output, everything else on standard error."""

from __future__ import annotations

from firedrill.terminal import Terminal

ERRORS = Terminal(stderr=True)
OUTPUT = Terminal()
