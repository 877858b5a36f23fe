"""`alerts`: rules, prototyped on a stack that runs."""

from __future__ import annotations

from pathlib import Path

import click

from firedrill import places
from firedrill.cli.options import time_scale_option
from firedrill.interrupt import Interrupt
from firedrill.stack import watch as watcher


@click.group()
def alerts() -> None:
    """Alert rules: prototyped on a stack that runs."""


@alerts.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    default=places.PROMETHEUS,
    metavar="DIR",
    help="Rules and configuration that you edit. [default: the bundle's prometheus/]",
)
@click.option("--into", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder that Prometheus reads.")
@time_scale_option
@click.option("--reload", "reload_urls", multiple=True, metavar="URL", help="Have this Prometheus or Alertmanager reload (repeatable).")
def watch(source: Path, into: Path, time_scale: float, reload_urls: tuple[str, ...]) -> None:
    """Save a rule file, and it is in force: checked, scaled, reloaded. A broken one is named with its line, and its old rules stay.

    \b
    Example (what Compose runs):
      firedrill alerts watch --source prometheus --into /config --reload http://prometheus:9090
    """
    with Interrupt() as interrupt:
        watcher.watch(watcher.Mirror(source, into, time_scale), reload_urls, interrupt, click.echo)
