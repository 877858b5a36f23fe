"""The application and the server command that `firedrill init` finds in a folder."""

import tomllib

import pytest
from click.testing import CliRunner

from firedrill.cli import main
from firedrill.project import application

TWO_STAGES = """FROM a
CMD ["x"]
FROM b
ENTRYPOINT ["gunicorn", "-b", "0.0.0.0:9001"]
CMD ["a:b"]
"""


def written(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app.py": "import flask\napp = flask.Flask(__name__)"}, ("flask", "app", "app")),
        (
            {"shop/__init__.py": "from fastapi import FastAPI\nweb: FastAPI = FastAPI()"},
            ("fastapi", "shop", "web"),
        ),
        (
            {"src/shop/main.py": "from fastapi import FastAPI\napp = FastAPI()"},
            ("fastapi", "shop.main", "app"),
        ),
        (
            {"wsgi.py": "def create_app(config=None):\n    return Flask(__name__)"},
            ("flask", "wsgi", "create_app()"),
        ),
        (
            {"a.py": "def create_app():\n    return Flask('a')", "b.py": "app = Flask('b')"},
            ("flask", "b", "app"),
        ),
        (
            {"manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')"},
            ("django", "shop.settings", ""),
        ),
    ],
)
def test_applications_are_found_without_importing_them(tmp_path, files, expected):
    found = application.find(written(tmp_path, files))
    assert (found.framework, found.module, found.attribute) == expected


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": "app = Flask("},
        {"my-app.py": "app = Flask(__name__)"},
        {"tests/app.py": "app = Flask(__name__)"},
        {"venv/app.py": "app = Flask(__name__)"},
        {"env3/pyvenv.cfg": "", "env3/app.py": "app = Flask(__name__)"},
        {"app.py": "def create_app(config):\n    return Flask(__name__)"},
        {"app.py": "# Flask\x00"},
        {"notes.txt": "app = Flask(__name__)"},
    ],
)
def test_what_cannot_be_served_is_not_found(tmp_path, files):
    assert application.find(written(tmp_path, files)) is None


@pytest.mark.parametrize(
    ("name", "text", "command", "port"),
    [
        ("Procfile", "worker: x\nweb: gunicorn -w 4 app:app\n", "gunicorn -w 4 app:app", 8000),
        ("Procfile", "web: exec uvicorn a:b --port ${PORT:-8123}", None, 8123),
        ("Procfile", "web: gunicorn --bind 0.0.0.0:$PORT app:app", None, 8000),
        ("Dockerfile", TWO_STAGES, "gunicorn -b 0.0.0.0:9001 a:b", 9001),
        ("Dockerfile", "FROM a\nCMD flask run \\\n  -p 5055", "flask run -p 5055", 5055),
        ("Dockerfile", "FROM a\nCMD waitress-serve app:app", "waitress-serve app:app", 8080),
        ("pyproject.toml", "[tool.poe.tasks]\ntest='pytest'\nserve='flask run'", "flask run", 5000),
        ("pyproject.toml", "[tool.pdm.scripts]\nweb={cmd='hypercorn a:b'}", "hypercorn a:b", 8000),
    ],
)  # fmt: skip
def test_server_commands_and_their_ports_are_read(tmp_path, name, text, command, port):
    (tmp_path / name).write_text(text)
    found, file = application.serve_command(tmp_path)
    assert (file, application.port_of(found)) == (name, port)
    assert command in {None, found}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Procfile", "worker: celery"),
        ("Dockerfile", 'FROM a\nCMD ["bash"]'),
        ("pyproject.toml", "[tool.poe]\ntasks = 3"),
        ("pyproject.toml", "no toml"),
    ],
)
def test_other_commands_are_no_server(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert application.serve_command(tmp_path) is None


@pytest.mark.parametrize(
    ("command", "serve"),
    [
        ("gunicorn -w 4 app:app", "gunicorn -w 4 app:app"),
        ("gunicorn --bind 0.0.0.0:$PORT app:app", "gunicorn --bind 0.0.0.0:{port} app:app"),
        ("uvicorn a:b --port ${PORT:-8123}", "uvicorn a:b --port {port}"),
        ("gunicorn 'shop:create_app()'", "gunicorn 'shop:create_app()'"),
        ("gunicorn -w $WORKERS a:b", None),
        ("python manage.py migrate && gunicorn a:b", None),
        ("DEBUG=1 flask run", None),
        ("gunicorn a:b > log", None),
        ("gunicorn 'a:b", None),
        ("gunicorn -b 0:$PORTS a:b", None),
    ],
)
def test_a_command_is_served_if_it_needs_no_shell(command, serve):
    assert application.without_shell(command) == serve


@pytest.mark.parametrize(
    ("procfile", "words", "key", "said"),
    [
        ("web: python3 -m gunicorn -b :$PORT a:b", (), "serve", "it starts your API"),
        ("web: python3 -m gunicorn a:b", ("--target", "http://a"), "target", "start your API with"),
        ("web: ./no/gunicorn a:b", (), "target", "firedrill.toml has a target instead"),
        ("web: gunicorn -w $N a:b", (), "target", "start your API with"),
        ("", (), "target", "start your API, so that"),
    ],
)
def test_init_writes_the_command_that_serves(tmp_path, monkeypatch, procfile, words, key, said):
    monkeypatch.chdir(written(tmp_path, {"Procfile": procfile}))
    done = CliRunner().invoke(main, ["init", "--yes", *words])
    assert (done.exit_code, said in " ".join(done.output.split())) == (0, True), done.output
    settings = tomllib.loads((tmp_path / "firedrill.toml").read_text())
    assert {"target", "serve"} & settings.keys() == {key}
