"""List every text that users read first, in one file: `python -m docs.texts > texts.md`.

Read the list as a whole to check that it has one voice and one word for each thing.
"""

from __future__ import annotations

import ast
import html
import json
import re
from typing import TYPE_CHECKING

import click
from ruamel.yaml import YAML

from firedrill import places
from firedrill.cli import main as firedrill
from firedrill.cli.options import HELP_ALL
from firedrill.contract import PROCESS_METRICS, Client, Server, declared
from grafana.source.dashboard_layout import panels_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = ("firedrill", "api", "load", "exporters/locust_exporter")
PRINTING = frozenset({"echo", "info", "phase", "print", "say", "warn", "warning"})
"""Functions that print their arguments."""

QUERY = re.compile(r"\b(by|on|rate|increase|vector) ?\(|\w\{\w+!?=|:\w+:|_total\b|_over_time")
"""PromQL and names of series, which are no texts."""

PAGES = places.ROOT / "firedrill" / "report" / "pages"
SHORTEST_WORDS = 3
"""Shorter literals are names and parts of texts, not texts."""


def help_texts() -> Iterator[str]:
    """Yield the help text of every command."""

    def walk(command: click.Command, path: str, parent: click.Context | None) -> Iterator[str]:
        context = click.Context(command, info_name=path, parent=parent, max_content_width=100)
        context.meta[HELP_ALL] = True
        yield f"### {context.command_path}\n\n```\n{command.get_help(context)}\n```"
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                subcommand = command.get_command(context, name)
                if subcommand is not None:
                    yield from walk(subcommand, name, context)

    return walk(firedrill, "firedrill", None)


def errors() -> Iterator[str]:
    """Yield the texts of all `raise` statements."""
    for file, tree in _modules():
        nodes = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
        yield from _listed(file, nodes)


def run_texts() -> Iterator[str]:
    """Yield verdict reasons, remarks, progress and tables of drills, backtests and rule checks."""
    for folder in ("drill", "alerts/backtest", "alerts/lint"):
        for file in sorted((places.ROOT / "firedrill" / folder).rglob("*.py")):
            yield from _listed(file, ast.parse(file.read_text()).body)


def printed_texts() -> Iterator[str]:
    """Yield the texts that commands and services print."""
    for file, tree in _modules():
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and _name(node) in PRINTING
        ]
        yield from _listed(file, calls)


def report_texts() -> Iterator[str]:
    """Yield the sentences of reports, from code and from templates."""
    for file in sorted(PAGES.glob("*.py")):
        yield from _listed(file, ast.parse(file.read_text()).body)
    for file in sorted((PAGES / "templates").glob("*.html")):
        text = re.sub(r"{%.*?%}", "\n", file.read_text())
        text = html.unescape(re.sub(r"</?[a-z!][^>]*>", "\n", text))
        for line in filter(None, map(str.strip, text.splitlines())):
            if re.search(r"[A-Za-z]{2}", re.sub(r"{{.*?}}", "", line)):
                yield f"- {file.name}: {line}"


def panels() -> Iterator[str]:
    """Yield title, description and empty text of every panel."""
    for file in sorted((places.GRAFANA / "dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        yield f"### {dashboard['title']}: {dashboard['description']}"
        for panel in panels_in(dashboard):
            empty = panel["fieldConfig"]["defaults"].get("noValue")
            note = f" (empty: {empty})" if empty else ""
            yield f"- {panel['title']}: {panel['description']}{note}"


def alerts() -> Iterator[str]:
    """Yield summary and description of every alert."""
    for file in sorted(places.RULES.glob("*.yml")):
        for group in YAML(typ="safe").load(file)["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    texts = rule["annotations"]
                    yield f"- {rule['alert']}: {texts['summary']} {texts['description']}"


def metrics() -> Iterator[str]:
    """Yield the help text of every metric."""
    for metric in (*declared(Server), *PROCESS_METRICS, *declared(Client)):
        yield f"- {metric.name}: {metric.help}"


SECTIONS = {
    "Help of commands": help_texts,
    "Drills, backtests and rule checks": run_texts,
    "Printed by commands": printed_texts,
    "Errors": errors,
    "Report": report_texts,
    "Panels": panels,
    "Alerts": alerts,
    "Metrics": metrics,
}


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in SOURCES:
        for file in sorted((places.ROOT / folder).rglob("*.py")):
            yield file, ast.parse(file.read_text())


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _listed(file: Path, nodes: list[ast.expr] | list[ast.stmt] | list[ast.Call]) -> Iterator[str]:
    texts = {line: text for node in nodes for line, text in _literals(node)}
    for line, text in sorted(texts.items()):
        yield f"- {file.relative_to(places.ROOT)}:{line}: {text}"


def _literals(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the string literals in a node, without docstrings."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.JoinedStr):
        text = "".join(
            str(part.value) if isinstance(part, ast.Constant) else _placeholder(part)
            for part in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _literals(child)
        return
    if len(text.split()) >= SHORTEST_WORDS and not QUERY.search(text):
        yield node.lineno, " ".join(text.split())


def _placeholder(part: ast.expr) -> str:
    return f"{{{ast.unparse(part.value)}}}" if isinstance(part, ast.FormattedValue) else ""


def main() -> None:
    """Print all sections."""
    for title, texts in SECTIONS.items():
        click.echo(f"## {title}\n")
        for text in texts():
            click.echo(text)
        click.echo()


if __name__ == "__main__":
    main()
