"""The command of `--serve`: its words, where it listens, and its environment."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PLACEHOLDER = re.compile(r"(?<!\$)\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class PortOption:
    """How a server is told its port."""

    words: tuple[str, ...]
    """What to add to the command."""
    own: tuple[str, ...]
    """Options with which a user gives the address; nothing is added beside one."""
    first: bool = False
    """Whether options have to stand before the application."""
    command: str = ""
    """The subcommand that serves; nothing is added without it."""


_HOST_AND_PORT = PortOption(
    ("--host", LOOPBACK, "--port", "{port}"), ("--port", "-p", "--uds", "--fd", "--unix-socket")
)
_BIND = PortOption(("--bind", LOOPBACK + ":{port}"), ("--bind", "-b"))
_WITH_RUN = PortOption(_HOST_AND_PORT.words, ("--port", "-p"), command="run")

SERVERS: Mapping[str, PortOption] = {
    "gunicorn": _BIND,
    "hypercorn": _BIND,
    "uvicorn": _HOST_AND_PORT,
    "granian": _HOST_AND_PORT,
    "waitress-serve": PortOption(
        (f"--listen={LOOPBACK}:{{port}}",),
        ("--listen", "--port", "--host", "--unix-socket"),
        first=True,
    ),
    "waitress": PortOption(
        (f"--listen={LOOPBACK}:{{port}}",), ("--listen", "--port", "--host"), first=True
    ),
    "flask": _WITH_RUN,
    "fastapi": _WITH_RUN,
    "daphne": PortOption(("-b", LOOPBACK, "-p", "{port}"), ("-p", "--port", "-u", "-e", "--fd")),
    "uwsgi": PortOption(
        ("--http-socket", LOOPBACK + ":{port}"),
        ("--http", "--http-socket", "--socket", "-s", "--ini", "--yaml", "--json"),
    ),
    "manage.py": PortOption((LOOPBACK + ":{port}",), (), command="runserver"),
}
"""The servers whose options are known, by the name of their program."""


@dataclass(frozen=True, slots=True)
class ServedCommand:
    """The command that serves the user's API."""

    text: str
    folder: Path | None = None
    """Where it runs; None: where we do."""
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    """The port on which it has to listen; None leaves the choice to us, or to the command."""
    wait_seconds: float = 60.0
    """How long it may take until it answers."""

    def __str__(self) -> str:
        return self.text

    def check(self) -> None:
        """Check the command before anything is started.

        Raises:
            BadInput: it has no words, an unknown placeholder, or no program, or its folder is none.
        """
        words = self._split()
        for name in _PLACEHOLDER.findall(self.text):
            if name != "port":
                raise BadInput(
                    f"--serve {self.text!r}: unknown placeholder {{{name}}}; expected {{port}}"
                )
        if self.folder and not self.folder.is_dir():
            raise BadInput(f"--serve-cwd {self.folder}: no such folder")
        if self._program(words[0]) is None:
            raise BadInput(
                f"--serve {self.text!r}: there is no program {words[0]!r}; "
                "expected a name on PATH, or a path"
            )

    def words(self, port: int) -> list[str]:
        """Return the command for this port, the program as a path where it was found."""
        words = self._split()
        option = _port_option(words)
        if option and not self._has_placeholder():
            at = _program_index(words) + 1 if option.first else len(words)
            words[at:at] = option.words
        first = self._program(words[0]) or words[0]
        return [first, *(word.replace("{port}", str(port)) for word in words[1:])]

    @property
    def takes_port(self) -> bool:
        """Whether the command is told the port; else it may listen where it likes."""
        return (
            self.port is not None
            or self._has_placeholder()
            or (_port_option(self._split()) is not None)
        )

    def variables(self, port: int) -> dict[str, str]:
        """Return its environment on top of ours; the user's own variables go first."""
        return {"PORT": str(port), **self.environment}

    def _has_placeholder(self) -> bool:
        return "{port}" in self.text

    def _split(self) -> list[str]:
        try:
            words = shlex.split(self.text)
        except ValueError as error:
            raise BadInput(f"--serve {self.text!r}: {error}; expected a command") from error
        if not words:
            raise BadInput("--serve: the command is empty; expected such as 'gunicorn shop:app'")
        return words

    def _program(self, word: str) -> str | None:
        if "/" in word:
            path = (self.folder or Path.cwd()) / word
            return str(path) if path.is_file() and os.access(path, os.X_OK) else None
        ours = str(Path(sys.executable).parent)
        path_variable = self.environment.get("PATH", os.environ.get("PATH", os.defpath))
        return shutil.which(word, path=os.pathsep.join([path_variable, ours]))


def parse_environment(entries: Sequence[str]) -> dict[str, str]:
    """Return the variables of `--env K=V` options.

    Raises:
        BadInput: an entry has no name or no `=`.
    """
    for entry in entries:
        name, equals, _ = entry.partition("=")
        if not (name and equals):
            raise BadInput(f"--env {name}: expected NAME=VALUE")
    return dict(entry.split("=", 1) for entry in entries)


def _program_index(words: Sequence[str]) -> int:
    """Return where the known server stands, behind `python -m` or another launcher; -1 if none."""
    found = (at for at, word in enumerate(words) if Path(word).name in SERVERS)
    return next(found, -1)


def _port_option(words: Sequence[str]) -> PortOption | None:
    """Return how to tell the port; None for an unknown server, or where the command says it."""
    at = _program_index(words)
    if at < 0:
        return None
    option, rest = SERVERS[Path(words[at]).name], words[at + 1 :]
    if option.command and option.command not in rest:
        return None
    says_it = any(word.split("=", 1)[0] in option.own or _is_short(word, option) for word in rest)
    if option.command == "runserver":
        says_it = rest[-1][-1:].isdigit()
    return None if says_it else option


def _is_short(word: str, option: PortOption) -> bool:
    """Return whether a word is a short option with its value, such as `-b:8000`."""
    shorts = [name for name in option.own if len(name) == 2]
    return not word.startswith("--") and word[:2] in shorts
