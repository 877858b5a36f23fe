"""The command of --serve gets its port in its server's own way."""

import sys

import pytest

from firedrill.errors import BadInput
from firedrill.serve.command import ServedCommand, parse_environment

PORT = 8123
ADDRESS = f"127.0.0.1:{PORT}"


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("gunicorn -w 4 shop:app", ["--bind", ADDRESS]),
        ("hypercorn shop:app", ["--bind", ADDRESS]),
        ("uvicorn shop:app", ["--host", "127.0.0.1", "--port", str(PORT)]),
        ("granian --interface asgi shop:app", ["--host", "127.0.0.1", "--port", str(PORT)]),
        ("flask --app shop run", ["--host", "127.0.0.1", "--port", str(PORT)]),
        ("python -m uvicorn shop:app", ["--host", "127.0.0.1", "--port", str(PORT)]),
        ("poetry run gunicorn shop:app", ["--bind", ADDRESS]),
        ("python manage.py runserver --noreload", [ADDRESS]),
    ],
)
def test_known_server_is_told_its_port(text, added):
    command = ServedCommand(text)
    assert command.words(PORT)[1:] == [*text.split()[1:], *added]
    assert command.takes_port


def test_waitress_takes_its_address_before_the_application():
    words = ServedCommand("waitress-serve --threads=8 shop:app").words(PORT)
    assert words[1:] == [f"--listen={ADDRESS}", "--threads=8", "shop:app"]


@pytest.mark.parametrize(
    "text",
    [
        "gunicorn -b 127.0.0.1:9 shop:app",
        "gunicorn -b127.0.0.1:9 shop:app",
        "gunicorn --bind=unix:/x shop:app",
        "uvicorn shop:app --port 9",
        "python manage.py runserver 9",
        "flask routes",
        "node server.js",
    ],
)
def test_a_command_keeps_the_address_that_it_has(text):
    command = ServedCommand(text)
    assert command.words(PORT)[1:] == text.split()[1:]
    assert not command.takes_port


def test_placeholder_becomes_the_port_everywhere():
    command = ServedCommand("gunicorn -b 127.0.0.1:{port} -n shop-{port} shop:app")
    assert command.words(PORT)[1:] == ["-b", ADDRESS, "-n", f"shop-{PORT}", "shop:app"]
    assert command.takes_port


def test_port_is_in_the_environment_unless_the_user_sets_it():
    assert ServedCommand("x").variables(PORT) == {"PORT": str(PORT)}
    assert ServedCommand("x", environment={"PORT": "1"}).variables(PORT) == {"PORT": "1"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the command is empty"),
        ("echo 'x", "No closing quotation"),
        ("no-such-program-42", "there is no program 'no-such-program-42'"),
        ("./no-such-program-42", "there is no program './no-such-program-42'"),
        (f"{sys.executable} -m http.server {{prot}}", "unknown placeholder {prot}"),
    ],
)
def test_a_command_that_cannot_run_is_refused(text, complaint):
    with pytest.raises(BadInput, match="--serve") as error:
        ServedCommand(text).check()
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadInput, match="--serve-cwd"):
        ServedCommand(sys.executable, folder=tmp_path / "none").check()


@pytest.mark.parametrize("entry", ["A", "=1", ""])
def test_environment_entry_without_name_or_value_is_refused(entry):
    with pytest.raises(BadInput, match="NAME=VALUE"):
        parse_environment([entry])


def test_environment_values_may_contain_equals_signs():
    assert parse_environment(["A=b=c", "D="]) == {"A": "b=c", "D": ""}
