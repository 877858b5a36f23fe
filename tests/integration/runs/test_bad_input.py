"""A user's mistake gives one clear line and the right exit code, and leaves nothing behind."""

import re
import socket

import pytest

from tests import firedrill_process

MISTAKES = {
    "a profile that does not exist": (
        "smok",
        2,
        r"profile smok is unknown; did you mean smoke or soak",
    ),
    "a file that is no YAML": ("name: [", 2, r"mistake\.yaml:\d+: "),
    "a key twice": ("name: a\nname: b\n", 2, r"mistake\.yaml:2: .*name"),
    "an alert that no rule has": (
        (
            "name: a\nduration: 5s\nsteps:\n  - {start_time: 0s, users: 1}\n"
            "alerts: {never: [ApiDwon]}\n"
        ),
        2,
        r"profile a: no rule has the alert ApiDwon; did you mean ApiDown",
    ),
    "an alert that must and must not fire": (
        (
            "name: a\nduration: 5s\nsteps:\n  - {start_time: 0s, users: 1}\n"
            "alerts:\n  always: [ApiDown]\n  never:\n    - ApiDown\n"
        ),
        2,
        r"mistake\.yaml:8: alerts\.never\[0\] is ApiDown, which is expected to fire elsewhere",
    ),
    "a user that nobody has": (
        "name: a\nuser: BasicUsr\nduration: 5s\nsteps:\n  - {start_time: 0s, users: 1}\n",
        2,
        (
            r"mistake\.yaml:2: user is BasicUsr, which is none of the bundled users; "
            r"did you mean BasicUser"
        ),
    ),
    "users below zero": (
        "name: a\nduration: 5s\nsteps:\n  - {start_time: 0s, users: -5}\n",
        2,
        r"mistake\.yaml:4: steps\[0\]\.users is -5; expected",
    ),
    "an objective beyond any latency": (
        "name: a\nduration: 5s\nsteps:\n  - {start_time: 0s, users: 1}\nslo: {p99: 601s}\n",
        2,
        r"mistake\.yaml:5: slo\.p99 is '601s'; expected a latency from 0\.1ms to 600s",
    ),
}


def fail(tmp_path, *words, **how):
    """The one line and the exit code of a command that refuses."""
    drill = firedrill_process.start(tmp_path / "runs", *words, **how)
    code, output, errors = drill.finish()
    assert output == ""
    assert "Traceback" not in errors
    assert drill.leftovers() == []
    said = [line for line in errors.splitlines() if line.startswith("firedrill: ")]
    assert len(said) == 1, errors
    return code, said[0], drill


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bad_profile_is_refused_before_anything_starts(mistake, tmp_path):
    text, expected, message = MISTAKES[mistake]
    file = tmp_path / "mistake.yaml"
    file.write_text(text)
    code, said, drill = fail(tmp_path, file if ":" in text else text)
    assert code == expected
    assert re.search(message, said), said
    assert drill.folder() is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["smoke", "--matrix"],
            "--matrix: profile smoke sets no faults; expected some, each with its alerts",
        ),
        (
            ["--matrix", "--abort-on-slo"],
            "--abort-on-slo: --matrix plays several runs, each as long as its fault",
        ),
    ],
)
def test_a_matrix_that_cannot_be_played_is_refused(tmp_path, words, message):
    code, said, drill = fail(tmp_path, *words)
    assert (code, said.removeprefix("firedrill: "), drill.folder()) == (2, message, None)


def test_a_taken_port_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said, drill = fail(tmp_path, "smoke", "--port", port, with_ports=False)
    assert (code, f"--port {port}" in said, drill.folder()) == (2, True, None)


def test_a_target_that_refuses_connections_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    code, said, _ = fail(tmp_path, "smoke", "--target", f"http://127.0.0.1:{port}")
    assert code == 3
    assert f"http://127.0.0.1:{port}" in said


def test_without_prometheus_the_line_says_how_to_get_it(tmp_path):
    code, said, drill = fail(
        tmp_path, "smoke", environment={"FIREDRILL_TOOLS": str(tmp_path), "PATH": str(tmp_path)}
    )
    assert code == 3
    assert "prometheus" in said
    assert "run `firedrill setup`" in said
    assert drill.folder() is None


def test_a_locustfile_that_raises_is_named_with_its_line(tmp_path):
    file = tmp_path / "theirs.py"
    file.write_text("import locust\n\nraise RuntimeError('no such table')\n")
    code, said, drill = fail(tmp_path, "smoke", "--locustfile", file)
    assert code == 2
    assert f"{file}:3: RuntimeError: no such table" in said
    assert drill.folder() is None


def test_a_mistake_in_a_rule_file_is_named(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("groups:\n  - name: mine\n    rules:\n      - alert: Bad\n        expr: sum(\n")
    code, said, drill = fail(tmp_path, "smoke", "--rules", file)
    assert code == 2
    assert "mine.yml" in said
    assert drill.folder() is None
