"""`firedrill init` in a project's folder, and the settings that `firedrill run` takes from it."""

import ast
import os
import subprocess

import pytest

from firedrill.errors import BadInput
from firedrill.project import application, routes
from tests import firedrill_process, required_programs

APPLICATION = """
import flask, sys
print("noise", file=sys.stdout)
app = flask.Flask(__name__)
app.add_url_rule("/", "front", str)
app.add_url_rule("/items/<int:item>", "item", str)
app.add_url_rule("/users/<name>", "user", str)
app.add_url_rule("/items", "new", str, methods=["POST"])
"""


def call(folder, *words):
    """Run firedrill in a folder without a terminal; return the ended process."""
    return subprocess.run(
        [firedrill_process.FIREDRILL, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_init_writes_a_load_test_and_keeps_it(tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    (tmp_path / "Procfile").write_text("web: python3 -m gunicorn -b 0.0.0.0:8765 app:app\n")
    done = call(tmp_path, "init")
    assert done.returncode == 0, done.stderr
    assert "2 of 3 routes that only read can be requested" in done.stderr
    tasks = (tmp_path / "loadtest" / "locustfile.py").read_text()
    ast.parse(tasks)
    assert "self.client.get('/items/1', name='/items/{item}')" in tasks
    assert "# GET /users/{name}: name" in tasks
    settings = (tmp_path / "firedrill.toml").read_text()
    assert '\nserve = "python3 -m gunicorn -b 0.0.0.0:8765 app:app"' in settings
    assert '`target = "http://127.0.0.1:8765"`' in settings
    (tmp_path / "firedrill.toml").write_text("# mine\n")
    assert call(tmp_path, "init", "--yes").stdout.count("kept") == 3
    assert (tmp_path / "firedrill.toml").read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app = Flask(__name__)", "NameError"),
        ("import flask\napp = flask.Flask('a')\nraise SystemExit(3)", "could not be read"),
        ("import flask, time\napp = flask.Flask('a')\ntime.sleep(99)", "no answer within 0.5 s"),
    ],
)
def test_an_application_that_cannot_be_imported_is_one_line(tmp_path, text, said):
    (tmp_path / "app.py").write_text(text)
    found = application.find(tmp_path)
    with pytest.raises(BadInput) as caught:
        routes.of_application(found, tmp_path, patience_seconds=0.5 if "sleep" in text else 60)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('profile = "smoke"\ntarget = "ftp://a"', "--target ftp://a: expected a URL"),
        ('profile = "smok"', "profile smok is unknown; did you mean smoke"),
        ('profile = "smoke"\nlocustfile = "no.py"', "--locustfile no.py: no such file"),
        ('profile = "smoke"\ntarge = "http://a"', "firedrill.toml:2: targe is no key"),
        ("workers = 2", "no PROFILE"),
        ('profile = "smoke"\nserve = "python3 a.py"\ntarget = "http://a"', "expected one of both"),
    ],
)
def test_a_run_without_arguments_reads_the_settings(tmp_path, text, said):
    required_programs.require("prometheus")
    (tmp_path / "firedrill.toml").write_text(text)
    done = call(tmp_path, "run")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "runs").exists()


def test_options_come_before_the_settings(tmp_path):
    required_programs.require("prometheus")
    (tmp_path / "firedrill.toml").write_text('profile = "smoke"\ntarget = "ftp://a"')
    assert "--target ftp://b: expected" in call(tmp_path, "run", "--target", "ftp://b").stderr
    assert "profile smok is unknown" in call(tmp_path, "run", "smok").stderr
    served = call(tmp_path, "run", "--serve", "no-such-program").stderr
    assert "no-such-program" in served
    assert "ftp://a" not in served
