"""The command line: one module for each group of commands.

Errors become a line and an exit code here, and nowhere else.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from firedrill import __version__
from firedrill.cli.console import ERRORS
from firedrill.errors import FiredrillError

EXIT_CODES_HELP = """\b
Exit codes:
  0    passed
  1    the SLO, an expected alert or the baseline was not met
  2    bad input
  3    something needed is missing, or the target never answered
  4    the run is INVALID: the measurement cannot be trusted (outranks 1)
  130  interrupted; what was recorded is kept"""

COMMANDS = {
    "setup": "stack_commands:setup",
    "init": "project:init",
    "run": "drills:run",
    "drill": "drills:drill",
    "harden": "harden:harden",
    "capacity": "capacity_command:capacity",
    "up": "stack_commands:up",
    "runs": "recorded:runs",
    "show": "recorded:show",
    "history": "results:history_command",
    "report": "reports:report",
    "compare": "compare:compare",
    "open": "recorded:open_runs",
    "fault": "fault_commands:fault",
    "alerts": "rules:alerts",
    "export": "exports:export",
    "doctor": "stack_commands:doctor",
    "completion": "completion:completion",
}
"""Module of this package and attribute, by command."""

SHORT_HELP = {
    "setup": "Find Prometheus and Alertmanager, or take them.",
    "init": "Write the first files of a project's load test.",
    "run": "Play a load profile, record it and judge it.",
    "drill": "Run one load profile against three servers.",
    "harden": "Find the smallest setting with which the server passes.",
    "capacity": "Find the highest rate that an API sustains within its SLO.",
    "up": "Start the stack in the foreground; Ctrl-C stops it.",
    "runs": "List the recorded runs; `runs prune` deletes the oldest.",
    "show": "Print the summary of a recorded run again.",
    "history": "Show the trend of recorded runs.",
    "report": "Write the report of a run, or compare several.",
    "compare": "Compare two groups of runs, and say what chance explains.",
    "open": "Open recorded runs in Prometheus, and in Grafana.",
    "fault": "Break an API on purpose, for a while.",
    "alerts": "Check, backtest, scale and watch alert rules.",
    "export": "Write dashboards and rules for your own monitoring.",
    "doctor": "Show what is installed, what is missing, how to get it.",
    "completion": "Print the completion script of a shell.",
}
"""A line on each command, so that `--help` imports none of them."""


class Commands(click.Group):
    """Imports a command when it is called, and turns a FiredrillError into a line and its code.

    All commands together take a second to import, a single one about half of that.
    """

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"firedrill.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, SHORT_HELP.get(name, "")) for name in self.list_commands(ctx)]
            )

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
    """Load-test an API, record both sides of it, and judge what your alerts noticed.

    \b
    Examples:
      firedrill setup
      firedrill run smoke
      firedrill run launch --target http://127.0.0.1:8000 --locustfile my_load.py
      firedrill show last
      firedrill capacity --slo p99=250ms
      firedrill report RUN [RUN...]
      firedrill open RUN
      firedrill fault set latency=300ms --for 30s
    """
