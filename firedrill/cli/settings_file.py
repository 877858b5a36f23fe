"""The command class of `run`: options of firedrill.toml, and those of Locust after `--`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from firedrill.cli.console import ERRORS
from firedrill.cli.options import CommandWithPorts
from firedrill.project import settings
from firedrill.stack.containers.attached_stack import Attachment

LOCUST_OPTIONS = "firedrill.locust_options"
"""Key of the options after `--` in the context's meta."""


class CommandWithSettings(CommandWithPorts):
    """A command with options of firedrill.toml in the current folder, below those given.

    What comes after `--` is Locust's: `locust_options_of` returns it.
    """

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the words of the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- LOCUST-OPTIONS]"]

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the file, and let click take its values where an option was not given."""
        words: list[str] = []
        if "--" in args:
            at = args.index("--")
            args, words = args[:at], args[at + 1 :]
        file = Path(settings.FILE)
        # A stack that is up has settings of its own.
        is_asked = not {"-h", "--help", "--help-all"}.intersection(args)
        if is_asked and file.is_file() and not Attachment.from_environment(os.environ):
            chosen = settings.read(file)
            extra["default_map"] = _without_contradictions(chosen.options(), args)
            extra["obj"] = chosen
            ERRORS.say(f"settings of {file}", "dim")
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[LOCUST_OPTIONS] = tuple(words)
        return context


def _without_contradictions(options: dict[str, Any], args: list[str]) -> dict[str, Any]:
    """Leave out where the file's API is, if the command line says where one is."""
    given = {word.partition("=")[0] for word in args}
    if given & {"--target", "--serve"}:
        return {name: value for name, value in options.items() if name not in {"target", "serve"}}
    return options


def with_slo_of_file(profile: str, out: Path) -> str:
    """Return a profile, or the file of a copy with the objectives of firedrill.toml if it has any.

    Raises:
        BadInput: the profile cannot be read, or the copy not be written.
    """
    chosen = click.get_current_context().obj
    if not isinstance(chosen, settings.Settings) or chosen.slo is None:
        return profile
    return str(settings.profile_with_slo(profile, Path(settings.FILE), out / ".profiles"))


def locust_options_of(context: click.Context) -> tuple[str, ...]:
    """Return the options that came after `--`."""
    words: tuple[str, ...] = context.meta.get(LOCUST_OPTIONS, ())
    return words
