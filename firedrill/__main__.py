"""The entry point of `firedrill`: handles Ctrl-C before the other modules are loaded.

Loading them takes half a second.
"""

import os
import signal
import sys

from firedrill.errors import ExitCode


def main() -> None:
    """Run the command line; Ctrl-C ends the process with its exit code.

    A command that handles Ctrl-C itself uses interrupt.py.
    """
    # While modules load there is nothing to clean up, and the interpreter may swallow an exception.
    signal.signal(signal.SIGINT, lambda *_: os._exit(ExitCode.INTERRUPTED))
    from firedrill.cli import main as commands  # noqa: PLC0415 -- see above

    signal.signal(signal.SIGINT, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    commands(prog_name="firedrill")


if __name__ == "__main__":
    main()
