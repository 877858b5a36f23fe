"""Locust's own options: those that reach a run, and those that contradict it.

They come after `--` on the command line, from LOCUST_* in the environment, or from the files that
Locust reads: locust.conf, ~/.locust.conf and [tool.locust] in pyproject.toml.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

CONTRADICTING = {
    "processes": "expected --workers N of firedrill, which starts the processes that share a load",
    "master": "firedrill starts the master; expected --workers N of firedrill",
    "worker": "firedrill starts the workers; expected --workers N of firedrill",
    "run-time": "expected --duration of firedrill, or duration in the profile",
    "headful": "a recorded run has no web page; expected `firedrill up`",
    "config": "expected a file ./locust.conf",
    "list": "it runs no load; expected it from Locust itself",
    "show-task-ratio": "it runs no load; expected it from Locust itself",
    "show-task-ratio-json": "it runs no load; expected it from Locust itself",
    "help": "expected `locust --help`",
    "version": "expected `locust --version`",
}
"""Options that a run refuses, and what to do instead."""

OVERRIDDEN = {
    "users": "the profile says how many users run",
    "spawn-rate": "the profile says how fast users start",
    "host": "--target of firedrill, else the host of the user class, is loaded",
    "locustfile": "--locustfile of firedrill names the users",
    "headless": "firedrill decides about Locust's web page",
    "autostart": "firedrill starts the load",
    "autoquit": "firedrill ends the load",
    "exit-code-on-error": "the verdict has an exit code of its own",
    "stop-timeout": "firedrill gives stopped users 2 s",
    "only-summary": "locust.log has the summary",
    "json": "the run has locust_stats.json",
    "json-file": "the run has locust_stats.json",
    "expect-workers": "firedrill waits for its own workers",
    "expect-workers-max-wait": "firedrill waits for its own workers",
}
"""Options that firedrill sets itself, and why."""

OF_LISTENERS = ("web-", "master-", "tls-")
"""How options begin that are about addresses, which firedrill chooses."""

SHORT = {
    "u": "users",
    "r": "spawn-rate",
    "t": "run-time",
    "H": "host",
    "f": "locustfile",
    "P": "web-port",
    "l": "list",
    "h": "help",
    "V": "version",
}

NAMES_IN_ENVIRONMENT = {"mode-master": "master", "mode-worker": "worker"}
"""Options whose variable has another name."""

SHORTEST_ABBREVIATION = 4
"""Locust takes `--proc` for `--processes`."""

CONFIG_LINE = re.compile(r"^\s*([A-Za-z][\w-]*)\s*(?:[=:\s]|$)")


def check(words: Sequence[str]) -> None:
    """Check the options after `--`.

    Raises:
        BadInput: one of them contradicts the run, or is firedrill's to set.
    """
    for word in words:
        option = _unabbreviated(_option(word))
        if option in OVERRIDDEN or (option or "").startswith(OF_LISTENERS):
            reason = OVERRIDDEN.get(option or "", "firedrill chooses the addresses")
            raise BadInput(f"-- {word.partition('=')[0]}: {reason}")
        if option in CONTRADICTING:
            raise BadInput(f"-- {word.partition('=')[0]}: {CONTRADICTING[option or '']}")


def _option(word: str) -> str | None:
    """Return the long name of an option; None for a value."""
    if word.startswith("--"):
        return word[2:].partition("=")[0].replace("_", "-")
    is_short = len(word) > 1 and word[0] == "-" and word[1].isalpha()
    return SHORT.get(word[1]) if is_short else None


def _unabbreviated(option: str | None) -> str | None:
    """Return the contradicting option that a beginning of four letters or more stands for."""
    if option and len(option) >= SHORTEST_ABBREVIATION and option not in OVERRIDDEN:
        exact = option in {*CONTRADICTING, "config-users"}
        long = next((name for name in CONTRADICTING if name.startswith(option)), option)
        return option if exact else long
    return option


def found(environ: Mapping[str, str], folder: Path, home: Path) -> Iterator[str]:
    """Yield a line for each option that Locust takes from the environment or from a file.

    Raises:
        BadInput: one of them contradicts the run.
    """
    for place, option in (*_in_environment(environ), *_in_files(folder, home)):
        if option in CONTRADICTING:
            raise BadInput(f"{place}: {CONTRADICTING[option]}")
        if option in OVERRIDDEN:
            yield f"{place} is ignored: {OVERRIDDEN[option]}"
        elif not option.startswith(OF_LISTENERS):
            yield f"{place} changes this run"


def _in_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable in sorted(environ):
        if variable.startswith("LOCUST_") and environ[variable]:
            option = variable.removeprefix("LOCUST_").lower().replace("_", "-")
            yield variable, NAMES_IN_ENVIRONMENT.get(option, option)


def _in_files(folder: Path, home: Path) -> Iterator[tuple[str, str]]:
    for file in (home / ".locust.conf", folder / "locust.conf"):
        for number, line in enumerate(_text(file).splitlines(), start=1):
            match = CONFIG_LINE.match(line)
            if match:
                option = match[1].replace("_", "-")
                yield f"{file.name}:{number}: {match[1]}", option
    try:
        table = tomllib.loads(_text(folder / "pyproject.toml")).get("tool", {}).get("locust", {})
    except (tomllib.TOMLDecodeError, AttributeError):
        return
    for key in table if isinstance(table, dict) else ():
        yield f"pyproject.toml: tool.locust.{key}", key.replace("_", "-")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
