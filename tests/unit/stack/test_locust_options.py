"""Options of Locust after two dashes, in the environment and in files."""

import pytest

from firedrill.errors import BadInput
from firedrill.stack import locust_options


@pytest.mark.parametrize(
    "words",
    [
        ("--tags", "checkout", "--tenant", "x"),
        ("--exclude-tags=slow", "--csv", "out"),
        ("--config-users", '{"user_class_name": "A"}'),
        ("-L", "DEBUG", "--reset-stats", "--html", "page.html"),
        ("MyUser", "-1"),
        ("--otel",),
    ],
)
def test_options_of_the_users_reach_locust(words):
    locust_options.check(words)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--users", "the profile says how many users run"),
        ("-u", "the profile says how many users run"),
        ("-u10", "the profile says how many users run"),
        ("--spawn-rate=3", "the profile says"),
        ("--processes", "--workers N"),
        ("--proc=4", "--workers N"),
        ("--master", "--workers N"),
        ("--worker", "--workers N"),
        ("-t", "--duration"),
        ("--run-time=1m", "--duration"),
        ("-H", "--target"),
        ("--host=http://a", "--target"),
        ("-f", "--locustfile"),
        ("--headless", "web page"),
        ("--web-port=3", "firedrill chooses the addresses"),
        ("--master-bind-port=3", "firedrill chooses the addresses"),
        ("--config=a.conf", "./locust.conf"),
        ("--help", "locust --help"),
    ],
)
def test_options_that_contradict_the_run_are_refused(word, said):
    with pytest.raises(BadInput) as caught:
        locust_options.check(("--tags", "a", word))
    assert str(caught.value).startswith(f"-- {word.partition('=')[0]}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"LOCUST_TAGS": "a"}, "LOCUST_TAGS changes this run"),
        ({"LOCUST_USERS": "3"}, "LOCUST_USERS is ignored: the profile says how many users run"),
        ({"LOCUST_HOST": "http://a"}, "LOCUST_HOST is ignored: --target"),
        ({"LOCUST_WEB_PORT": "3"}, ""),
        ({"LOCUST_TAGS": "", "TAGS": "b"}, ""),
    ],
)
def test_variables_that_change_the_run_are_named(tmp_path, variables, line):
    lines = [*locust_options.found(variables, tmp_path, tmp_path)]
    assert [said.startswith(line) for said in lines] == [True] * bool(line)


@pytest.mark.parametrize(
    "variable", ["LOCUST_PROCESSES", "LOCUST_MODE_MASTER", "LOCUST_MODE_WORKER", "LOCUST_RUN_TIME"]
)
def test_variables_that_contradict_the_run_are_refused(tmp_path, variable):
    with pytest.raises(BadInput, match=f"^{variable}: "):
        [*locust_options.found({variable: "1"}, tmp_path, tmp_path)]


CONFIGURATION = """
# locust.conf
[locust]
tags = checkout
users: 10
loglevel DEBUG
"""


def test_configuration_files_are_named_with_their_lines(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".locust.conf").write_text("exclude_tags=slow\n")
    (tmp_path / "locust.conf").write_text(CONFIGURATION)
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nreset-stats = true\n")
    assert [*locust_options.found({}, tmp_path, tmp_path / "home")] == [
        ".locust.conf:1: exclude_tags changes this run",
        "locust.conf:4: tags changes this run",
        "locust.conf:5: users is ignored: the profile says how many users run",
        "locust.conf:6: loglevel changes this run",
        "pyproject.toml: tool.locust.reset-stats changes this run",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("locust.conf", "processes = 4"),
        ("locust.conf", "master = true"),
        ("pyproject.toml", "[tool.locust]\nworker = true"),
    ],
)
def test_configuration_that_contradicts_the_run_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=f"^{name}:.*--workers N"):
        [*locust_options.found({}, tmp_path, tmp_path)]


@pytest.mark.parametrize("text", ["", "tool = 3", "no toml", "[tool]\nlocust = 3", "\x00"])
def test_other_files_are_left_alone(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    assert [*locust_options.found({}, tmp_path, tmp_path)] == []
