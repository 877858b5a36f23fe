"""The `fault` commands: break an API on purpose, for a while."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from firedrill import contract
from firedrill.cli.console import OUTPUT
from firedrill.cli.options import read_by
from firedrill.fault_client import FaultClient, parse_words
from firedrill.quantities import parse_fault_time

FAULTS_HELP = """\b
Kinds:
  latency=300ms  each request takes so much longer
  errors=20%     this share of requests gets a 500
  cpu=1          the process computes, in cores
  stuck=3        so many workers hang until the fault ends
  memory=5MB/s   the process grows, up to 512 MiB, and shrinks at the end
  stop           connections are refused and scrapes unanswered
Health checks stay fast, and succeed, except under stop."""


@click.group()
def fault() -> None:
    """Break an API on purpose, for a while.

    The API has to take faults: `firedrill up --faults`, `python -m api --faults`, or your own.

    \b
    Examples:
      firedrill up --faults
      firedrill fault set latency=300ms errors=20% --for 30s
      firedrill fault list
      firedrill fault clear
    """


url_option = click.option(
    "--url",
    default=f"http://{contract.LOOPBACK}:{contract.API_METRICS_PORT}",
    envvar="FIREDRILL_FAULTS_URL",
    show_default=True,
    help="Base URL of the API's metrics endpoint.",
)


@fault.command("set", epilog=FAULTS_HELP)
@click.argument("words", nargs=-1, required=True, metavar="KIND=VALUE...")
@click.option(
    "--for",
    "seconds",
    callback=read_by(parse_fault_time),
    required=True,
    metavar="TIME",
    help="End the faults after this time (30s, 2m; at most 1h).",
)
@url_option
def set_faults(words: tuple[str, ...], seconds: float, url: str) -> None:
    """Set faults for a time, from now on; a kind that is set already begins anew.

    \b
    Examples:
      firedrill fault set latency=300ms --for 30s
      firedrill fault set errors=20% cpu=1 --for 1m
      firedrill fault set stop --for 10s --url http://127.0.0.1:9464
    """
    for active in FaultClient(url).set(parse_words(words), seconds):
        OUTPUT.say(str(active))


@fault.command("list")
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_faults(url: str, as_json: bool) -> None:
    """List the faults that are set, and the time they have left."""
    found = FaultClient(url).active()
    if as_json:
        click.echo(json.dumps([asdict(active) for active in found], indent=2))
        return
    for active in found:
        OUTPUT.say(str(active))
    if not found:
        OUTPUT.say("no fault is set", "dim")


@fault.command("clear")
@url_option
def clear_faults(url: str) -> None:
    """End every fault now."""
    FaultClient(url).clear()
