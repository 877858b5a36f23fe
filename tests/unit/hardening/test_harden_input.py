"""Mistakes in the command line of `firedrill harden`."""

import pytest
from click.testing import CliRunner

from firedrill.cli import main

TRY = ("--try", "threads")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("launch",), "no --try"),
        (("launch", "--try", "threads=9..3"), "expected threads=3..9"),
        (("launch", "--try", "workers"), "no setting workers"),
        (("launch", *TRY, "--server", "dev"), "Flask's development server has no settings"),
        (("launch", *TRY, "--target", "http://127.0.0.1:1"), "harden restarts the server"),
        (("launches", *TRY), "unknown"),
        (("{no_slo}", *TRY), "has no objectives"),
        (("{endless}", *TRY), "lasts until it is stopped"),
        (("launch", *TRY, "--runs", "1"), "1 is not in the range"),
    ],
)
def test_what_cannot_be_hardened_is_told_in_a_line(tmp_path, words, message):
    """Nothing is started and nothing recorded."""
    files = {
        "{no_slo}": "duration: 5s",
        "{endless}": "slo: {p99: 1s}",
    }
    asked = []
    for word in words:
        if word in files:
            file = tmp_path / "own.yaml"
            file.write_text(
                "name: own\nuser: BasicUser\n"
                "steps: [{start_time: 0s, users: 1, spawn_rate: 1}]\n"
                f"{files[word]}\n"
            )
            asked.append(str(file))
        else:
            asked.append(word)
    done = CliRunner().invoke(main, ["harden", *asked, "--out", str(tmp_path / "runs")])
    assert (done.exit_code, message in " ".join(done.output.split())) == (2, True), done.output
    assert not (tmp_path / "runs").exists()
