"""The command `compare`: two groups of recorded runs, and what chance explains."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from firedrill.cli.completion import complete_run
from firedrill.cli.console import OUTPUT
from firedrill.cli.options import out_option
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from firedrill.record import run_folder

if TYPE_CHECKING:
    from pathlib import Path

WITH = "--with"


class CommandWithGroups(click.Command):
    """A command whose `--with` takes every name that follows it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat `--with` before each name after the first."""
        if WITH in args:
            at = args.index(WITH) + 2
            following = args[at:]
            end = next(
                (index for index, word in enumerate(following) if word.startswith("-")),
                len(following),
            )
            repeated = [word for name in following[:end] for word in (WITH, name)]
            args = [*args[:at], *repeated, *following[end:]]
        return super().parse_args(ctx, args)


@click.command(cls=CommandWithGroups)
@click.argument("names", nargs=-1, required=True, metavar="A...", shell_complete=complete_run)
@click.option(
    WITH,
    "others",
    multiple=True,
    metavar="B...",
    shell_complete=complete_run,
    help="The runs of the other group: ids, their beginnings, or folders.",
)
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(names: tuple[str, ...], others: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Compare runs A with runs B of the same load: differences with 95 % intervals.

    Play the runs in turns, A B B A, so that a machine that gets slower slows both. Four runs in
    each group are enough for a test over the runs; with fewer, the intervals are a hint.

    \b
    Examples:
      firedrill compare BEFORE --with AFTER
      firedrill compare A1 A2 A3 A4 --with B1 B2 B3 B4
    """
    from firedrill.compare import comparison, comparison_table  # noqa: PLC0415 -- loads numpy

    if not others:
        raise BadInput("--with: no runs; expected those of the other group")
    before, after = ([run_folder.find(out, name) for name in group] for group in (names, others))
    with Interrupt() as interrupt:
        found = comparison.of_runs(before, after, interrupt)
        interrupt.raise_if_requested()
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        OUTPUT.print(comparison_table.of_comparison(found))
