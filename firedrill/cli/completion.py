"""Shell completion: the command `completion`, and the completion of profiles and runs."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

VARIABLE = "_FIREDRILL_COMPLETE"
"""Environment variable by which the shell asks for completions."""


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Examples:
      echo 'eval "$(firedrill completion bash)"' >> ~/.bashrc
      firedrill completion zsh > "${fpath[1]}/_firedrill"
      firedrill completion fish > ~/.config/fish/completions/firedrill.fish
    """
    chosen = get_completion_class(shell)
    if chosen is None:
        raise AssertionError(shell)
    script = chosen(context.find_root().command, {}, "firedrill", VARIABLE)
    # `source()` would start bash to look at its version.
    click.echo(script.source_template % script.source_vars())


def complete_run(
    context: click.Context, _option: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Return the recorded runs that begin like this, newest first, and `last`."""
    out = context.params.get("out") or Path("runs")
    names = ["last", *sorted((file.parent.name for file in out.glob("*/run.json")), reverse=True)]
    return [CompletionItem(name) for name in names if name.startswith(beginning)]


def complete_profile(
    _context: click.Context, _option: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Return the bundled profiles that begin like this, and files."""
    from firedrill.profile import bundled_profiles  # noqa: PLC0415 -- takes longer than `runs`

    names = [name for name in bundled_profiles() if name.startswith(beginning)]
    return [*map(CompletionItem, names), CompletionItem(beginning, type="file")]
