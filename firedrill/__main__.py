"""`firedrill`: what is there before its modules are, which take half a second to load. Ctrl-C ends that, too, in one word."""

import os
import signal
import sys

from firedrill.errors import ExitCode


def main() -> None:
    """The command line. Where nothing heeds Ctrl-C in a way of its own (interrupt.py) it ends the process, tidily, with its exit code."""
    # While modules load there is nothing to tidy, and an exception would be lost where the interpreter does not let it through.
    signal.signal(signal.SIGINT, lambda *_: os._exit(ExitCode.INTERRUPTED))
    from firedrill.cli import main as commands  # noqa: PLC0415 -- see above

    signal.signal(signal.SIGINT, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    commands(prog_name="firedrill")


if __name__ == "__main__":
    main()
