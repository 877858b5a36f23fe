"""`firedrill alerts` scales and checks files, and names mistakes with their place."""

import pytest
from click.testing import CliRunner

from firedrill import places
from firedrill.alerts.rules import rule_file
from firedrill.cli import main


def test_scaling_a_file_reports_durations_that_stayed_longer(tmp_path):
    out = tmp_path / "out.yml"
    done = CliRunner().invoke(
        main, ["alerts", "scale", "--factor", "60", str(places.RULES / "api.yml"), str(out)]
    )
    assert done.exit_code == 0
    assert "for: 1s" in out.read_text()
    assert "is 4s here, not 1s" in done.stderr
    lost = CliRunner().invoke(main, ["alerts", "scale", str(tmp_path / "none.yml"), str(out)])
    assert (lost.exit_code, "none.yml: No such file" in lost.stderr) == (2, True)
    (tmp_path / "odd.yml").write_bytes(b"\xff")
    odd = CliRunner().invoke(main, ["alerts", "scale", str(tmp_path / "odd.yml"), str(out)])
    assert (odd.exit_code, "odd.yml: no text" in odd.stderr) == (2, True)


def test_scaling_reports_a_mistake_as_file_and_line(tmp_path):
    (tmp_path / "odd.yml").write_text("groups:\n  - name: g\n  - hello\n")
    done = CliRunner().invoke(
        main, ["alerts", "scale", str(tmp_path / "odd.yml"), str(tmp_path / "out.yml")]
    )
    assert (done.exit_code, done.stderr) == (
        2,
        f"firedrill: {tmp_path / 'odd.yml'}:3: no group; expected a name and a list of rules\n",
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n", "groups:\n"])
def test_a_file_without_rules_is_scaled_to_one_without(tmp_path, text):
    (tmp_path / "none.yml").write_text(text)
    done = CliRunner().invoke(
        main, ["alerts", "scale", str(tmp_path / "none.yml"), str(tmp_path / "out.yml")]
    )
    assert (done.exit_code, done.stderr) == (0, "0 durations could not become as short as asked\n")
    assert rule_file.read(tmp_path / "out.yml") == ()


def test_counts_are_singular_or_plural(tmp_path):
    (tmp_path / "r.yml").write_text(
        "groups:\n- name: g\n  rules:\n  - {record: a, expr: 'delta(up[2m])'}\n"
    )
    words = [
        "alerts",
        "scale",
        "--factor",
        "60",
        str(tmp_path / "r.yml"),
        str(tmp_path / "out.yml"),
    ]
    assert (
        CliRunner()
        .invoke(main, words)
        .stderr.endswith("\n1 duration could not become as short as asked\n")
    )
    checked = CliRunner().invoke(
        main, ["alerts", "check", str(tmp_path / "r.yml"), str(tmp_path / "out.yml")]
    )
    assert checked.stderr == "0 errors, 0 warnings in 2 files\n"


@pytest.mark.parametrize("command", ["check", "backtest"])
def test_an_empty_run_name_is_an_error(tmp_path, command):
    (tmp_path / "r.yml").write_text("groups: []\n")
    done = CliRunner().invoke(
        main, ["alerts", command, str(tmp_path / "r.yml"), "--run", "", "--out", str(tmp_path)]
    )
    assert (done.exit_code, "an empty name" in done.stderr) == (2, True)
