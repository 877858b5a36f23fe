"""The command line: a module a group of commands. Errors become one line and an exit code here, and nowhere else."""

from __future__ import annotations

import sys
from typing import Any

import click

from firedrill import __version__
from firedrill.cli.console import ERRORS
from firedrill.cli.drills import drill, run
from firedrill.cli.faults import fault
from firedrill.cli.options import EXIT_CODES_HELP
from firedrill.cli.recorded import open_runs, runs
from firedrill.cli.reports import report
from firedrill.cli.rules import alerts
from firedrill.cli.standing import doctor, up
from firedrill.errors import FiredrillError


class Commands(click.Group):
    """Turns a FiredrillError into one line on stderr and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FiredrillError as error:
            ERRORS.say(f"firedrill: {error}")
            sys.exit(error.exit_code)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES_HELP
)
@click.version_option(__version__, prog_name="firedrill")
def main() -> None:
    """Set your API on fire on purpose, in daylight, and see whether you would have noticed.

    \b
    Examples:
      firedrill run smoke
      firedrill run launch --server waitress --threads 64 --connection-limit 1000
      firedrill run launch --target http://127.0.0.1:8000 --locustfile my_load.py --scrape 127.0.0.1:8000/metrics
      firedrill runs
      firedrill report RUN [RUN...]
      firedrill open RUN
      firedrill fault set latency=300ms --for 30s
    """


for command in (run, drill, up, runs, report, open_runs, fault, alerts, doctor):
    main.add_command(command)
