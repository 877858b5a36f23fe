"""The errors that a user can cause, and the number of every exit code.

The command line turns such an error into one line on stderr, in firedrill/cli/__init__.py.

FiredrillError            one line on stderr, never a traceback
+-- BadInput        (2)   what was asked for cannot be done: profile, rule file, port, option
+-- Missing         (3)   something needed is not there: a binary, the target, a started part
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `firedrill`.

    Where several apply, the first of these wins: interrupted, missing, invalid, failed.
    """

    PASSED = 0
    FAILED = 1
    """The SLO or an expectation about alerts failed."""
    BAD_INPUT = 2
    MISSING = 3
    """Something needed is missing, or the target never answered."""
    INVALID = 4
    """The measurement itself cannot be trusted; outranks FAILED."""
    INTERRUPTED = 130


class FiredrillError(Exception):
    """An error that the user can fix; its one-line message has place, value and expectation."""

    exit_code = ExitCode.BAD_INPUT


class BadInput(FiredrillError):
    """The user asked for something that cannot be done as written."""


class Missing(FiredrillError):
    """A program, a target or a part that has to be there is not."""

    exit_code = ExitCode.MISSING
