"""The list of commands in `firedrill --help`."""

import subprocess
import sys

import pytest

from firedrill import cli


def test_every_command_has_a_line_in_the_help():
    assert cli.SHORT_HELP.keys() == cli.COMMANDS.keys()


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_exists_and_explains_itself(name):
    assert cli.main.get_command(None, name).help


def test_the_help_imports_no_command():
    script = (
        "import sys\n"
        "from firedrill.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith('firedrill.cli.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['firedrill.cli.console']"
