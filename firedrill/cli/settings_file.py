"""The command class that takes the options that are not given from the folder's firedrill.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from firedrill.cli.console import ERRORS
from firedrill.cli.options import CommandWithPorts
from firedrill.project import settings
from firedrill.stack.containers.attached_stack import Attachment


class CommandWithSettings(CommandWithPorts):
    """A command with options of firedrill.toml in the current folder, below those given."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the file, and let click take its values where an option was not given."""
        file = Path(settings.FILE)
        # A stack that is up has settings of its own.
        is_asked = not {"-h", "--help", "--help-all"}.intersection(args)
        if is_asked and file.is_file() and not Attachment.from_environment(os.environ):
            chosen = settings.read(file)
            extra["default_map"] = chosen.options()
            extra["obj"] = chosen
            ERRORS.say(f"settings of {file}", "dim")
        return super().make_context(info_name, args, parent, **extra)


def with_slo_of_file(profile: str, out: Path) -> str:
    """Return a profile, or the file of a copy with the objectives of firedrill.toml if it has any.

    Raises:
        BadInput: the profile cannot be read, or the copy not be written.
    """
    chosen = click.get_current_context().obj
    if not isinstance(chosen, settings.Settings) or chosen.slo is None:
        return profile
    return str(settings.profile_with_slo(profile, Path(settings.FILE), out / ".profiles"))
