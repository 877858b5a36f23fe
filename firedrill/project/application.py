"""The application in a folder: its framework, where it is, and the command that serves it.

Everything is read from text; no module of the user's is imported.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAMEWORKS = {"Flask": "flask", "FastAPI": "fastapi"}
FACTORIES = frozenset({"create_app", "make_app", "get_app", "build_app"})
SKIPPED = frozenset({"node_modules", "site-packages", "tests", "test", "venv", "env", "build"})
DEEPEST = 4
"""Folders below the project's root that are searched."""
MOST_FILES = 2000
MOST_BYTES = 1_000_000

SERVERS = re.compile(
    r"\b(gunicorn|uvicorn|hypercorn|granian|daphne|waitress-serve|flask|fastapi|uwsgi|manage\.py)\b"
)
SCRIPTS = ("serve", "server", "start", "web", "run", "dev")
"""Names of scripts in pyproject.toml that may serve the application, best first."""

DEFAULT_PORTS = {"flask": 5000, "waitress-serve": 8080}
_PORT = re.compile(
    r"(?:--port[= ]|-p |--(?:listen|bind|http)[= ]\S*?:|-b \S*?:|runserver (?:\S*:)?)"
    r"(\d{2,5})\b"
)

_SHELL = re.compile(r"[$&|;<>`*~]")
"""What only a shell understands."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application object, as `module:attribute`; Django has its settings module instead."""

    framework: str
    module: str
    attribute: str
    folder: Path
    """The folder from which the module is imported."""

    @property
    def serve(self) -> str:
        """A command that serves it for a first try."""
        if self.framework == "django":
            return "python manage.py runserver --noreload 8000"
        if self.framework == "flask":
            return f"flask --app {self.module}:{self.attribute} run --port 5000"
        return f"uvicorn {self.module}:{self.attribute} --port 8000"


def find(root: Path) -> Application | None:
    """Return the application of a project: the one nearest to its root; None without any."""
    manage = _text(root / "manage.py")
    settings = re.search(r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)['\"]", manage)
    if settings:
        return Application("django", settings[1], "", root)
    found = [application for file in _modules(root) for application in _applications(root, file)]
    # Names that servers look for first, and objects before factories.
    found.sort(key=lambda app: (app.attribute.endswith("()"), app.attribute != "app"))
    return found[0] if found else None


def _modules(root: Path) -> Iterator[Path]:
    """Yield the modules of a project, those near its root first."""
    folders, seen = [root], 0
    for _ in range(DEEPEST):
        below = []
        for folder in folders:
            with suppress(OSError):
                for path in sorted(folder.iterdir()):
                    if path.is_dir():
                        hidden = path.name.startswith((".", "_")) or path.name in SKIPPED
                        if not (hidden or path.is_symlink() or (path / "pyvenv.cfg").exists()):
                            below.append(path)
                    elif path.suffix == ".py" and seen < MOST_FILES:
                        seen += 1
                        yield path
        folders = below


def _applications(root: Path, file: Path) -> Iterator[Application]:
    text = _text(file)
    if not any(name in text for name in FRAMEWORKS):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    base = root / "src" if file.is_relative_to(root / "src") else root
    parts = file.relative_to(base).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    if not all(part.isidentifier() for part in module.split(".")):
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in FACTORIES:
            used = {_called(part) for part in ast.walk(node)} & FRAMEWORKS.keys()
            if used and len(node.args.args) == len(node.args.defaults):
                yield Application(FRAMEWORKS[used.pop()], module, f"{node.name}()", base)
        target = _assigned(node)
        called = _called(getattr(node, "value", None))
        if target and called in FRAMEWORKS:
            yield Application(FRAMEWORKS[called], module, target, base)


def _assigned(node: ast.stmt) -> str | None:
    """Return the name that a statement assigns to; None if it is none, or several."""
    target: Any = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    return target.id if isinstance(target, ast.Name) else None


def _called(node: object) -> str:
    """Return the last name of a called function: `FastAPI` of `fastapi.FastAPI()`; "" of others."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def serve_command(root: Path) -> tuple[str, str] | None:
    """Return the command that serves the application, and the file that has it; None without one.

    It is looked up in Procfile, pyproject.toml and Dockerfile.
    """
    for name, read in (
        ("Procfile", _of_procfile),
        ("pyproject.toml", _of_pyproject),
        ("Dockerfile", _of_dockerfile),
    ):
        command = " ".join((read(_text(root / name)) or "").split())
        if SERVERS.search(command):
            return re.sub(r"^exec ", "", command), name
    return None


def _of_procfile(text: str) -> str | None:
    found = re.search(r"^web:(.*)$", text, re.MULTILINE)
    return found[1] if found else None


def _of_pyproject(text: str) -> str | None:
    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError:
        return None
    tables = [
        _inner(tool, *names)
        for names in (
            ("poe", "tasks"),
            ("pdm", "scripts"),
            ("taskipy", "tasks"),
            ("hatch", "envs", "default", "scripts"),
        )
    ]
    for script in SCRIPTS:
        for table in tables:
            command = table.get(script)
            if isinstance(command, dict):
                command = command.get("cmd")
            if isinstance(command, str) and SERVERS.search(command):
                return command
    return None


def _inner(table: Any, *names: str) -> dict[str, Any]:
    for name in names:
        table = table.get(name, {}) if isinstance(table, dict) else {}
    return table if isinstance(table, dict) else {}


def _of_dockerfile(text: str) -> str | None:
    """Return the command of the last stage: its ENTRYPOINT with its CMD."""
    joined = re.sub(r"\\\s*\n", " ", text)
    stage = re.split(r"^\s*FROM\b", joined, flags=re.MULTILINE | re.IGNORECASE)[-1]
    words: dict[str, str] = {}
    for key, value in re.findall(r"^\s*(ENTRYPOINT|CMD)\s+(.+)$", stage, re.MULTILINE):
        words[key] = _dockerfile_words(value)
    return " ".join(words[key] for key in ("ENTRYPOINT", "CMD") if key in words) or None


def _dockerfile_words(value: str) -> str:
    try:
        return shlex.join(map(str, json.loads(value)))
    except (ValueError, TypeError):
        return value


def without_shell(command: str) -> str | None:
    """Return a server's command for `serve`, with {port} for $PORT; None if it needs a shell."""
    text = re.sub(r"\$\{PORT(?::?-\d*)?\}|\$PORT\b", "{port}", command)
    with suppress(ValueError):
        words = shlex.split(text)
        if words and "=" not in words[0] and not _SHELL.search(text):
            return text
    return None


def port_of(command: str) -> int:
    """Return the port that a command serves on, or its server's default."""
    # `${PORT:-8000}` has a default; a bare `$PORT` is 8000 by custom.
    text = re.sub(r"\$\{PORT:-(\d+)\}", r"\1", command)
    text = re.sub(r"\$\{?PORT\}?", "8000", text)
    found = _PORT.search(text)
    if found and 0 < int(found[1]) < 65536:
        return int(found[1])
    server = SERVERS.search(command)
    return DEFAULT_PORTS.get(server[1] if server else "", 8000)


def _text(file: Path) -> str:
    """Return the text of a file; "" if there is none, or far too much."""
    try:
        if file.stat().st_size > MOST_BYTES:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
