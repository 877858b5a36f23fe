"""The commands of `firedrill alerts`: check, backtest, scale and watch alert rules."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from click.core import ParameterSource

from firedrill import places, units
from firedrill.alerts.backtest import sweep, tables
from firedrill.alerts.backtest.backtest import BacktestRequest, backtest
from firedrill.alerts.lint import checks, known_series, output
from firedrill.alerts.lint.context import Intervals
from firedrill.alerts.rules import durations, rule_folder, rule_format, yaml_document
from firedrill.alerts.scaling.shrink import scale_rules
from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.options import out_option, time_scale_option
from firedrill.errors import BadInput, ExitCode
from firedrill.interrupt import Interrupt
from firedrill.prometheus.client import Prometheus
from firedrill.record import run_folder
from firedrill.stack import state_file
from firedrill.stack.rule_watch import watch_loop
from firedrill.stack.rule_watch.mirror import Mirror

if TYPE_CHECKING:
    from firedrill.alerts.lint.known_series import Inventory


@click.group()
def alerts() -> None:
    """Check, backtest, scale and watch alert rules."""


@alerts.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    default=places.PROMETHEUS,
    metavar="DIR",
    help="Rules and configuration that you edit. [default: the bundle's prometheus/]",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder that Prometheus reads. [default: that of the stack of `firedrill up`]",
)
@out_option
@time_scale_option
@click.option(
    "--reload",
    "reload_urls",
    multiple=True,
    metavar="URL",
    help="Have this Prometheus or Alertmanager reload (repeatable).",
)
def watch(
    source: Path, into: Path | None, out: Path, time_scale: float, reload_urls: tuple[str, ...]
) -> None:
    """Check, scale and reload rule files as you save them.

    A broken file is named with its line, and its old rules stay in force. An edited alert starts
    again; Prometheus alone would keep the pending time of the old rule.

    \b
    Beside `firedrill up`, in another terminal:
      firedrill alerts watch
    As Compose runs it:
      firedrill alerts watch --source prometheus --into /config \\
          --reload http://prometheus:9090
    """
    if into is None:
        if (
            click.get_current_context().get_parameter_source("time_scale")
            is ParameterSource.COMMANDLINE
        ):
            raise BadInput(
                "--time-scale: the stack that is up has one already; expected it only with --into"
            )
        stack = state_file.find(out)
        mirror = Mirror(
            source, out / state_file.NAME / "prometheus", stack.time_scale, rules_only=True
        )
        reload_urls = (stack.prometheus,)
    else:
        mirror = Mirror(source, into, time_scale)
    with Interrupt() as interrupt:
        watch_loop.watch(mirror, reload_urls, interrupt, click.echo)


RULE_FILE = click.Path(path_type=Path)


@alerts.command("backtest")
@click.argument("files", nargs=-1, required=True, type=RULE_FILE, metavar="RULES...")
@click.option(
    "--run",
    "run_name",
    required=True,
    metavar="RUN",
    help="The recorded run (id, its beginning, or a folder).",
)
@click.option(
    "--stretch",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Stretch each recorded second to so many, for production rules; a drill's scale is 12.",
)
@click.option(
    "--history",
    metavar="RUN",
    help="Put another run's samples before this one's, for rules that compare with the past.",
)
@click.option(
    "--alert", "names", multiple=True, metavar="NAME", help="Judge this alert only (repeatable)."
)
@click.option(
    "--sweep",
    "swept",
    multiple=True,
    metavar="for=A..B | threshold=A..B",
    help="Try other settings (repeatable): five from A to B, N with A..B/N, or a list A,B,C."
    " threshold.2 is an alert's second threshold.",
)
@out_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the report as JSON on standard output, and nothing else there.",
)
def backtest_command(
    files: tuple[Path, ...],
    run_name: str,
    stretch: int,
    history: str | None,
    names: tuple[str, ...],
    swept: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> NoReturn:
    """Replay rules on a recorded run, and judge what fires.

    Shows how soon each alert fires after its cause, and how often it fires for nothing.
    Exits 0 if every rule was judged, 2 if one could not be; the others are judged all the same.

    \b
    Examples:
      firedrill alerts backtest my_alerts.yml --run 20260102
      firedrill alerts backtest rules/api.yml --run 20260102 --stretch 12
      firedrill alerts backtest my_alerts.yml --run 20260102 --alert Slow \\
          --sweep for=15s..2m --sweep threshold=0.1..0.5
    """
    settings = sweep.parse(swept)
    past = run_folder.find(out, history) if history is not None else None
    request = BacktestRequest(
        files=files,
        run=run_folder.find(out, run_name),
        stretch=stretch,
        history=past,
        alerts=names,
        holds_ms=settings.holds_ms,
        thresholds=settings.thresholds,
        threshold_number=settings.threshold_number,
    )
    with Interrupt() as interrupt:
        report = backtest(request, interrupt)
        interrupt.raise_if_requested()
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        OUTPUT.print(tables.render(report))
    for refused in report.refused:
        ERRORS.say(f"{refused.place}: {refused.text}")
    sys.exit(ExitCode.BAD_INPUT if report.refused else ExitCode.PASSED)


@alerts.command()
@click.option(
    "--factor",
    type=click.FloatRange(1, 1000),
    default=12.0,
    show_default=True,
    help="Divide durations by this.",
)
@click.argument("source", type=RULE_FILE, metavar="IN")
@click.argument("target", type=RULE_FILE, metavar="OUT")
def scale(factor: float, source: Path, target: Path) -> None:
    """Divide the durations of production rules for a drill.

    Writes the rules of IN to OUT in the format that they have, and names each duration that could
    not become as short as asked. Numbers that are seconds by their place, such as the second
    argument of predict_linear() and 300 in time() - x < 300, are divided too, and named.

    \b
    Example:
      firedrill alerts scale --factor 12 prometheus/rules/api.yml drill.yml
    """
    try:
        original = rule_format.SourceText.decode(source.read_bytes())
        scaled = scale_rules(original.text, factor)
        target.write_bytes(original.encode(scaled.text))
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror}") from error
    except BadInput as error:
        raise BadInput(": ".join(yaml_document.locate(str(source), error))) from error
    for sentence in (*scaled.seconds, *scaled.clamped):
        ERRORS.say(sentence)
    clamped = units.counted(len(scaled.clamped), "duration")
    ERRORS.say(f"{clamped} could not become as short as asked")


@alerts.command()
@click.argument("files", nargs=-1, required=True, type=RULE_FILE, metavar="FILE...")
@click.option(
    "--run",
    "run_name",
    metavar="RUN",
    help="Look up series in what this run recorded.",
)
@click.option(
    "--prometheus",
    "prometheus_url",
    metavar="URL",
    help="Look up series, kinds of metrics and intervals in this Prometheus.",
)
@click.option(
    "--scrape-interval",
    metavar="DURATION",
    help="How often your Prometheus scrapes, such as 30s. [default: 1s, a drill's]",
)
@out_option
@click.option("--strict", is_flag=True, help="Exit 1 if there are warnings.")
@click.option(
    "--format",
    "form",
    type=click.Choice(output.FORMATS),
    default="text",
    show_default=True,
    help="How to print the findings on standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def check(
    files: tuple[Path, ...],
    run_name: str | None,
    prometheus_url: str | None,
    scrape_interval: str | None,
    out: Path,
    strict: bool,
    form: str,
    as_json: bool,
) -> NoReturn:
    """Find mistakes in rule files, also those that promtool lets pass.

    FILE is a rule file, a PrometheusRule, a Mimir namespace, or a folder of them. Exits 2 if there
    is an error (Prometheus refuses the rule, or it cannot work), 1 if there are warnings and
    --strict is given, and 0 otherwise. A comment `# firedrill: ignore CHECK REASON` above a rule
    leaves its findings of one check out.

    \b
    Examples:
      firedrill alerts check my_alerts.yml --run 20260102
      firedrill alerts check rules/ --strict --format github --scrape-interval 30s
    """
    inventory, intervals = _what_exists(run_name, prometheus_url, out)
    if scrape_interval is not None:
        intervals = replace(intervals, scrape_ms=_interval_ms(scrape_interval))
    listed = rule_folder.files(files)
    report = checks.check_all(listed.files, inventory, intervals)
    printed = output.render(report.findings, "json" if as_json else form)
    if printed:
        click.echo(printed)
    for sentence in (*listed.skipped, output.unknown_names(report.unknown)):
        if sentence:
            ERRORS.say(sentence)
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = len(report.findings) - errors
    counts = (
        units.counted(number, what) for number, what in ((errors, "error"), (warnings, "warning"))
    )
    if form == "text" and not as_json:
        ERRORS.say(f"{', '.join(counts)} in {units.counted(len(listed.files), 'file')}")
    if errors:
        sys.exit(ExitCode.BAD_INPUT)
    sys.exit(ExitCode.FAILED if strict and warnings else ExitCode.PASSED)


def _what_exists(
    run_name: str | None, prometheus_url: str | None, out: Path
) -> tuple[Inventory | None, Intervals]:
    """Return the series that exist, if an option says where to look, and the intervals."""
    if run_name is not None and prometheus_url is not None:
        raise BadInput("--run and --prometheus: expected one of them")
    if prometheus_url is not None:
        if not prometheus_url.startswith(("http://", "https://")):
            raise BadInput(
                f"--prometheus {prometheus_url}: expected a URL such as http://127.0.0.1:9090"
            )
        return known_series.read_prometheus(Prometheus(prometheus_url))
    if run_name is None:
        return None, Intervals()
    with Interrupt() as interrupt:
        recorded = known_series.read_run(run_folder.find(out, run_name), interrupt)
        interrupt.raise_if_requested()
    return recorded, Intervals()


def _interval_ms(text: str) -> int:
    try:
        interval_ms = durations.parse_ms(text)
    except BadInput as error:
        raise BadInput(f"--scrape-interval: {error}") from error
    if not interval_ms:
        raise BadInput(f"--scrape-interval {text}: expected more than 0")
    return interval_ms
