"""Help, completion and colors of the command line."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from firedrill.cli import main
from firedrill.names import shortened


def firedrill(*words, **environment):
    done = CliRunner().invoke(main, words, env=environment)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("command", ["run", "up"])
def test_short_help_fits_one_screen(command):
    short, whole = firedrill(command, "--help"), firedrill(command, "--help-all")
    assert len(short.splitlines()) <= 48
    assert "--prometheus-port" not in short
    assert whole.index("Ports (") < whole.index("--prometheus-port")


def commands(group=main, path=()):
    """Every command, as the words that call it."""
    yield path
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            yield from commands(group.get_command(context, name), (*path, name))


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_fits_80_columns(path):
    assert max(map(len, firedrill(*path, "--help").splitlines())) <= 80


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_asks_firedrill(shell):
    assert f"_FIREDRILL_COMPLETE={shell}_complete" in firedrill("completion", shell)


def completed(*words, cwd=None):
    """Return the completions that bash offers for the last of these words."""
    environment = {
        **os.environ,
        "_FIREDRILL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("firedrill", *words)),
        "COMP_CWORD": str(len(words)),
    }
    command = [sys.executable, "-m", "firedrill"]
    done = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=True
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_profiles_and_runs_are_completed(tmp_path):
    run = tmp_path / "runs" / "20261201-120000-launch" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_text("{}")
    assert completed("hist") == ["history"]
    assert "smoke" in completed("run", "smo")
    assert completed("show", "2026", cwd=tmp_path) == [run.parent.name]


@pytest.mark.parametrize(
    ("environment", "is_colored"),
    [
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
        ({"CLICOLOR_FORCE": "0"}, False),
        ({}, False),
    ],
)
def test_colors_follow_the_environment(environment, is_colored):
    code = "from firedrill.terminal import Terminal; Terminal().say('text', 'bold red')"
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"}
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("31m" in done.stdout) == is_colored


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [("short", 9, "short"), ("a-very-long-name", 9, "a-ver…ame"), ("abcdef", 5, "ab…ef")],
)
def test_a_long_name_keeps_both_ends(name, width, expected):
    assert len(shortened(name, width)) <= width
    assert shortened(name, width)[0] + shortened(name, width)[-1] == expected[0] + expected[-1]
