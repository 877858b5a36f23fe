"""The command `export`: dashboards and rules for a monitoring that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from firedrill.ci import export as exported

if TYPE_CHECKING:
    from firedrill.ci.export import RuleFormat


@click.group()
def export() -> None:
    """Write dashboards and rules for your own Grafana and Prometheus."""


@export.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
def grafana(folder: Path) -> None:
    """Write the dashboards into DIR, one JSON file each.

    Any Grafana imports them; each has a variable for its data source.

    \b
    Example:
      firedrill export grafana dashboards/
    """
    for file in exported.dashboards(folder):
        click.echo(file)


@export.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["prometheus", "prometheusrule"]),
    default="prometheus",
    show_default=True,
    help="A rule file, or a PrometheusRule of the Prometheus operator.",
)
@click.option("--name", default="firedrill", show_default=True, help="Name of the PrometheusRule.")
def rules(files: tuple[Path, ...], form: str, name: str) -> None:
    """Print the bundle's alert and recording rules, or those of each FILE, as one document.

    Durations are those for production; `firedrill alerts scale` divides them.

    \b
    Examples:
      firedrill export rules > firedrill.rules.yml
      firedrill export rules --format prometheusrule | kubectl apply -f -
    """
    chosen = list(files) or exported.bundled_rules()
    click.echo(exported.rules(chosen, cast("RuleFormat", form), name), nl=False)
